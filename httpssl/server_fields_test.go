package httpssl_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"sessl/httpssl"
	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
)

// A fieldCase is one field of http.Server, a request that meets it, and the expected outcome.
type fieldCase struct {
	set     func(*http.Server)
	request func(url string) *http.Request
}

func getOf(path string, header ...string) func(string) *http.Request {
	return func(url string) *http.Request {
		r, err := http.NewRequest("GET", url+path, nil)
		if err != nil {
			panic(err)
		}
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		return r
	}
}

type baseKey struct{}

// Fields of http.Server have the same effect here as in net/http, with both protocols.
func TestServerFields(t *testing.T) {
	options := func(url string) *http.Request {
		r := getOf("")(url)
		r.Method, r.URL.Opaque = "OPTIONS", "*"
		return r
	}
	for name, tc := range map[string]fieldCase{
		"none":                         {request: getOf("/path")},
		"OPTIONS":                      {request: options},
		"DisableGeneralOptionsHandler": {func(s *http.Server) { s.DisableGeneralOptionsHandler = true }, options},
		"MaxHeaderBytes": {func(s *http.Server) {
			s.MaxHeaderBytes = 1000
		}, getOf("/", "Long", strings.Repeat("x", 8000))},
		"BaseContext": {func(s *http.Server) {
			s.BaseContext = func(net.Listener) context.Context {
				return context.WithValue(context.Background(), baseKey{}, "base")
			}
		}, getOf("/")},
		"ConnContext": {func(s *http.Server) {
			s.ConnContext = func(ctx context.Context, _ net.Conn) context.Context {
				return context.WithValue(ctx, baseKey{}, "conn")
			}
		}, getOf("/")},
		"HTTP2": {func(s *http.Server) { s.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: 1} }, getOf("/")},
		"a panic": {func(s *http.Server) {
			s.Handler = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
		}, getOf("/")},
	} {
		for _, h2 := range []bool{false, true} {
			if h2 && name == "MaxHeaderBytes" {
				continue // a client that has the SETTINGS does not send it, and when it has them is chance
			}
			t.Run(fmt.Sprintf("%s h2 %t", name, h2), func(t *testing.T) {
				leakcheck.Test(t)
				got := map[string]string{}
				for _, by := range []string{"net/http", "httpssl"} {
					got[by] = serverField(t, by, h2, tc)
				}
				if got["httpssl"] != got["net/http"] {
					t.Errorf("httpssl:\n%s\nnet/http:\n%s", got["httpssl"], got["net/http"])
				}
			})
		}
	}
}

// serverField describes the answers to two requests, and the states of their connection.
func serverField(t *testing.T, by string, h2 bool, tc fieldCase) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var conns []net.Conn
	states := map[net.Conn][]string{}
	closed := make(chan struct{}, 8)
	srv := &http.Server{
		ErrorLog: log.New(io.Discard, "", 0),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, server := r.Context().Value(http.ServerContextKey).(*http.Server)
			addr, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
			fmt.Fprint(w, r.Method, " ", r.URL, " ", r.RequestURI, " ", r.Context().Value(baseKey{}), " ", server,
				" ", addr.String() == l.Addr().String(), " ", r.TLS != nil, " ", r.RemoteAddr != "")
		}),
		ConnState: func(c net.Conn, s http.ConnState) {
			mu.Lock()
			if s == http.StateNew {
				conns = append(conns, c)
			}
			states[c] = append(states[c], s.String())
			mu.Unlock()
			if s == http.StateClosed {
				closed <- struct{}{}
			}
		},
	}
	if tc.set != nil {
		tc.set(srv)
	}
	ended := make(chan error, 1)
	ctx := serverCtx(t)
	go func() {
		if by == "httpssl" {
			ended <- httpssl.Serve(srv, l, ctx)
		} else {
			ended <- srv.ServeTLS(l, ssltest.CertFile("server-ecdsa.pem"), ssltest.CertFile("server-ecdsa.key"))
		}
	}()
	c := stdClient(t, h2, func(cfg *tls.Config) { cfg.NextProtos = nil })
	var answers []string
	for range 2 {
		resp, err := c.Do(tc.request("https://" + l.Addr().String()))
		if err != nil {
			answers = append(answers, "error")
			continue
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		answers = append(answers,
			fmt.Sprint(resp.Proto, resp.StatusCode, string(b), err, resp.Header.Get("Content-Length")))
	}
	c.CloseIdleConnections()
	mu.Lock()
	all := conns
	mu.Unlock()
	for range all {
		<-closed
	}
	srv.Close()
	<-ended
	mu.Lock()
	defer mu.Unlock()
	for _, c := range all {
		answers = append(answers, strings.Join(states[c], " "))
	}
	return strings.Join(answers, "\n")
}
