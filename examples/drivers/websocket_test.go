package drivers

import (
	"context"
	"net/http"
	"strings"
	"testing"

	coder "github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"

	"sessl/httpssl"
	"sessl/httpssl/httpssltest"
	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// startWebSockets serves WebSockets that send back what they get: at /coder by one package, at /gorilla by
// the other. It speaks HTTP/2, too.
func startWebSockets(t *testing.T) (addr string) {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/coder", func(w http.ResponseWriter, r *http.Request) {
		c, err := coder.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer c.CloseNow()
		if kind, text, err := c.Read(r.Context()); err == nil {
			c.Write(r.Context(), kind, text)
			c.Read(r.Context()) // the close
		}
	})
	mux.HandleFunc("/gorilla", func(w http.ResponseWriter, r *http.Request) {
		c, err := new(gorilla.Upgrader).Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer c.Close()
		if kind, text, err := c.ReadMessage(); err == nil {
			c.WriteMessage(kind, text)
			c.ReadMessage() // the close
		}
	})
	srv := httpssltest.NewUnstartedServer(mux)
	srv.TLS = &ssl.Config{Certificates: []ssl.Certificate{ssltest.KeyPair(t, "server-ecdsa")}}
	srv.Start()
	t.Cleanup(srv.Close)
	return "wss" + strings.TrimPrefix(srv.URL, "https")
}

func TestCoderWebSocket(t *testing.T) {
	leakcheck.Test(t)
	addr := startWebSockets(t)
	client := ssltest.NewClientCtx(t, &ssl.Config{RootCAs: ssltest.Roots(t, "ca"),
		NextProtos: []string{"h2", "http/1.1"}})
	transport, err := httpssl.NewTransport(&ssl.Dialer{Ctx: client}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer transport.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for _, path := range []string{"/coder", "/gorilla"} {
		c, err := dialCoder(ctx, transport, addr+path)
		if err != nil {
			t.Fatal(err)
		}
		defer c.CloseNow()
		if err := c.Write(ctx, coder.MessageText, []byte("hello")); err != nil {
			t.Fatal(err)
		}
		if _, text, err := c.Read(ctx); err != nil || string(text) != "hello" {
			t.Errorf("%s: %q, %v", path, text, err)
		}
	}
	wantResumed(t, client, 2)

	// The end of a context ends a Read.
	c, err := dialCoder(ctx, transport, addr+"/coder")
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	short, stop := context.WithCancel(ctx)
	stop()
	if _, _, err := c.Read(short); err == nil {
		t.Error("a Read goes on after its context")
	}
}

func TestGorillaWebSocket(t *testing.T) {
	leakcheck.Test(t)
	addr := startWebSockets(t)
	client := clientCtx(t, "")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for _, path := range []string{"/coder", "/gorilla"} {
		c, err := dialGorilla(ctx, &ssl.Dialer{Ctx: client}, addr+path)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := c.WriteMessage(gorilla.TextMessage, []byte("hello")); err != nil {
			t.Fatal(err)
		}
		if _, text, err := c.ReadMessage(); err != nil || string(text) != "hello" {
			t.Errorf("%s: %q, %v", path, text, err)
		}
		if c.NetConn().(*ssl.Conn).SessionReused() != (path == "/gorilla") {
			t.Errorf("%s: reused is %v", path, path == "/coder")
		}
	}
	wantResumed(t, client, 2)
}
