package peers

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"testing"

	"sessl/internal/ssltest"
	"sessl/ssl"
)

// server is our end if peers are clients: net/http over sessl.
type server struct {
	port string
	ctx  *ssl.Ctx

	machines []*ssl.Ctx // of a fleet, which ctx chooses from

	http   *http.Server
	served chan error

	mu     sync.Mutex
	order  []net.Conn // as they came
	reused map[net.Conn]bool
	failed []string
}

type connKey struct{}

func startServer(t *testing.T, f form) *server {
	t.Helper()
	cert := ssltest.KeyPair(t, "server-ecdsa")
	cfg := &ssl.Config{
		Certificates: []ssl.Certificate{cert},
		MinVersion:   f.version, MaxVersion: f.version,
		SessionTicketsDisabled: !f.tickets,
	}
	if !f.resumes() {
		cfg.NumTickets = -1
	}
	return startServerWith(t, cfg)
}

func startServerWith(t *testing.T, cfg *ssl.Config) *server {
	t.Helper()
	ctx, err := ssl.NewServerCtx(cfg)
	if err != nil {
		t.Fatal(err)
	}
	l, err := ssl.Listen("tcp", "127.0.0.1:0", ctx)
	if err != nil {
		ctx.Close()
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	s := &server{port: port, ctx: ctx, served: make(chan error, 1), reused: make(map[net.Conn]bool)}
	s.http = &http.Server{
		Handler:     http.HandlerFunc(answer),
		ReadTimeout: patience, WriteTimeout: patience,
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, c)
		},
		ConnState: s.note,
	}
	go func() { s.served <- s.http.Serve(l) }()
	t.Cleanup(func() {
		s.http.Close()
		ctx.Close()
	})
	return s
}

func answer(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Connection", "close")
	c := r.Context().Value(connKey{}).(*ssl.Conn)
	fmt.Fprintf(w, "resumed=%t\n", c.SessionReused())
}

func (s *server) note(conn net.Conn, state http.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch state {
	case http.StateNew:
		s.order = append(s.order, conn)
		return
	case http.StateClosed:
	default:
		return
	}
	c := conn.(*ssl.Conn)
	if c.ConnectionState().Version == 0 {
		s.failed = append(s.failed, fmt.Sprint(c.Handshake()))
		return
	}
	s.reused[conn] = c.SessionReused()
}

// finish waits for the connections to end. It returns this end's report of each, in the order in
// which they came.
func (s *server) finish(t *testing.T) (reused []bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience/2)
	defer cancel()
	if err := s.http.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	if err := <-s.served; err != http.ErrServerClosed {
		t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.failed) > 0 {
		t.Errorf("handshakes failed: %v", s.failed)
	}
	for _, conn := range s.order {
		if r, ok := s.reused[conn]; ok {
			reused = append(reused, r)
		}
	}
	return reused
}
