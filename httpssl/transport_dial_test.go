package httpssl_test

import (
	"context"
	"net"
	"net/http"
	"sync/atomic"
	"testing"

	"sessl/httpssl"
	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// DialFunc makes a Transport's connections and gets the host of the request. Early requests go
// the same way.
func TestTransportDialFunc(t *testing.T) {
	for name, offered := range map[string][]string{"HTTP/1.1": {"http/1.1"}, "HTTP/2": both} {
		t.Run(name, func(t *testing.T) {
			leakcheck.Test(t)
			s := start(t, serverCtx(t, allowEarly), earlyForAll(http.HandlerFunc(echo)))
			var dials atomic.Int32
			d := &ssl.Dialer{Ctx: clientCtx(t, ssltest.Protos(offered...)),
				DialFunc: func(ctx context.Context, network, addr string) (net.Conn, error) {
					dials.Add(1)
					if addr != "shop.test:443" {
						t.Errorf("asked to dial %s %s", network, addr)
					}
					return new(net.Dialer).DialContext(ctx, network, s.Addr)
				}}
			tr, err := httpssl.NewTransport(d, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer tr.CloseIdleConnections()
			tr.EarlyData = func(*http.Request) bool { return true }
			c := &http.Client{Transport: tr, Timeout: ssltest.Timeout}
			for i := range 3 {
				resp, _ := post(t, c, "https://shop.test/", "hello")
				if resp.TLS == nil || resp.TLS.DidResume != (i > 0) {
					t.Errorf("request %d: %+v", i, resp.TLS)
				}
				get, err := c.Get("https://shop.test/")
				if err != nil {
					t.Fatal(err)
				}
				get.Body.Close()
				tr.CloseIdleConnections()
			}
			if dials.Load() < 3 {
				t.Errorf("%d dials", dials.Load())
			}
		})
	}
}
