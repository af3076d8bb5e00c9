package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
)

// dialTLS connects with Go's own TLS.
func dialTLS(t testing.TB, addr string, cfg *tls.Config) *tls.Conn {
	t.Helper()
	pem, err := os.ReadFile(ssltest.CertFile("ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	cfg.RootCAs = x509.NewCertPool()
	cfg.RootCAs.AppendCertsFromPEM(pem)
	c, err := tls.Dial("tcp", addr, cfg)
	if err != nil {
		t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(limit))
	t.Cleanup(func() { c.Close() })
	return c
}

// ask sends a request unchanged and reads the response.
func ask(t testing.TB, c net.Conn, r *bufio.Reader, request string) (*http.Response, string) {
	t.Helper()
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	method, _, _ := strings.Cut(request, " ")
	resp, err := http.ReadResponse(r, &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

// wantEOF fails unless the server has closed with close_notify.
func wantEOF(t testing.TB, r *bufio.Reader) {
	t.Helper()
	if b, err := r.ReadByte(); err != io.EOF {
		t.Errorf("read %q, %v; want the end", b, err)
	}
}

// HTTP/1.0 and HTTP/1.1, with connections kept alive and not.
func TestServeHTTP(t *testing.T) {
	leakcheck.Test(t)
	_, addr := startServe(t, "--www")
	_, closing := startServe(t, "--www", "--close")

	c := dialTLS(t, addr, &tls.Config{})
	r := bufio.NewReader(c)
	for range 2 {
		resp, body := ask(t, c, r, "GET /any/path?x=y HTTP/1.1\r\nHost: h\r\n\r\n")
		if resp.StatusCode != 200 || resp.Close ||
			!strings.HasPrefix(body, "protocol: TLS 1.3\ncipher: TLS_AES_128_GCM_SHA256\n") ||
			!strings.Contains(body, "\nreused: false\nhow: none\nsession_id: ") {
			t.Errorf("%s\n%s", resp.Status, body)
		}
	}
	if resp, body := ask(t, c, r, "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n"); resp.StatusCode != 200 || body != "" {
		t.Errorf("HEAD: %s %q", resp.Status, body)
	}
	if resp, _ := ask(t, c, r,
		"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n"); resp.StatusCode != 405 ||
		resp.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %s", resp.Status)
	}

	for _, request := range []string{"GET / HTTP/1.0\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"} {
		c = dialTLS(t, addr, &tls.Config{})
		r = bufio.NewReader(c)
		if resp, _ := ask(t, c, r, request); resp.StatusCode != 200 {
			t.Errorf("%q: %s", request, resp.Status)
		}
		wantEOF(t, r)
	}
	c = dialTLS(t, closing, &tls.Config{})
	r = bufio.NewReader(c)
	if resp, _ := ask(t, c, r, "GET / HTTP/1.1\r\nHost: h\r\n\r\n"); resp.StatusCode != 200 || !resp.Close {
		t.Errorf("--close: %s, close is %t", resp.Status, resp.Close)
	}
	wantEOF(t, r)
}

// Go's own client gets the JSON, which says that it resumed.
func TestServeJSON(t *testing.T) {
	for _, fm := range forms[1:] { // crypto/tls has no session ids
		t.Run(fm.name, func(t *testing.T) {
			leakcheck.Test(t)
			_, addr := startServe(t, "--www", "--client-ca", ssltest.CertFile("ca.pem"), "--alpn", "http/1.1",
				"--tls", fm.name[3:6])
			pair, err := tls.LoadX509KeyPair(ssltest.CertFile("client.pem"), ssltest.CertFile("client.key"))
			if err != nil {
				t.Fatal(err)
			}
			cfg := &tls.Config{
				ClientSessionCache: tls.NewLRUClientSessionCache(1),
				Certificates:       []tls.Certificate{pair},
				NextProtos:         []string{"http/1.1"},
			}
			for i := range 2 {
				c := dialTLS(t, addr, cfg)
				resp, body := ask(t, c, bufio.NewReader(c),
					"GET / HTTP/1.1\r\nHost: h\r\nAccept: text/html;q=0.5, application/json\r\n\r\n")
				d := json.NewDecoder(strings.NewReader(body))
				d.DisallowUnknownFields()
				var got status
				if err := d.Decode(&got); err != nil {
					t.Fatal(err)
				}
				how := howNone
				if i > 0 {
					how = fm.how
				}
				st, sni := c.ConnectionState(), "localhost"
				want := status{
					Protocol: "TLS " + fm.name[3:6], Cipher: got.Cipher, Group: got.Group, ALPN: "http/1.1", ServerName: sni,
					Reused: st.DidResume, How: how, SessionID: got.SessionID,
					Client: pair.Leaf.Subject.String(), Early: "none",
				}
				if got != want || st.DidResume != (i > 0) || resp.Header.Get("Content-Type") != "application/json" {
					t.Errorf("connection %d: %+v, want %+v", i, got, want)
				}
				c.Close()
			}
		})
	}
}

// A server with tickets still reports to a client without tickets that its id was found.
func TestServeTellsIDsFromTickets(t *testing.T) {
	leakcheck.Test(t)
	s, addr := startServe(t, "--tls", "1.2")
	probeJSON(t, exitOK, addr, "-n", "1", "--no-tickets")
	probeJSON(t, exitOK, addr, "-n", "1")
	for i, want := range []string{" resumed=id ", " resumed=ticket "} {
		if line := s.await(i+1, " resumed="); !strings.Contains(line, want) {
			t.Errorf("resumption %d, want%s: %s", i, want, line)
		}
	}
}

func TestServeEcho(t *testing.T) {
	leakcheck.Test(t)
	_, addr := startServe(t)
	c := dialTLS(t, addr, &tls.Config{})
	want := strings.Repeat("0123456789", 10_000)
	go io.WriteString(c, want)
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != want {
		t.Errorf("the echo differs: %v", err)
	}
}

// Both signals end the server, also with connections that are idle, before the handshake or in
// it.
func TestServeEndsWithSignals(t *testing.T) {
	for _, sig := range []os.Signal{syscall.SIGINT, syscall.SIGTERM} {
		for _, mode := range []string{"--www", "--www=false"} {
			t.Run(fmt.Sprint(sig, mode), func(t *testing.T) {
				leakcheck.Test(t)
				s, addr := startServe(t, mode)
				dialTLS(t, addr, &tls.Config{})
				s.await(1, " full ")
				raw, err := new(net.Dialer).DialContext(context.Background(), "tcp", addr)
				if err != nil {
					t.Fatal(err)
				}
				defer raw.Close()
				code, last := s.end(sig)
				if code != exitOK || last != "ended after 1 handshakes, 0 of them resumed" {
					t.Errorf("status %d, %q", code, last)
				}
			})
		}
	}
}

// A client that speaks another protocol costs one line.
func TestServeSurvivesNoise(t *testing.T) {
	for _, mode := range []string{"--www", "--www=false"} {
		t.Run(mode, func(t *testing.T) {
			leakcheck.Test(t)
			s, addr := startServe(t, mode)
			raw, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer raw.Close()
			io.WriteString(raw, "GET / HTTP/1.1\r\n\r\n")
			s.await(1, " failed: ")
			raw.SetDeadline(time.Now().Add(limit))
			io.Copy(io.Discard, raw)
			dialTLS(t, addr, &tls.Config{})
			s.await(1, " full ")
		})
	}
}
