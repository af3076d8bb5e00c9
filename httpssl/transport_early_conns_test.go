package httpssl_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"sessl/httpssl"
	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// holder passes connections on to a server. While a connection is on hold, the client's second
// flight waits.
type holder struct {
	addr  string
	hold  atomic.Bool
	letGo chan struct{}
}

func startHolder(t testing.TB, to string) *holder {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &holder{addr: l.Addr().String(), letGo: make(chan struct{})}
	var busy sync.WaitGroup
	busy.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			busy.Go(func() { h.pass(c, to) })
		}
	})
	t.Cleanup(func() { l.Close(); busy.Wait() })
	return h
}

func (h *holder) pass(c net.Conn, to string) {
	defer c.Close()
	s, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer s.Close()
	go func() {
		io.Copy(c, s)
		c.(*net.TCPConn).CloseWrite()
	}()
	const applicationData = 23
	in := bufio.NewReader(c)
	for held := h.hold.Load(); held; {
		head, err := in.Peek(5)
		if err != nil {
			return
		}
		held = head[0] != applicationData
		if _, err := io.CopyN(s, in, 5+int64(head[3])<<8+int64(head[4])); err != nil {
			return
		}
		if !held {
			<-h.letGo
		}
	}
	io.Copy(s, in)
}

// The server has the request, and knows that it is early, before the client has shown that it
// is there. The caller never sees a refusal by TooEarly.
func TestTransportEarlyMark(t *testing.T) {
	leakcheck.Test(t)
	var l earlyLog
	var h *holder
	s := start(t, serverCtx(t, allowEarly),
		httpssl.EarlyData(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/late" || !httpssl.TooEarly(w, r) {
				l.ServeHTTP(w, r)
			}
		}), func(*http.Request) bool {
			if h.hold.CompareAndSwap(true, false) {
				h.letGo <- struct{}{}
			}
			return true
		}))
	h = startHolder(t, s.Addr)
	url := "https://" + h.addr + "/"
	_, c := earlyTransport(t, clientCtx(t, ssltest.Protos("http/1.1")))
	do(t, c, "GET", url, nil)
	l.want(t, "GET"+notSent)
	h.hold.Store(true)
	do(t, c, "GET", url, nil)
	l.want(t, "GET1"+accepted)
	h.hold.Store(true)
	if code := do(t, c, "GET", url+"late", nil); code != 200 {
		t.Errorf("status %d", code)
	}
	l.want(t, "GET"+accepted) // over the same connection
}

// A server that breaks off when it gets early data is asked again without it.
func TestTransportEarlyBreaks(t *testing.T) {
	leakcheck.Test(t)
	raw, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var breaks atomic.Int32
	var l earlyLog
	srv := &http.Server{Handler: earlyForAll(&l)}
	ended := make(chan error, 1)
	go func() { ended <- httpssl.Serve(srv, breaking{raw, &breaks}, serverCtx(t, allowEarly)) }()
	defer func() { srv.Close(); <-ended }()
	_, c := earlyTransport(t, clientCtx(t, ssltest.Protos("http/1.1")))
	url := "https://" + raw.Addr().String()
	do(t, c, "GET", url, nil)
	breaks.Store(1)
	do(t, c, "GET", url, nil)
	l.want(t, "GET"+notSent, "GET"+notSent)
	breaks.Store(2) // early data is not the cause
	if resp, err := c.Get(url); err == nil {
		t.Errorf("%s of a server that always breaks off", resp.Status)
	}
	if n := breaks.Load(); n != 0 {
		t.Errorf("%d connections too few", n)
	}
}

// breaking is a listener that closes as many connections as it is told to, when bytes arrive.
type breaking struct {
	net.Listener
	n *atomic.Int32
}

func (b breaking) Accept() (net.Conn, error) {
	for {
		c, err := b.Listener.Accept()
		if err != nil || b.n.Load() == 0 {
			return c, err
		}
		b.n.Add(-1)
		c.Read(make([]byte, 1))
		c.Close()
	}
}

// With h2 offered, early data is for servers of HTTP/1.1, and HTTP/2 works as always.
func TestTransportEarlyAndHTTP2(t *testing.T) {
	for _, proto := range []string{"http/1.1", "h2"} {
		t.Run(proto, func(t *testing.T) {
			leakcheck.Test(t)
			var l earlyLog
			s := start(t, serverCtx(t, allowEarly, ssltest.Protos(proto)), earlyForAll(&l), func(s *http.Server) {
				s.Protocols = new(http.Protocols)
				s.Protocols.SetHTTP1(proto != "h2")
				s.Protocols.SetHTTP2(proto == "h2")
			})
			_, c := earlyTransport(t, clientCtx(t))
			do(t, c, "GET", s.URL, nil)
			l.want(t, "GET"+notSent)
			do(t, c, "GET", s.URL, nil)
			if proto == "h2" {
				l.want(t, "GET"+notSent)
			} else {
				l.wantAny(t, "GET1"+accepted, "GET"+accepted)
			}
		})
	}
}

// A server that has changed to HTTP/2 gets the request over HTTP/2, once.
func TestTransportEarlyThenHTTP2(t *testing.T) {
	for name, size := range map[string]int{"early": 1, "too large to be early": 20000} {
		t.Run(name, func(t *testing.T) {
			leakcheck.Test(t)
			earlyThenHTTP2(t, strings.Repeat("x", size))
		})
	}
}

func earlyThenHTTP2(t *testing.T, header string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	conns := make(chan net.Conn)
	go acceptAll(l, conns)
	defer func() {
		l.Close()
		for c := range conns {
			c.Close()
		}
	}()
	_, c := earlyTransport(t, clientCtx(t))
	for i, names := range [][]string{{"http/1.1"}, both} {
		var seen earlyLog
		srv := &http.Server{Handler: earlyForAll(&seen)}
		ended := make(chan error, 1)
		r := &relay{Listener: l, conns: conns, done: make(chan struct{})}
		ctx := serverCtx(t, allowEarly, ssltest.Protos(names...))
		go func() { ended <- httpssl.Serve(srv, r, ctx) }()
		do(t, c, "GET", "https://"+l.Addr().String(), nil, "Large", header)
		seen.want(t, "GET"+notSent)
		early := i > 0 && len(header) == 1
		if st := ctx.EarlyDataStats(); (st.Rejected == 1) != early {
			t.Errorf("the server: %+v", st)
		}
		srv.Close()
		<-ended
	}
}

// Many requests at once, on connections that come and go: each request arrives once, except
// those that were refused as early, and only GETs arrive early.
func TestTransportEarlyAtOnce(t *testing.T) {
	leakcheck.Test(t)
	const users, each = 8, 25
	var handled, refused, wrong atomic.Int32
	srv := serverCtx(t, allowEarly)
	s := start(t, srv, earlyForAll(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		if (n > 0) != (r.Method == "POST") {
			wrong.Add(1)
		}
		if r.Header.Get("Early-Data") != "" && r.Method != "GET" {
			wrong.Add(1)
		}
		switch n := handled.Add(1); {
		case n%7 == 0 && httpssl.TooEarly(w, r):
			refused.Add(1)
			return
		case n%3 == 0:
			w.Header().Set("Connection", "close")
		}
		io.WriteString(w, "answer")
	})))
	_, c := earlyTransport(t, clientCtx(t, ssltest.Protos("http/1.1")), func(base *http.Transport) {
		base.MaxIdleConnsPerHost = 2
	})
	var wg sync.WaitGroup
	for u := range users {
		wg.Go(func() {
			for i := range each {
				if (u+i)%3 == 0 {
					post(t, c, s.URL, "body")
					continue
				}
				resp, err := c.Get(s.URL)
				if err != nil {
					t.Error(err)
					return
				}
				if b, err := io.ReadAll(resp.Body); string(b) != "answer" || err != nil {
					t.Errorf("%s %q, %v", resp.Status, b, err)
				}
				resp.Body.Close()
			}
		})
	}
	wg.Wait()
	if got, want := handled.Load()-refused.Load(), int32(users*each); got != want || wrong.Load() > 0 {
		t.Errorf("%d handled, %d of them refused, want %d more; %d are wrong",
			handled.Load(), refused.Load(), want, wrong.Load())
	}
	if st := srv.EarlyDataStats(); st.Accepted == 0 {
		t.Errorf("none was early: %+v", st)
	}
}

// A connection whose request has gone elsewhere, or was canceled, does its handshake without
// one, for others.
func TestTransportEarlyLeftOver(t *testing.T) {
	for _, name := range []string{"elsewhere", "away"} {
		t.Run(name, func(t *testing.T) {
			leakcheck.Test(t)
			busy, answer := make(chan struct{}), make(chan struct{})
			var l earlyLog
			s := start(t, serverCtx(t, allowEarly),
				earlyForAll(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Path == "/slow" {
						close(busy)
						<-answer
					}
					l.ServeHTTP(w, r)
				})))
			dialing, dial := make(chan struct{}), make(chan struct{})
			var dials atomic.Int32
			nd := &net.Dialer{Control: func(string, string, syscall.RawConn) error {
				if dials.Add(1) == 3 {
					close(dialing)
					<-dial
				}
				return nil
			}}
			tr, err := httpssl.NewTransport(&ssl.Dialer{NetDialer: nd, Ctx: clientCtx(t, ssltest.Protos("http/1.1"))},
				nil)
			if err != nil {
				t.Fatal(err)
			}
			defer tr.CloseIdleConnections()
			tr.EarlyData = func(*http.Request) bool { return true }
			c := &http.Client{Transport: tr, Timeout: ssltest.Timeout}
			do(t, c, "GET", s.URL, nil) // the first dial
			var wg sync.WaitGroup
			defer wg.Wait()
			wg.Go(func() { post(t, c, s.URL+"slow", "x") }) // the second
			<-busy
			ctx, cancel := context.WithCancel(t.Context())
			shaken := make(chan error, 1)
			ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
				TLSHandshakeDone: func(_ tls.ConnectionState, err error) { shaken <- err },
			})
			r, err := http.NewRequestWithContext(ctx, "GET", s.URL, nil)
			if err != nil {
				t.Fatal(err)
			}
			got := make(chan error, 1)
			go func() {
				resp, err := c.Do(r)
				if err == nil {
					resp.Body.Close()
				}
				got <- err
			}()
			<-dialing // the third
			if name == "away" {
				cancel()
			}
			defer cancel()
			if name == "elsewhere" {
				close(answer)
			}
			if err := <-got; (err != nil) != (name == "away") {
				t.Errorf("the request: %v", err)
			}
			close(dial)
			select {
			case err := <-shaken:
				if err != nil {
					t.Errorf("the handshake: %v", err)
				}
			case <-time.After(ssltest.Timeout):
				t.Error("the connection waits although no request is left for it")
			}
			if name == "away" {
				close(answer)
			}
			wg.Wait()
			post(t, c, s.URL, "x")
		})
	}
}
