package httpssl_test

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// Go's own client, over crypto/tls, resumes with our server, and speaks HTTP/2 only if both
// sides do.
func TestStandardClient(t *testing.T) {
	for _, v := range []uint16{ssl.VersionTLS12, ssl.VersionTLS13} {
		for want, h2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2.0": true} {
			t.Run(want+" over "+ssl.VersionName(v), func(t *testing.T) {
				leakcheck.Test(t)
				s := start(t, serverCtx(t, ssltest.Version(v)),
					http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						c, _ := ssl.ConnFromContext(r.Context())
						fmt.Fprint(w, c.SessionReused(), r.TLS.DidResume)
					}))
				cache := tls.NewLRUClientSessionCache(8)
				for i, reused := range []bool{false, true} {
					c := stdClient(t, h2, func(cfg *tls.Config) { cfg.ClientSessionCache = cache })
					resp, got := post(t, c, s.URL, "")
					if resp.Proto != want || resp.TLS.Version != v {
						t.Errorf("%s over %s", resp.Proto, tls.VersionName(resp.TLS.Version))
					}
					if got != fmt.Sprint(reused, reused) || resp.TLS.DidResume != reused {
						t.Errorf("connection %d: the server says resumed %s, the client %t, want %t",
							i+1, got, resp.TLS.DidResume, reused)
					}
					c.CloseIdleConnections()
				}
			})
		}
	}
}

// Our transport against Go's server over crypto/tls.
func TestStandardServer(t *testing.T) {
	for _, v := range []uint16{ssl.VersionTLS12, ssl.VersionTLS13} {
		for want, h2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2.0": true} {
			t.Run(want+" over "+ssl.VersionName(v), func(t *testing.T) {
				leakcheck.Test(t)
				cert := ssltest.StdKeyPair(t, "server-ecdsa")
				s := httptest.NewUnstartedServer(http.HandlerFunc(echo))
				s.EnableHTTP2 = h2
				s.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, MaxVersion: v}
				s.StartTLS()
				defer s.Close()
				c := client(t, clientCtx(t))
				defer c.CloseIdleConnections()
				for range 2 {
					resp, body := post(t, c, s.URL, "hello")
					if resp.Proto != want || body != "hello" || resp.TLS == nil || resp.TLS.Version != v {
						t.Errorf("%s, %q, %+v, want %s", resp.Proto, body, resp.TLS, want)
					}
				}
			})
		}
	}
}
