package ownership_test

import (
	"errors"
	"net"
	"runtime"
	"testing"

	"sessl/internal/ssltest"
	"sessl/ssl"
)

// Close leaves every session resumable, not only those that the connection has left
// behind, and every one of them resumes.
func TestCloseKeepsEverySession(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, fm ssltest.Form, srv, cli *ssl.Config) {
		got := ssltest.NewInbox(t, cli)
		srv.NumTickets = 4
		s := ssltest.StartServer(t, srv)
		ctx := ssltest.NewClientCtx(t, cli)
		c := ssltest.Dial(t, s, ctx, nil)
		current := ssltest.SessionOf(t, c)
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		first := got.All()
		want := 1
		if fm.Version == ssl.VersionTLS13 {
			want = 4
		}
		if len(first) != want {
			t.Fatalf("%d sessions, want %d", len(first), want)
		}
		for i, old := range append(first, current) {
			if !ssltest.Resumable(t, old) {
				t.Errorf("session %d does not survive Close", i)
			}
			c := ssltest.Dial(t, s, ctx, old)
			if !c.SessionReused() {
				t.Errorf("session %d does not resume", i)
			}
			c.Close()
		}
	})
}

// A Conn that was dropped without Close is freed by the collector and counted as
// collected; every session of it stays resumable and resumes.
func TestDroppedConnKeepsSessions(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, _ ssltest.Form, srv, cli *ssl.Config) {
		got := ssltest.NewInbox(t, cli)
		s := ssltest.StartServer(t, srv)
		ctx := ssltest.NewClientCtx(t, cli)
		before := ssl.ReadCounters().Conns.Collected
		dialAndDrop(t, s, ctx)
		for ssl.ReadCounters().Conns.Collected == before {
			runtime.GC()
		}
		for i, old := range got.All() {
			if !ssltest.Resumable(t, old) {
				t.Errorf("session %d does not survive the collector", i)
			}
			c := ssltest.Dial(t, s, ctx, old)
			if !c.SessionReused() {
				t.Errorf("session %d does not resume", i)
			}
			c.Close()
		}
	})
}

// dialAndDrop keeps the connection underneath, so that the server's end can be closed.
func dialAndDrop(t *testing.T, s *ssltest.Server, ctx *ssl.Ctx) {
	t.Helper()
	raw, err := net.Dial("tcp", s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { raw.Close() })
	c, err := ssl.Client(raw, ctx)
	if err != nil {
		t.Fatal(err)
	}
	ssltest.RoundTrip(t, c)
}

// After a fatal TLS error OpenSSL invalidates the connection's session, for everyone who
// holds it. That is a protection, and Close leaves it in place.
func TestFatalErrorCondemnsSession(t *testing.T) {
	ssltest.ForEachTransport(t, func(t *testing.T, srv, cli *ssl.Config) {
		got := ssltest.NewInbox(t, cli)
		p := ssltest.NewTCPPair(t, cli, srv)
		p.MustShake(t)
		p.Echo(t)
		s := ssltest.SessionOf(t, p.Client)
		kept := ssltest.Dup(t, s)
		garbage := []byte{23, 3, 3, 0, 32, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3, 4,
			5, 6, 7, 8, 9, 0, 1, 2}
		if _, err := p.Server.NetConn().Write(garbage); err != nil {
			t.Fatal(err)
		}
		var e *ssl.Error
		if _, err := p.Client.Read(make([]byte, 1)); !errors.As(err, &e) || len(e.Entries) == 0 {
			t.Fatalf("Read of garbage: %v", err)
		}
		if _, err := p.Client.Read(make([]byte, 1)); !errors.As(err, &e) {
			t.Errorf("the second Read: %v", err)
		}
		if err := p.Client.Close(); err != nil {
			t.Error(err)
		}
		if ssltest.Resumable(t, s) {
			t.Error("the session is still resumable")
		}
		if !ssltest.Resumable(t, kept) {
			t.Error("an earlier copy is not resumable")
		}
		// In TLS 1.3 the tickets before the last one are other objects.
		for i, old := range got.All() {
			if ssltest.Resumable(t, old) != (cli.MaxVersion == ssl.VersionTLS13 && i == 0) {
				t.Errorf("session %d: resumable is %t", i, ssltest.Resumable(t, old))
			}
		}
		if _, err := p.Server.Read(make([]byte, 1)); ssltest.AlertOf(err) < 0 {
			t.Errorf("the peer heard no alert: %v", err)
		}
	})
}
