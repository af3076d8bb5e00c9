package conns_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

func TestConnFromContext(t *testing.T) {
	leakcheck.Test(t)
	a, b := net.Pipe()
	p := ssltest.NewPair(t, ssltest.NewClientCtx(t, ssltest.ClientConfig(t)),
		ssltest.NewServerCtx(t, ssltest.ServerConfig(t)), a, b)
	ctx := ssl.ConnContext(t.Context(), p.Client)
	if c, ok := ssl.ConnFromContext(context.WithoutCancel(ctx)); !ok || c != p.Client {
		t.Errorf("%v, %t, want the Conn", c, ok)
	}
	var none *ssl.Conn
	for name, ctx := range map[string]context.Context{
		"nothing":      t.Context(),
		"another conn": ssl.ConnContext(t.Context(), a),
		"nil Conn":     ssl.ConnContext(t.Context(), none),
		"nil":          nil,
	} {
		if c, ok := ssl.ConnFromContext(ctx); ok || c != nil {
			t.Errorf("%s: %v, %t", name, c, ok)
		}
	}
}

// The plainest server and client of net/http over ssl, without package httpssl.
func TestConnContextInServer(t *testing.T) {
	leakcheck.Test(t)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, ok := ssl.ConnFromContext(r.Context())
		fmt.Fprint(w, ok && c.ConnectionState().ServerName == "localhost")
	}))
	srv.Config.ConnContext = ssl.ConnContext
	srv.Listener = ssl.NewListener(srv.Listener, ssltest.NewServerCtx(t, ssltest.ServerConfig(t)))
	srv.Start()
	defer srv.Close()
	d := &ssl.Dialer{Ctx: ssltest.NewClientCtx(t, ssltest.ClientConfig(t))}
	tr := &http.Transport{DialTLSContext: d.DialTLSContext}
	defer tr.CloseIdleConnections()
	resp, err := (&http.Client{Transport: tr, Timeout: ssltest.Timeout}).Get("https://" +
		srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var got bool
	if _, err := fmt.Fscan(resp.Body, &got); err != nil || !got {
		t.Errorf("the handler has the connection: %t, %v", got, err)
	}
}
