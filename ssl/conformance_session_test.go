package ssl_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/ssl"
)

// C-01: there is no session before the handshake is over, at either end, and asking for
// one changes nothing.
func TestC01_NoSessionBeforeHandshake(t *testing.T) {
	forEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		p := newTCPPair(t, cli, srv)
		for _, c := range []*ssl.Conn{p.client, p.server} {
			if s, err := c.Session(); s != nil || !errors.Is(err, ssl.ErrNoSession) {
				t.Errorf("Session: %v, %v", s, err)
			}
			err := c.WithSession(func(*ssl.BorrowedSession) error {
				t.Error("WithSession called its function")
				return nil
			})
			if !errors.Is(err, ssl.ErrNoSession) {
				t.Errorf("WithSession: %v", err)
			}
			if c.SessionReused() || c.ConnectionState().Version != 0 {
				t.Error("there is a state before the handshake")
			}
		}
		p.mustShake(t)
	})
}

// C-01: nor is there one after a handshake that failed.
func TestC01_NoSessionAfterFailedHandshake(t *testing.T) {
	forEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		cli.RootCAs = roots(t, "other-ca")
		got, gave := newInbox(t, cli), newInbox(t, srv)
		p := newTCPPair(t, cli, srv)
		if c, s := p.shake(); c == nil || s == nil {
			t.Fatalf("client %v, server %v", c, s)
		}
		for _, c := range []*ssl.Conn{p.client, p.server} {
			if s, err := c.Session(); s != nil || !errors.Is(err, ssl.ErrNoSession) {
				t.Errorf("Session: %v, %v", s, err)
			}
		}
		p.closeBoth()
		if n := len(got.all()) + len(gave.all()); n != 0 {
			t.Errorf("%d sessions were delivered", n)
		}
	})
}

// C-02: after the handshake both ends have a session, with plausible fields.
func TestC02_SessionAfterHandshake(t *testing.T) {
	forEachForm(t, func(t *testing.T, fm form, srv, cli *ssl.Config) {
		srv.SessionTimeout = 1000 * time.Second
		began := time.Now().Add(-100 * time.Millisecond).Truncate(time.Second) // time(3) lags by up to a tick
		p := newTCPPair(t, cli, srv)
		p.mustShake(t)
		p.echo(t)
		cs, ss := sessionOf(t, p.client), sessionOf(t, p.server)
		for end, s := range map[string]*ssl.Session{"client": cs, "server": ss} {
			if v, err := s.ProtocolVersion(); v != fm.version || err != nil {
				t.Errorf("%s: version %s, %v", end, ssl.VersionName(v), err)
			}
			if id, name, err := s.Cipher(); id != p.client.ConnectionState().CipherSuite || name != p.client.ConnectionState().CipherName || id == 0 || err != nil {
				t.Errorf("%s: cipher %#x %s, %v", end, id, name, err)
			}
			if at, err := s.Time(); at.Before(began) || at.After(time.Now()) || err != nil {
				t.Errorf("%s: time %s, began %s, %v", end, at, began, err)
			}
			if want := end == "client" || hasID(fm); resumable(t, s) != want {
				t.Errorf("%s: resumable is %t", end, !want)
			}
			if key, err := s.SecretMasterKey(); len(key) < 32 || bytes.Equal(key, make([]byte, len(key))) || err != nil {
				t.Errorf("%s: %d bytes of key, %v", end, len(key), err)
			}
		}
		if d, err := ss.Timeout(); d != srv.SessionTimeout || err != nil {
			t.Errorf("server: timeout %s, %v", d, err)
		}
		if has, err := cs.HasTicket(); has != (fm.tickets || fm.version == ssl.VersionTLS13) || err != nil {
			t.Errorf("client: has a ticket: %t, %v", has, err)
		}
		if cert, err := cs.PeerCertificate(); cert == nil || cert.VerifyHostname("localhost") != nil || err != nil {
			t.Errorf("client: certificate %v, %v", cert, err)
		}
		if id, err := ss.ID(); (len(id) == 32) != hasID(fm) || err != nil {
			t.Errorf("server: id %x, %v", id, err)
		}
	})
}

// hasID: a TLS 1.2 server that has put the session into a ticket keeps no id for it.
func hasID(fm form) bool { return fm.version == ssl.VersionTLS13 || !fm.tickets }

// C-08: each get makes a handle of its own on one object, and closing it gives back
// exactly one reference.
func TestC08_GetTwice(t *testing.T) {
	forEachForm(t, func(t *testing.T, _ form, srv, cli *ssl.Config) {
		p := newTCPPair(t, cli, srv)
		p.mustShake(t)
		p.echo(t)
		for _, c := range []*ssl.Conn{p.client, p.server} {
			before := ssl.ReadCounters()
			one, err := c.Session()
			if err != nil {
				t.Fatal(err)
			}
			two, err := c.Session()
			if err != nil {
				t.Fatal(err)
			}
			if one == two || !one.Same(two) {
				t.Error("not two handles on one object")
			}
			a, errA := one.MarshalBinary()
			b, errB := two.MarshalBinary()
			if !bytes.Equal(a, b) || len(a) == 0 || errA != nil || errB != nil {
				t.Errorf("%d and %d bytes, %v, %v", len(a), len(b), errA, errB)
			}
			one.Close()
			if again, err := two.MarshalBinary(); !bytes.Equal(again, a) || err != nil {
				t.Errorf("after the other's Close: %d bytes, %v", len(again), err)
			}
			two.Close()
			after := ssl.ReadCounters()
			if after.Sessions.Opened-before.Sessions.Opened != 2 || after.Sessions.Closed-before.Sessions.Closed != 2 ||
				after.SessionObjectsCreated != before.SessionObjectsCreated || after.SessionObjectsFreed != before.SessionObjectsFreed {
				t.Errorf("counters: %+v, then %+v", before, after)
			}
			// The Conn's own reference is still there: a close too many would have freed it.
			if again, err := sessionOf(t, c).MarshalBinary(); !bytes.Equal(again, a) || err != nil {
				t.Errorf("the connection's session: %d bytes, %v", len(again), err)
			}
		}
	})
}

// C-08: the object lives as long as its last handle, whatever ends before.
func TestC08_HandleOutlivesConn(t *testing.T) {
	forEachForm(t, func(t *testing.T, _ form, srv, cli *ssl.Config) {
		s := session(t, cli, srv)
		freed := ssl.ReadCounters().SessionObjectsFreed
		last, err := s.UpRef()
		if err != nil {
			t.Fatal(err)
		}
		s.Close()
		if ssl.ReadCounters().SessionObjectsFreed != freed {
			t.Error("freed with a handle left")
		}
		if der, err := last.MarshalBinary(); len(der) == 0 || err != nil {
			t.Errorf("%d bytes, %v", len(der), err)
		}
		last.Close()
		if n := ssl.ReadCounters().SessionObjectsFreed - freed; n != 1 {
			t.Errorf("%d objects were freed by the last Close, want 1", n)
		}
	})
}

// C-09: a Dup has the same encoding, a mark of its own, and no Ctx.
func TestC09_Dup(t *testing.T) {
	forEachForm(t, func(t *testing.T, _ form, srv, cli *ssl.Config) {
		sctx, cctx := newServerCtx(t, srv), newClientCtx(t, cli)
		s := madeWith(t, cli, sctx) // by another Ctx than cctx
		d := dup(t, s)
		if d.Same(s) {
			t.Error("Dup is the same object")
		}
		a, errA := s.MarshalBinary()
		b, errB := d.MarshalBinary()
		if !bytes.Equal(a, b) || errA != nil || errB != nil {
			t.Errorf("another encoding: %v, %v", errA, errB)
		}
		x, y := tcpPipe(t)
		p := newPair(t, cctx, sctx, x, y)
		if err := p.client.SetSharedSession(s); !errors.Is(err, ssl.ErrSessionCtx) {
			t.Errorf("the original in another Ctx: %v", err)
		}
		if err := p.client.SetSharedSession(d); err != nil {
			t.Errorf("the Dup in another Ctx: %v", err)
		}
		p.mustShake(t)
		p.echo(t)
		if !p.client.SessionReused() {
			t.Error("the Dup does not resume")
		}
		if _, err := cctx.RemoveSession(d); err != nil {
			t.Error(err)
		}
		if resumable(t, d) || !resumable(t, s) {
			t.Errorf("after the Dup's removal: %t, and the original %t", resumable(t, d), resumable(t, s))
		}
		if resumable(t, dup(t, d)) {
			t.Error("a Dup of what is not resumable is")
		}
	})
}

// C-10: a closed handle reports ErrClosed from everything; closing again does nothing,
// above all not to the other handles.
func TestC10_UseAfterClose(t *testing.T) {
	forEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		s := session(t, cli, srv)
		other, err := s.UpRef()
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close()
		for range 3 {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
		ctx := newClientCtx(t, cli)
		a, b := tcpPipe(t)
		p := newPair(t, ctx, newServerCtx(t, srv), a, b)
		for what, err := range map[string]error{
			"ID":               errorOf(s.ID()),
			"Dup":              errorOf(s.Dup()),
			"UpRef":            errorOf(s.UpRef()),
			"MarshalBinary":    errorOf(s.MarshalBinary()),
			"Resumable":        errorOf(s.Resumable()),
			"SetID":            s.SetID([]byte("x")),
			"SetSession":       p.client.SetSession(s),
			"SetSharedSession": p.client.SetSharedSession(s),
			"RemoveSession":    errorOf(ctx.RemoveSession(s)),
		} {
			if !errors.Is(err, ssl.ErrClosed) {
				t.Errorf("%s: %v", what, err)
			}
		}
		if s.Same(other) || s.Same(s) {
			t.Error("a closed handle is the same as something")
		}
		if !resumable(t, other) {
			t.Error("the other handle has suffered")
		}
	})
}

func errorOf[T any](_ T, err error) error { return err }

// C-10: the zero value and nil report their errors and do not crash.
func TestC10_ZeroAndNil(t *testing.T) {
	leakcheck.Test(t)
	var zero ssl.Session
	var none *ssl.Session
	if _, err := zero.ID(); !errors.Is(err, ssl.ErrClosed) {
		t.Errorf("zero: %v", err)
	}
	if _, err := none.ID(); !errors.Is(err, ssl.ErrNil) {
		t.Errorf("nil: %v", err)
	}
	if zero.Close() != nil || none.Close() != nil {
		t.Error("Close of nothing fails")
	}
	var conn *ssl.Conn
	for what, err := range map[string]error{
		"Handshake":   conn.Handshake(),
		"Session":     errorOf(conn.Session()),
		"SetSession":  conn.SetSession(none),
		"CloseWrite":  conn.CloseWrite(),
		"WithSession": conn.WithSession(nil),
	} {
		if !errors.Is(err, ssl.ErrNil) {
			t.Errorf("%s on a nil Conn: %v", what, err)
		}
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
}
