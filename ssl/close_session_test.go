package ssl_test

import (
	"errors"
	"net"
	"runtime"
	"testing"

	"sessl/ssl"
)

// Close leaves every session resumable, not only those that the connection has left
// behind, and every one of them resumes.
func TestCloseKeepsEverySession(t *testing.T) {
	forEachForm(t, func(t *testing.T, fm form, srv, cli *ssl.Config) {
		got := newInbox(t, cli)
		srv.NumTickets = 4
		s := startServer(t, srv)
		ctx := newClientCtx(t, cli)
		c := dial(t, s, ctx, nil)
		current := sessionOf(t, c)
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		first := got.all()
		want := 1
		if fm.version == ssl.VersionTLS13 {
			want = 4
		}
		if len(first) != want {
			t.Fatalf("%d sessions, want %d", len(first), want)
		}
		for i, old := range append(first, current) {
			if !resumable(t, old) {
				t.Errorf("session %d does not survive Close", i)
			}
			c := dial(t, s, ctx, old)
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
	forEachForm(t, func(t *testing.T, _ form, srv, cli *ssl.Config) {
		got := newInbox(t, cli)
		s := startServer(t, srv)
		ctx := newClientCtx(t, cli)
		before := ssl.ReadCounters().Conns.Collected
		dialAndDrop(t, s, ctx)
		for ssl.ReadCounters().Conns.Collected == before {
			runtime.GC()
		}
		for i, old := range got.all() {
			if !resumable(t, old) {
				t.Errorf("session %d does not survive the collector", i)
			}
			c := dial(t, s, ctx, old)
			if !c.SessionReused() {
				t.Errorf("session %d does not resume", i)
			}
			c.Close()
		}
	})
}

// dialAndDrop keeps the connection underneath, so that the server's end can be closed.
func dialAndDrop(t *testing.T, s *server, ctx *ssl.Ctx) {
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
	roundTrip(t, c)
}

// After a fatal TLS error OpenSSL invalidates the connection's session, for everyone who
// holds it. That is a protection, and Close leaves it in place.
func TestFatalErrorCondemnsSession(t *testing.T) {
	forEachTransport(t, func(t *testing.T, srv, cli *ssl.Config) {
		got := newInbox(t, cli)
		p := newTCPPair(t, cli, srv)
		p.mustShake(t)
		p.echo(t)
		s := sessionOf(t, p.client)
		kept := dup(t, s)
		garbage := []byte{23, 3, 3, 0, 32, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2}
		if _, err := p.server.NetConn().Write(garbage); err != nil {
			t.Fatal(err)
		}
		var e *ssl.Error
		if _, err := p.client.Read(make([]byte, 1)); !errors.As(err, &e) || len(e.Entries) == 0 {
			t.Fatalf("Read of garbage: %v", err)
		}
		if _, err := p.client.Read(make([]byte, 1)); !errors.As(err, &e) {
			t.Errorf("the second Read: %v", err)
		}
		if err := p.client.Close(); err != nil {
			t.Error(err)
		}
		if resumable(t, s) {
			t.Error("the session is still resumable")
		}
		if !resumable(t, kept) {
			t.Error("an earlier copy is not resumable")
		}
		// In TLS 1.3 the tickets before the last one are other objects.
		for i, old := range got.all() {
			if resumable(t, old) != (cli.MaxVersion == ssl.VersionTLS13 && i == 0) {
				t.Errorf("session %d: resumable is %t", i, resumable(t, old))
			}
		}
		if _, err := p.server.Read(make([]byte, 1)); alertOf(err) < 0 {
			t.Errorf("the peer heard no alert: %v", err)
		}
	})
}
