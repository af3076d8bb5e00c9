package httpssl_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
)

// blockingBody gives one piece, and then waits for its end. Bodies may do this while a request
// ends: a Read that waits for Close, a Close that waits for something.
type blockingBody struct {
	mu      sync.Mutex
	given   bool
	closed  chan struct{} // by the first Close
	once    sync.Once
	reading chan struct{} // closed when a Read waits
	waits   sync.Once
	closing chan struct{} // Close returns when it is closed; at once if nil
}

func newBlockingBody() *blockingBody {
	return &blockingBody{closed: make(chan struct{}), reading: make(chan struct{})}
}

func (b *blockingBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	first := !b.given
	b.given = true
	b.mu.Unlock()
	if first {
		return copy(p, "piece"), nil
	}
	b.waits.Do(func() { close(b.reading) })
	<-b.closed
	return 0, errors.New("closed while read")
}

func (b *blockingBody) Close() error {
	b.once.Do(func() { close(b.closed) })
	if b.closing != nil {
		<-b.closing
	}
	return nil
}

// clients returns net/http's own client and this package's, for the same requests.
func clients(t *testing.T, h2 bool, change ...func(*http.Transport)) map[string]*http.Client {
	names := []string{"http/1.1"}
	if h2 {
		names = both
	}
	std := stdClient(t, h2)
	for _, f := range change {
		f(std.Transport.(*http.Transport))
	}
	return map[string]*http.Client{"net/http": std,
		"httpssl": client(t, clientCtx(t, ssltest.Protos(names...)), change...)}
}

// uploadEnds are the ways in which a request ends while its body still waits.
var uploadEnds = []struct {
	name   string
	serve  http.HandlerFunc
	change func(*http.Transport)
	act    func(cancel func(), s *server) // once the handler runs and the body waits
	ok     bool                           // there is a response
}{
	{name: "reset", serve: func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }},
	{name: "connection lost", serve: wait, act: func(_ func(), s *server) { s.Close() }},
	{name: "cancelled", serve: wait, act: func(cancel func(), _ *server) { cancel() }},
	{name: "refused", serve: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(413) }, ok: true},
	{name: "answered", serve: func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "enough")
	}, ok: true},
	{name: "no answer", serve: wait, change: func(tr *http.Transport) {
		tr.ResponseHeaderTimeout = time.Millisecond
	},
		act: func(cancel func(), _ *server) { cancel() }}, // the limit begins after the body
}

func wait(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// A request that ends before its body does ends as with net/http, and its body is closed.
func TestUploadEnds(t *testing.T) {
	for _, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
		for _, end := range uploadEnds {
			t.Run(proto+" "+end.name, func(t *testing.T) {
				leakcheck.Test(t)
				got := map[string]string{}
				for _, by := range []string{"net/http", "httpssl"} {
					got[by] = uploadOnce(t, by, proto == "HTTP/2.0", end.serve, end.change, end.act, end.ok)
				}
				if got["httpssl"] != got["net/http"] {
					t.Errorf("httpssl: %s; net/http: %s", got["httpssl"], got["net/http"])
				}
			})
		}
	}
}

// uploadOnce describes how one request ends.
func uploadOnce(t *testing.T, by string, h2 bool, serve http.HandlerFunc, change func(*http.Transport),
	act func(func(), *server), ok bool) string {
	t.Helper()
	inside := make(chan struct{}, 8)
	s := start(t, serverCtx(t), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inside <- struct{}{}
		http.NewResponseController(w).EnableFullDuplex()
		io.ReadFull(r.Body, make([]byte, len("piece")))
		serve(w, r)
	}))
	if change == nil {
		change = func(*http.Transport) {}
	}
	c := clients(t, h2, change)[by]
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	body := newBlockingBody()
	r, err := http.NewRequestWithContext(ctx, "POST", s.URL, body)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan string, 1)
	go func() {
		resp, err := c.Do(r)
		if err == nil {
			_, err = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
		ended <- fmt.Sprint("ended, without error: ", err == nil)
	}()
	waitFor(t, by+": the handler", inside)
	waitFor(t, by+": the body", body.reading)
	if act != nil {
		act(cancel, s)
	}
	if !h2 && !ok {
		body.Close() // net/http waits for a Read of HTTP/1.1
	}
	var out string
	select {
	case out = <-ended:
	case <-time.After(ssltest.Timeout / 3):
		t.Errorf("%s: the request does not end", by)
		body.Close()
		return <-ended
	}
	cancel()
	if !h2 && ok {
		body.Close()
	}
	waitFor(t, by+": the body's end", body.closed)
	return out
}

func waitFor[T any](t *testing.T, what string, c <-chan T) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(ssltest.Timeout / 3):
		t.Errorf("%s does not come", what)
	}
}

// A Close that takes long delays its own request, and no other.
func TestUploadCloseBlocks(t *testing.T) {
	leakcheck.Test(t)
	for by, c := range clients(t, true) {
		s := start(t, serverCtx(t), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/reset" {
				panic(http.ErrAbortHandler)
			}
			echo(w, r)
		}))
		body := newBlockingBody()
		body.closing = make(chan struct{})
		ended := make(chan error, 1)
		go func() {
			resp, err := c.Post(s.URL+"reset", "", body)
			if err == nil {
				resp.Body.Close()
			}
			ended <- err
		}()
		waitFor(t, by+": Close", body.closed)
		if _, got := post(t, c, s.URL, "other"); got != "other" {
			t.Errorf("%s: %q", by, got)
		}
		close(body.closing)
		if err := <-ended; err == nil {
			t.Errorf("%s: the stream was reset, and there is a response", by)
		}
	}
}

// panicBody panics in Close.
type panicBody struct{ io.Reader }

func (panicBody) Close() error { panic("Close") }

// If there is no connection, a Close that panics does so in the caller's goroutine, and the
// transport stays usable.
func TestUploadClosePanics(t *testing.T) {
	leakcheck.Test(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead := "https://" + l.Addr().String()
	l.Close()
	s := start(t, serverCtx(t), nil)
	for by, c := range clients(t, true) {
		for _, u := range []string{dead, "https://\x00", dead + "#websocket"} {
			r := &http.Request{Method: "POST", Header: http.Header{}, Body: panicBody{}, ContentLength: -1}
			if r.URL, err = url.Parse(u); err != nil {
				r.URL = nil
			}
			if u == dead+"#websocket" {
				r.Header.Set("Upgrade", "websocket")
			}
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("%s, %q: Close was not called, or not here", by, u)
					}
				}()
				c.Transport.RoundTrip(r)
			}()
		}
		if _, got := post(t, c, s.URL, "x"); got != "x" {
			t.Errorf("%s: %q", by, got)
		}
	}
}

// If a request gives up while it waits for a dial, its body is closed.
func TestUploadWhileDialing(t *testing.T) {
	leakcheck.Test(t)
	l := ssltest.Listen(t)
	for by, c := range clients(t, true) {
		ctx, cancel := context.WithCancel(t.Context())
		body := newBlockingBody()
		r, err := http.NewRequestWithContext(ctx, "POST", "https://"+l.Addr().String(), body)
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() {
			_, err := c.Do(r)
			ended <- err
		}()
		silent, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", by, err)
		}
		waitFor(t, by+": the body's end", body.closed)
		silent.Close()
	}
}

// A body that can be read again goes to a server that has changed its protocol between a lost
// connection and the next.
func TestUploadAgainByOtherProtocol(t *testing.T) {
	leakcheck.Test(t)
	a := newAddress(t)
	c := client(t, clientCtx(t))
	for range 3 {
		for _, names := range [][]string{{"http/1.1"}, both} {
			againOver(t, c, a, names)
		}
		c.CloseIdleConnections()
	}
}

// againOver runs a server that ends with its test, and sends a request, which may find a
// connection of HTTP/1.1 that is gone.
func againOver(t *testing.T, c *http.Client, a *address, names []string) {
	defer a.serve(t, names)()
	r, err := http.NewRequestWithContext(t.Context(), "POST", "https://"+a.Addr().String(),
		strings.NewReader("again"))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Idempotency-Key", "1") // it may be sent again
	resp, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(resp.Body); string(b) != "again" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	resp.Body.Close()
}
