package httpssl_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"testing"

	"crypto/tls"

	"sessl/httpssl"
	"sessl/internal/leakcheck"
	"sessl/ssl"
)

// behind is a server that gets the connections which the test lets through.
type behind struct {
	URL   string
	in    chan net.Conn // as they are accepted
	out   chan net.Conn // to the server
	ended chan error
}

func startBehind(t *testing.T, ctx *ssl.Ctx) *behind {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &behind{URL: "https://" + l.Addr().String() + "/", in: make(chan net.Conn, 100),
		out: make(chan net.Conn), ended: make(chan error, 1)}
	go acceptAll(l, b.in)
	srv := &http.Server{Handler: http.HandlerFunc(echo), ErrorLog: log.New(io.Discard, "", 0)}
	r := &relay{Listener: l, conns: b.out, done: make(chan struct{})}
	go func() { b.ended <- httpssl.Serve(srv, r, ctx) }()
	t.Cleanup(func() {
		l.Close()
		srv.Close()
		<-b.ended
		for c := range b.in {
			c.Close()
		}
	})
	return b
}

// One of several connections to a host leads nowhere. Only its own request may wait for it, and
// not even that one if the protocol lets it share another connection.
func TestDeadBackend(t *testing.T) {
	const requests = 10
	leakcheck.Test(t)
	for _, by := range []string{"net/http", "httpssl"} {
		b := startBehind(t, serverCtx(t))
		c := clients(t, true)[by]
		got := make(chan string, requests)
		send := func() {
			resp, err := c.Post(b.URL, "", strings.NewReader("x"))
			if err != nil {
				got <- err.Error()
				return
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			got <- fmt.Sprint(resp.Proto, " ", string(body), " ", err)
		}
		go send()
		dead := <-b.in
		for range requests - 1 {
			go send()
		}
		for n := 0; n < requests; { // as many dials as there are
			select {
			case conn := <-b.in:
				b.out <- conn
			case g := <-got:
				n++
				if g != "HTTP/2.0 x <nil>" {
					t.Errorf("%s: %s", by, g)
				}
			}
		}
		dead.Close()
	}
}

// A connection that arrives too late for its request is kept for the next.
func TestLateConnection(t *testing.T) {
	for _, h2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("h2 %t", h2), func(t *testing.T) {
			leakcheck.Test(t)
			one := func(tr *http.Transport) { tr.MaxConnsPerHost = 1 } // the next request waits for it
			for _, by := range []string{"net/http", "httpssl"} {
				b := startBehind(t, serverCtx(t))
				c := clients(t, h2, one)[by]
				ctx, cancel := context.WithCancel(t.Context())
				shaken := make(chan error, 1)
				r, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
					TLSHandshakeDone: func(_ tls.ConnectionState, err error) { shaken <- err },
				}), "GET", b.URL, nil)
				if err != nil {
					t.Fatal(err)
				}
				ended := make(chan error, 1)
				go func() {
					_, err := c.Do(r)
					ended <- err
				}()
				late := <-b.in
				cancel()
				if err := <-ended; err == nil {
					t.Errorf("%s: a response before there was a server", by)
				}
				b.out <- late
				if err := <-shaken; err != nil {
					t.Errorf("%s: the handshake: %v", by, err)
				}
				if resp, body := post(t, c, b.URL, "x"); body != "x" || (resp.ProtoMajor == 2) != h2 {
					t.Errorf("%s: %q by %s", by, body, resp.Proto)
				}
				select {
				case c := <-b.in:
					t.Errorf("%s: a second connection", by)
					c.Close()
				default:
				}
			}
		})
	}
}

// Simultaneous requests that nothing delays use no more connections than with net/http. Once
// connections are known to be shareable, they use one.
func TestDialsAtOnce(t *testing.T) {
	const requests = 20
	leakcheck.Test(t)
	s := start(t, serverCtx(t), nil)
	c := client(t, clientCtx(t))
	for range 2 {
		var wg sync.WaitGroup
		for range requests {
			wg.Go(func() { post(t, c, s.URL, "x") })
		}
		wg.Wait()
	}
	if n := s.conns.Load(); n > requests {
		t.Errorf("%d connections for %d requests at a time", n, requests)
	}
}
