package httpssl_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"sessl/httpssl"
	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

func TestTransportRefuses(t *testing.T) {
	leakcheck.Test(t)
	h2 := &ssl.Dialer{Ctx: clientCtx(t)}
	one := &ssl.Dialer{Ctx: clientCtx(t, ssltest.Protos("http/1.1"))}
	only := func(set func(*http.Protocols)) *http.Protocols {
		p := new(http.Protocols)
		set(p)
		return p
	}
	for _, tc := range []struct {
		name string
		d    *ssl.Dialer
		base *http.Transport
		want error
	}{
		{"nil Dialer", nil, nil, ssl.ErrNil},
		{"no Ctx", &ssl.Dialer{}, nil, ssl.ErrNil},
		{"server's Ctx", &ssl.Dialer{Ctx: serverCtx(t)}, nil, ssl.ErrServer},
		{"DialTLSContext", h2, &http.Transport{DialTLSContext: h2.DialTLSContext}, ssl.ErrConfig},
		{"TLSClientConfig", h2, &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}},
			ssl.ErrConfig},
		{"HTTP/1.1 offered, h2 spoken", one,
			&http.Transport{Protocols: only(func(p *http.Protocols) { p.SetHTTP2(true) })}, ssl.ErrConfig},
	} {
		if tr, err := httpssl.NewTransport(tc.d, tc.base); tr != nil || !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, %v, want %v", tc.name, tr, err, tc.want)
		}
	}
}

// Settings that net/http itself makes in a transport are not the user's.
func TestTransportFromDefault(t *testing.T) {
	leakcheck.Test(t)
	s := start(t, serverCtx(t), nil)
	used := http.DefaultTransport.(*http.Transport).Clone()
	for name, base := range map[string]*http.Transport{"nil": nil, "a clone": used} {
		tr, err := httpssl.NewTransport(&ssl.Dialer{Ctx: clientCtx(t)}, base)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		resp, body := post(t, &http.Client{Transport: tr, Timeout: ssltest.Timeout}, s.URL, "x")
		if resp.ProtoMajor != 2 || body != "x" {
			t.Errorf("%s: %s, %q", name, resp.Proto, body)
		}
		tr.CloseIdleConnections()
	}
}

// With HTTP/2 alone, a server that does not agree gets no request.
func TestTransportOnlyHTTP2(t *testing.T) {
	leakcheck.Test(t)
	base := &http.Transport{Protocols: new(http.Protocols)}
	base.Protocols.SetHTTP2(true)
	tr, err := httpssl.NewTransport(&ssl.Dialer{Ctx: clientCtx(t, ssltest.Protos("h2"))}, base)
	if err != nil {
		t.Fatal(err)
	}
	defer tr.CloseIdleConnections()
	c := &http.Client{Transport: tr, Timeout: ssltest.Timeout}
	if resp, _ := post(t, c, start(t, serverCtx(t), nil).URL, ""); resp.ProtoMajor != 2 {
		t.Errorf("spoke %s", resp.Proto)
	}
	if resp, err := c.Get(start(t, serverCtx(t, ssltest.Protos()), nil).URL); err == nil {
		t.Errorf("spoke %s to a server without h2", resp.Proto)
	}
}

func TestTransportPlainURL(t *testing.T) {
	leakcheck.Test(t)
	s := httptest.NewServer(http.HandlerFunc(echo))
	defer s.Close()
	resp, body := post(t, client(t, clientCtx(t)), s.URL, "plain")
	if resp.TLS != nil || body != "plain" {
		t.Errorf("%+v, %q", resp.TLS, body)
	}
}

// closeCounter is a body that counts its Closes.
type closeCounter struct {
	io.Reader
	closes atomic.Int32
}

func (c *closeCounter) Close() error { c.closes.Add(1); return nil }

// The reason for a failed handshake reaches the caller, and the body is closed.
func TestTransportFailedHandshake(t *testing.T) {
	leakcheck.Test(t)
	s := start(t, serverCtx(t), nil)
	c := client(t, clientCtx(t, func(cfg *ssl.Config) { cfg.RootCAs = ssltest.Roots(t, "other-ca") }))
	body := &closeCounter{Reader: strings.NewReader("x")}
	_, err := c.Post(s.URL, "", body)
	var v *ssl.VerificationError
	if !errors.As(err, &v) {
		t.Errorf("%v, want a VerificationError", err)
	}
	if body.closes.Load() == 0 {
		t.Error("the body was not closed")
	}
}

// The connection that httptrace reports leads to the session.
func TestTransportTrace(t *testing.T) {
	forEachProtocol(t, func(t *testing.T, proto string, cli, srv *ssl.Ctx) {
		s := start(t, srv, nil)
		var got *ssl.Conn
		var done tls.ConnectionState
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
			GotConn:          func(i httptrace.GotConnInfo) { got, _ = httpssl.Unwrap(i.Conn) },
			TLSHandshakeDone: func(s tls.ConnectionState, _ error) { done = s },
		})
		req, err := http.NewRequestWithContext(ctx, "GET", s.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client(t, cli).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if got == nil || got.ConnectionState().NegotiatedProtocol != resp.TLS.NegotiatedProtocol {
			t.Errorf("GotConn leads to %v", got)
		}
		if !done.HandshakeComplete || done.Version != resp.TLS.Version {
			t.Errorf("TLSHandshakeDone got %+v", done)
		}
		if c, ok := httpssl.Unwrap(nil); ok || c != nil {
			t.Error("Unwrap of nothing gives something")
		}
	})
}

// A websocket's upgrade goes over HTTP/1.1, even if the server prefers HTTP/2 and is known to
// do so.
func TestTransportUpgradeOverHTTP2(t *testing.T) {
	leakcheck.Test(t)
	s := start(t, serverCtx(t), nil)
	for by, c := range clients(t, true) {
		for range 2 { // the second time, the transport knows the server
			req, err := http.NewRequestWithContext(t.Context(), "GET", s.URL, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Connection", "keep-alive, Upgrade")
			req.Header.Set("Upgrade", "WebSocket")
			resp, err := c.Do(req)
			if err != nil {
				t.Fatalf("%s: %v", by, err)
			}
			resp.Body.Close()
			if resp.ProtoMajor != 1 {
				t.Errorf("%s: the upgrade was sent by %s", by, resp.Proto)
			}
			if resp, _ := post(t, c, s.URL, "x"); resp.ProtoMajor != 2 {
				t.Errorf("%s: others go by %s", by, resp.Proto)
			}
		}
	}
}

// Requests that wait for another one to find out the protocol go on when that one gives up.
func TestTransportFirstRequestGivesUp(t *testing.T) {
	leakcheck.Test(t)
	l := ssltest.Listen(t)
	ctx, cancel := context.WithCancel(t.Context())
	c := client(t, clientCtx(t))
	url := "https://" + l.Addr().String()
	first := make(chan error, 1)
	go func() {
		req, err := http.NewRequestWithContext(ctx, "GET", url, nil)
		if err == nil {
			_, err = c.Do(req)
		}
		first <- err
	}()
	silent, err := l.Accept() // this server sends nothing
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	srv := &http.Server{Handler: http.HandlerFunc(echo)}
	ended := make(chan error, 1)
	go func() { ended <- httpssl.Serve(srv, l, serverCtx(t)) }()
	defer func() { srv.Close(); <-ended }()
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			resp, err := c.Post(url, "", strings.NewReader("x"))
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			if b, err := io.ReadAll(resp.Body); string(b) != "x" || err != nil {
				t.Errorf("%q, %v", b, err)
			}
		})
	}
	cancel()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("the first request: %v", err)
	}
	wg.Wait()
}

// relay is a listener for several servers, one after the other, behind one address.
type relay struct {
	net.Listener
	conns chan net.Conn // shared by all
	done  chan struct{}
	once  sync.Once
}

// Accept returns the next connection of the address.
func (r *relay) Accept() (net.Conn, error) {
	select {
	case c := <-r.conns:
		return c, nil
	case <-r.done:
		return nil, net.ErrClosed
	}
}

// Close leaves the address to the next server.
func (r *relay) Close() error {
	r.once.Do(func() { close(r.done) })
	return nil
}

// An address is for servers that come one after the other.
type address struct {
	net.Listener
	conns chan net.Conn
}

// newAddress is closed with the test.
func newAddress(t *testing.T) *address {
	t.Helper()
	a := &address{ssltest.Listen(t), make(chan net.Conn)}
	go acceptAll(a.Listener, a.conns)
	t.Cleanup(func() {
		a.Close()
		for c := range a.conns {
			c.Close()
		}
	})
	return a
}

// acceptAll passes connections of l on to whoever takes them, until l is closed.
func acceptAll(l net.Listener, conns chan<- net.Conn) {
	defer close(conns)
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		conns <- c
	}
}

// serve has an echo server take the connections until stop is called.
func (a *address) serve(t *testing.T, protos []string) (stop func()) {
	t.Helper()
	srv, ended := &http.Server{Handler: http.HandlerFunc(echo)}, make(chan error, 1)
	ctx := serverCtx(t, ssltest.Protos(protos...))
	r := &relay{Listener: a, conns: a.conns, done: make(chan struct{})}
	go func() { ended <- httpssl.Serve(srv, r, ctx) }()
	return func() { srv.Close(); <-ended }
}

// The transport follows a server that changes the negotiated protocol, and no body is lost.
func TestTransportFollowsTheServer(t *testing.T) {
	leakcheck.Test(t)
	a, c := newAddress(t), client(t, clientCtx(t))
	for i, want := range []string{"HTTP/2.0", "HTTP/1.1", "HTTP/2.0", "HTTP/1.1"} {
		names := both
		if want == "HTTP/1.1" {
			names = []string{"http/1.1"}
		}
		stop := a.serve(t, names)
		body := &closeCounter{Reader: strings.NewReader(fmt.Sprint("body ", i))}
		resp, err := c.Post("https://"+a.Addr().String(), "", body)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if string(b) != fmt.Sprint("body ", i) || err != nil || resp.Proto != want {
			t.Errorf("%q, %v by %s, want body %d by %s", b, err, resp.Proto, i, want)
		}
		if body.closes.Load() == 0 {
			t.Error("the body was not closed")
		}
		c.CloseIdleConnections()
		stop()
	}
}

// A Transport that NewTransport has not made returns errors, and does no more.
func TestTransportUnmade(t *testing.T) {
	for _, tr := range []*httpssl.Transport{nil, {}, {EarlyData: func(*http.Request) bool { return true }}} {
		r, err := http.NewRequest("GET", "https://localhost", nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tr.RoundTrip(r); !errors.Is(err, ssl.ErrNil) {
			t.Error(err)
		}
		tr.CloseIdleConnections()
	}
}
