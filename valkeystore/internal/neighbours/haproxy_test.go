package neighbours

import (
	"bufio"
	"context"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// socket serves a stats socket that gives those answers, one to each connection.
func socket(t *testing.T, answers ...string) HAProxy {
	t.Helper()
	addr := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for _, text := range answers {
			c, err := l.Accept()
			if err != nil {
				return
			}
			bufio.NewReader(c).ReadString('\n')
			c.Write([]byte(text))
			c.Close()
		}
	}()
	return HAProxy{Network: "unix", Addr: addr, ID: "keys"}
}

func shown(keys ...*fake) string {
	text := "# id secret\n# 0 (keys)\n"
	for i, k := range keys {
		text += "0." + string(rune('0'+i)) + " " + k.text() + "\n"
	}
	return text + "\n"
}

// Keys are sent only if they are not there, and count only if they are there afterwards.
func TestSend(t *testing.T) {
	k := fakes(5)
	before, after := shown(k[0], k[1], k[2]), "TLS ticket key updated!\n\n"+shown(k[1], k[2], k[3])
	for name, tc := range map[string]struct {
		answers []string
		sent    int
		err     error
	}{
		"one":        {answers: []string{before, after}, sent: 1},
		"none":       {answers: []string{after}},
		"all":        {answers: []string{shown(k[4], k[0], k[4]), after}, sent: 3},
		"not taken":  {answers: []string{before, before}, err: ErrRefused},
		"denied":     {answers: []string{"Permission denied\n\n"}, err: ErrDenied},
		"unknown":    {answers: []string{"'show tls-keys' unable to locate it\n\n"}, err: ErrNoKeys},
		"two keys":   {answers: []string{shown(k[0], k[1])}, err: ErrRefused},
		"nothing":    {answers: []string{""}, err: ErrRefused},
		"too much":   {answers: []string{strings.Repeat("x", maxAnswer+1)}, err: ErrRefused},
		"repeats it": {answers: []string{before, "Unknown command: " + k[3].text()}, err: ErrRefused},
	} {
		n, err := socket(t, tc.answers...).Send(t.Context(), setOf(k, 1, 2, 3))
		if n != tc.sent || !errors.Is(err, tc.err) {
			t.Errorf("%s: %d, %v", name, n, err)
		}
		for _, key := range k {
			key.wantWiped(t)
			if err != nil && strings.Contains(err.Error(), key.text()[:20]) {
				t.Errorf("%s: a key is in the error", name)
			}
		}
	}
}

// A socket that is not there, or says nothing, is an error in time.
func TestSendToNobody(t *testing.T) {
	k := fakes(3)
	h := HAProxy{Network: "unix", Addr: filepath.Join(t.TempDir(), "none"), ID: "keys"}
	if _, err := h.Send(t.Context(), setOf(k, 0, 1, 2)); err == nil || !strings.Contains(err.Error(), h.Addr) {
		t.Error(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	h = HAProxy{Network: "tcp", Addr: l.Addr().String(), ID: "keys"}
	if _, err := h.Send(ctx, setOf(k, 0, 1, 2)); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}
