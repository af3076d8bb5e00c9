package main

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"sessl/internal/leakcheck"
)

// pageOf returns the answer of url to a client that accepts this.
func pageOf(t *testing.T, url, accept string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", accept)
	r.Close = true
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatal(resp.Status, err)
	}
	return string(b)
}

// --debug shows what the server counts, to browsers and to programs, and on loopback only unless an address
// is given.
func TestServeDebug(t *testing.T) {
	leakcheck.Test(t)
	s, addr := startServe(t, "--debug", "0")
	url := strings.TrimPrefix(s.await(1, "debug page on "), "debug page on ")
	if !strings.HasPrefix(url, "http://127.0.0.1:") {
		t.Fatal(url)
	}
	probeJSON(t, exitOK, addr, "-n", "2")
	var page struct {
		Contexts map[string]struct {
			Stats struct{ Handshakes map[string]uint64 }
		}
	}
	if err := json.Unmarshal([]byte(pageOf(t, url, "*/*")), &page); err != nil {
		t.Fatal(err)
	}
	if n := page.Contexts["serve"].Stats.Handshakes["ticket"]; n != 2 {
		t.Errorf("%d resumptions: %+v", n, page)
	}
	if html := pageOf(t, url, "text/html"); !strings.Contains(html, "resumed by ticket") {
		t.Error(html)
	}
}

func TestDebugAddress(t *testing.T) {
	for given, want := range map[string]string{"8080": "127.0.0.1:8080", ":8080": "127.0.0.1:8080",
		"0.0.0.0:1": "0.0.0.0:1", "[::1]:2": "[::1]:2", "host:http": "host:http", "": "", "host": "", "99999": ""} {
		got, err := debugAddress(given)
		if got != want || (err != nil) != (want == "") {
			t.Errorf("%q: %q, %v", given, got, err)
		}
	}
}

// A page for everyone is served with a warning.
func TestServeDebugWarns(t *testing.T) {
	for addr, warns := range map[string]bool{"127.0.0.1:0": false, "[::]:0": true, "0.0.0.0:0": true} {
		var errs strings.Builder
		_, stop, err := debugPage(addr, nil, &errs)
		if err != nil {
			t.Fatal(err)
		}
		stop()
		if got := strings.Contains(errs.String(), "warning: whoever reaches"); got != warns {
			t.Errorf("%s: %q", addr, errs.String())
		}
	}
}
