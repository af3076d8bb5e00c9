package httpssl_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"testing"

	"sessl/httpssl"
	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// upgrades is a handler that takes over the connection for "websocket", and echoes one line.
var upgrades = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	c, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusHTTPVersionNotSupported)
		return
	}
	defer c.Close()
	own, _ := httpssl.Unwrap(c)
	fmt.Fprintf(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n"+
		"resumed %t\n", r.Header.Get("Upgrade"), own.SessionReused())
	line, _ := bufio.NewReader(c).ReadString('\n')
	io.WriteString(c, "echo "+line)
})

// upgrade speaks over an upgraded connection, and returns what the server has said.
func upgrade(t *testing.T, c *http.Client, u, proto string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), ssltest.Timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, "GET", u, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Connection", "Upgrade")
	r.Header.Set("Upgrade", proto)
	resp, err := (&http.Client{Transport: c.Transport}).Do(r) // a Timeout would hide the connection
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	both, ok := resp.Body.(io.ReadWriter)
	if !ok || resp.StatusCode != http.StatusSwitchingProtocols {
		return resp.Status
	}
	io.WriteString(both, "hello\n")
	b, err := io.ReadAll(both)
	if err != nil {
		t.Error(err)
	}
	return resp.Proto + " " + string(b)
}

// A WebSocket gets a connection of HTTP/1.1, which resumes sessions of the others, also through a
// reverse proxy both of whose sides offer h2, and through a forward proxy.
func TestUpgrades(t *testing.T) {
	leakcheck.Test(t)
	s := start(t, serverCtx(t), upgrades)
	forward := startProxy(t, s.Addr, nil, nil)
	for by, c := range proxyClients(t, true, forward.by(nil)) {
		want := "HTTP/1.1 resumed false\necho hello\n"
		if got := upgrade(t, c, "https://server.test/", "websocket"); got != want {
			t.Errorf("%s, by a forward proxy: %q", by, got)
		}
	}
	backend := clientCtx(t)
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	front := start(t, serverCtx(t), &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(u) },
		Transport: client(t, backend).Transport,
	})
	for by, c := range clients(t, true) {
		post(t, c, front.URL, "") // so that front and backend are known to speak HTTP/2
		for range 2 {
			want := "HTTP/1.1 resumed true\necho hello\n"
			if got := upgrade(t, c, front.URL, "websocket"); got != want {
				t.Errorf("%s, by a reverse proxy: %q", by, got)
			}
		}
		if resp, _ := post(t, c, front.URL, ""); resp.ProtoMajor != 2 {
			t.Errorf("%s: others go by %s", by, resp.Proto)
		}
	}
	if st, err := backend.Stats(); err != nil || st.Handshakes[ssl.ReusedTicket] == 0 {
		t.Errorf("%+v, %v", st, err)
	}
}

// Upgrades to other protocols than WebSocket are net/http's errors on connections of HTTP/2.
func TestOtherUpgrades(t *testing.T) {
	leakcheck.Test(t)
	s := start(t, serverCtx(t), upgrades)
	for _, h2 := range []bool{false, true} {
		got := map[string]string{}
		for by, c := range clients(t, h2) {
			got[by] = upgrade(t, c, s.URL, "other")
		}
		if a, b := got["httpssl"], got["net/http"]; a != b {
			t.Errorf("h2 %t: httpssl: %q; net/http: %q", h2, a, b)
		}
	}
}
