package caches_test

import (
	"errors"
	"io"
	"net"
	"runtime"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// A server that reads early data may have done its whole handshake by then: what it sends last
// waits nevertheless, as does what VerifyConnection has had to pass.
func TestWriteThroughOfEveryFlight(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*ssl.Config)
		early  bool
	}{
		"ReadEarlyData": {func(*ssl.Config) {}, true},
		"VerifyConnection": {func(c *ssl.Config) {
			c.VerifyConnection = func(ssl.ConnectionState) error { return nil }
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
				tc.change(srv)
				store := newSlowStore()
				sctx, cache := ssltest.Machine(t, srv, store, ssltest.NewSealKeys(t, 1), through)
				a, b := ssltest.TCPPipe(t)
				held := &ssltest.HeldBack{TCPConn: a.(*net.TCPConn), Let: make(chan struct{})}
				p := ssltest.NewPair(t, ssltest.NewClientCtx(t, cli), sctx, held, b)
				done := make(chan error, 1)
				go func() {
					if tc.early {
						if _, err := p.Server.ReadEarlyData(make([]byte, 1)); err != io.EOF {
							t.Errorf("ReadEarlyData: %v", err)
						}
						if cli.MaxVersion == ssl.VersionTLS12 && arrives(t, held) { // its handshake is over
							t.Error("the client has the session, the cache does not")
						}
					}
					done <- p.Server.Handshake()
				}()
				client := make(chan error, 1)
				go func() { client <- p.Client.Handshake() }()
				store.await(t, 1)
				if unread(t, held) {
					t.Error("the client has the session, the store does not")
				}
				close(store.let)
				close(held.Let)
				for _, c := range []chan error{done, client} {
					if err := <-c; err != nil {
						t.Fatal(err)
					}
				}
				p.Echo(t)
				p.CloseBoth()
				if st := cache.StoreStats(); st.Waits != 1 || st.LateWaits != 0 {
					t.Errorf("%+v", st)
				}
			})
		})
	}
}

// arrives gives writers that do not wait time enough, and reports whether conn has something to read.
func arrives(t *testing.T, conn net.Conn) bool {
	t.Helper()
	for range 10000 {
		if unread(t, conn) {
			return true
		}
		runtime.Gosched()
	}
	return false
}

// earlyThrough is a client that has sent early data to a server whose store is slow, and the server
// has read all of it.
func earlyThrough(t *testing.T) (*slowStore, ssltest.Pair, chan error) {
	t.Helper()
	leakcheck.Test(t)
	srv, cli := ssltest.EarlyConfigs(t)
	srv.ReplayGuard = ssltest.NewSpyGuard(t)
	store, keys := newSlowStore(), ssltest.NewSealKeys(t, 1)
	quick, _ := ssltest.Machine(t, srv, store.MemStore, keys)
	slow, _ := ssltest.Machine(t, srv, store, keys, through)
	cctx := ssltest.NewClientCtx(t, cli)
	s := ssltest.EarlySession(t, cctx, quick)
	store.Await(t, 2)
	p := ssltest.EarlyPair(t, cctx, slow, s)
	client := make(chan error, 1)
	go func() { client <- ssltest.WriteEarly(p.Client, "early") }()
	buf := make([]byte, 5)
	if _, err := io.ReadFull(ssltest.EarlyReader{C: p.Server}, buf); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Server.WriteEarlyData([]byte("answer")); err != nil {
		t.Fatal(err)
	}
	if err := <-client; err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(p.Client, make([]byte, 6)); err != nil { // the store is not asked for that
		t.Fatal(err)
	}
	return store, p, client
}

// The answer to early data waits for nothing, the ticket behind it for the store.
func TestWriteThroughAfterEarlyData(t *testing.T) {
	store, p, _ := earlyThrough(t)
	if n, err := p.Server.ReadEarlyData(make([]byte, 1)); err != io.EOF {
		t.Fatalf("ReadEarlyData: %d, %v", n, err)
	}
	done := make(chan error, 1)
	go func() { done <- p.Server.Handshake() }()
	store.await(t, 1)
	if unread(t, p.Client.NetConn()) {
		t.Error("the client has the ticket, the store does not")
	}
	written := make(chan error, 1)
	go func() { _, err := p.Server.WriteEarlyData([]byte("more")); written <- err }()
	if arrives(t, p.Client.NetConn()) {
		t.Error("data has taken the ticket along")
	}
	close(store.let)
	for _, c := range []chan error{done, written} {
		if err := <-c; err != nil {
			t.Error(err)
		}
	}
	if _, err := io.ReadFull(p.Client, make([]byte, 4)); err != nil {
		t.Error(err)
	}
	p.CloseBoth()
}

// More answers to early data wait for nothing either, as long as the handshake does not go on.
func TestEarlyAnswersTakeTicketsAlong(t *testing.T) {
	store, p, _ := earlyThrough(t)
	defer close(store.let)
	if n, err := p.Server.ReadEarlyData(make([]byte, 1)); err != io.EOF {
		t.Fatalf("ReadEarlyData: %d, %v", n, err)
	}
	if _, err := p.Server.WriteEarlyData([]byte("more")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(p.Client, make([]byte, 4)); err != nil {
		t.Error(err)
	}
	p.CloseBoth()
}

// Tickets of later wait as well, and data that is written meanwhile does not.
func TestWriteThroughOfIssueTicket(t *testing.T) {
	leakcheck.Test(t)
	if ssltest.LibraryRelease() == "1.1.1" {
		t.Skip("IssueTicket needs OpenSSL 3.0")
	}
	srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
	srv.NumTickets = -1
	store := newSlowStore()
	sctx, cache := ssltest.Machine(t, srv, store, ssltest.NewSealKeys(t, 1), through)
	p := ssltest.Meet(t, ssltest.NewClientCtx(t, cli), sctx, nil)
	for _, writes := range []bool{false, true} {
		done := make(chan error, 1)
		go func() { done <- p.Server.IssueTicket() }()
		store.await(t, 1)
		if unread(t, p.Client.NetConn()) {
			t.Error("the client has the ticket, the store does not")
		}
		if writes {
			p.Echo(t)
		}
		select {
		case err := <-done:
			t.Errorf("IssueTicket is over: %v", err)
		default:
		}
		store.goOn(1)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		p.Echo(t)
	}
	p.CloseBoth()
	if st := cache.StoreStats(); st.Waits != 2 || st.LateWaits != 0 || st.Writes != 2 {
		t.Errorf("%+v", st)
	}
}

// A Read that ends meanwhile does not let them go, nor does a call whose ticket the store has.
func TestWriteThroughBesideAnotherCall(t *testing.T) {
	leakcheck.Test(t)
	if ssltest.LibraryRelease() == "1.1.1" {
		t.Skip("IssueTicket needs OpenSSL 3.0")
	}
	srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
	srv.NumTickets = -1
	store := newSlowStore()
	sctx, cache := ssltest.Machine(t, srv, store, ssltest.NewSealKeys(t, 1), through, oneWriter)
	p := ssltest.Meet(t, ssltest.NewClientCtx(t, cli), sctx, nil)
	var done [2]chan error
	for i := range done {
		done[i] = make(chan error, 1)
		go func() { done[i] <- p.Server.IssueTicket() }()
		ssltest.Eventually(t, "IssueTicket does not come to the store", func() bool {
			return cache.StoreStats().Waits == uint64(i+1)
		})
	}
	if _, err := p.Client.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(p.Server, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if arrives(t, p.Client.NetConn()) {
		t.Error("after a Read the client has tickets, the store does not")
	}
	store.goOn(1)
	if err := <-done[0]; err != nil {
		t.Error(err)
	}
	if arrives(t, p.Client.NetConn()) {
		t.Error("the client has both tickets, the store has one")
	}
	close(store.let)
	if err := <-done[1]; err != nil {
		t.Error(err)
	}
	p.Echo(t)
	p.CloseBoth()
}

// So do those of a client that was asked for its certificate.
func TestWriteThroughAfterARequest(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := ssltest.LaterConfigs(t)
	store := newSlowStore()
	sctx, cache := ssltest.Machine(t, srv, store, ssltest.NewSealKeys(t, 1), through)
	v := visit(t, ssltest.NewClientCtx(t, cli), sctx, nil)
	go store.goOn(2)
	if err := <-v.server; err != nil {
		t.Fatal(err)
	}
	store.await(t, 2)
	v.Echo(t)
	done := make(chan error, 1)
	go func() { done <- v.Request(t) }()
	store.await(t, 1)
	select {
	case err := <-done:
		t.Errorf("the client has its tickets: %v", err)
	default:
	}
	close(store.let)
	if err := <-done; err != nil {
		t.Error(err)
	}
	v.CloseBoth()
	if st := cache.StoreStats(); st.Waits != 2 || st.LateWaits != 0 || st.Writes != 4 {
		t.Errorf("%+v", st)
	}
}

// The end of a connection takes along what waits for the store.
func TestWriteThroughBesideTheEnd(t *testing.T) {
	leakcheck.Test(t)
	if ssltest.LibraryRelease() == "1.1.1" {
		t.Skip("IssueTicket needs OpenSSL 3.0")
	}
	for name, end := range map[string]func(*ssl.Conn) error{"CloseWrite": (*ssl.Conn).CloseWrite,
		"Close": (*ssl.Conn).Close} {
		srv, cli := ssltest.ServerConfig(t), ssltest.ClientConfig(t)
		srv.NumTickets = -1
		tickets := 0
		cli.OnNewSession = func(_ *ssl.Conn, s *ssl.Session) {
			tickets++
			s.Close()
		}
		store := newSlowStore()
		sctx, _ := ssltest.Machine(t, srv, store, ssltest.NewSealKeys(t, 1), through)
		p := ssltest.Meet(t, ssltest.NewClientCtx(t, cli), sctx, nil)
		done := make(chan error, 1)
		go func() { done <- p.Server.IssueTicket() }()
		store.await(t, 1)
		if err := end(p.Server); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if n, err := p.Client.Read(make([]byte, 1)); err != io.EOF || tickets != 1 {
			t.Errorf("%s: Read: %d, %v, %d tickets, want io.EOF and 1", name, n, err, tickets)
		}
		close(store.let)
		if err := <-done; err != nil && !errors.Is(err, ssl.ErrClosed) {
			t.Errorf("%s: IssueTicket: %v", name, err)
		}
		p.CloseBoth()
	}
}
