package sessions_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// There is no session before the handshake is over, at either end, and asking for
// one changes nothing.
func TestNoSessionBeforeHandshake(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		p := ssltest.NewTCPPair(t, cli, srv)
		for _, c := range []*ssl.Conn{p.Client, p.Server} {
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
		p.MustShake(t)
	})
}

// Nor is there one after a handshake that failed.
func TestNoSessionAfterFailedHandshake(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		cli.RootCAs = ssltest.Roots(t, "other-ca")
		got, gave := ssltest.NewInbox(t, cli), ssltest.NewInbox(t, srv)
		p := ssltest.NewTCPPair(t, cli, srv)
		if c, s := p.Shake(); c == nil || s == nil {
			t.Fatalf("client %v, server %v", c, s)
		}
		for _, c := range []*ssl.Conn{p.Client, p.Server} {
			if s, err := c.Session(); s != nil || !errors.Is(err, ssl.ErrNoSession) {
				t.Errorf("Session: %v, %v", s, err)
			}
		}
		p.CloseBoth()
		if n := len(got.All()) + len(gave.All()); n != 0 {
			t.Errorf("%d sessions were delivered", n)
		}
	})
}

// After the handshake both ends have a session, with plausible fields.
func TestSessionAfterHandshake(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, fm ssltest.Form, srv, cli *ssl.Config) {
		srv.SessionTimeout = 1000 * time.Second
		began := time.Now().Add(-100 * time.Millisecond).Truncate(time.Second) // time(3) lags by up to a tick
		p := ssltest.NewTCPPair(t, cli, srv)
		p.MustShake(t)
		p.Echo(t)
		cs, ss := ssltest.SessionOf(t, p.Client), ssltest.SessionOf(t, p.Server)
		for end, s := range map[string]*ssl.Session{"client": cs, "server": ss} {
			if v, err := s.ProtocolVersion(); v != fm.Version || err != nil {
				t.Errorf("%s: version %s, %v", end, ssl.VersionName(v), err)
			}
			if id, name, err := s.Cipher(); id != p.Client.ConnectionState().CipherSuite ||
				name != p.Client.ConnectionState().CipherName || id == 0 || err != nil {
				t.Errorf("%s: cipher %#x %s, %v", end, id, name, err)
			}
			if at, err := s.Time(); at.Before(began) || at.After(time.Now()) || err != nil {
				t.Errorf("%s: time %s, began %s, %v", end, at, began, err)
			}
			if want := end == "client" || ssltest.HasID(fm); ssltest.Resumable(t, s) != want {
				t.Errorf("%s: resumable is %t", end, !want)
			}
			if key, err := s.SecretMasterKey(); len(key) < 32 || bytes.Equal(key, make([]byte, len(key))) ||
				err != nil {
				t.Errorf("%s: %d bytes of key, %v", end, len(key), err)
			}
		}
		if d, err := ss.Timeout(); d != srv.SessionTimeout || err != nil {
			t.Errorf("server: timeout %s, %v", d, err)
		}
		if has, err := cs.HasTicket(); has != (fm.Tickets || fm.Version == ssl.VersionTLS13) || err != nil {
			t.Errorf("client: has a ticket: %t, %v", has, err)
		}
		if cert, err := cs.PeerCertificate(); cert == nil || cert.VerifyHostname("localhost") != nil || err != nil {
			t.Errorf("client: certificate %v, %v", cert, err)
		}
		if id, err := ss.ID(); (len(id) == 32) != ssltest.HasID(fm) || err != nil {
			t.Errorf("server: id %x, %v", id, err)
		}
	})
}

// Each get makes a handle of its own on one object, and closing it gives back
// exactly one reference.
func TestSessionGotTwice(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, _ ssltest.Form, srv, cli *ssl.Config) {
		p := ssltest.NewTCPPair(t, cli, srv)
		p.MustShake(t)
		p.Echo(t)
		for _, c := range []*ssl.Conn{p.Client, p.Server} {
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
			if after.Sessions.Opened-before.Sessions.Opened != 2 ||
				after.Sessions.Closed-before.Sessions.Closed != 2 ||
				after.SessionObjectsCreated != before.SessionObjectsCreated ||
				after.SessionObjectsFreed != before.SessionObjectsFreed {
				t.Errorf("counters: %+v, then %+v", before, after)
			}
			// The Conn's own reference is still there: a close too many would have freed it.
			if again, err := ssltest.SessionOf(t, c).MarshalBinary(); !bytes.Equal(again, a) || err != nil {
				t.Errorf("the connection's session: %d bytes, %v", len(again), err)
			}
		}
	})
}

// The object lives as long as its last handle, whatever ends before.
func TestHandleOutlivesConn(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, _ ssltest.Form, srv, cli *ssl.Config) {
		s := ssltest.Session(t, cli, srv)
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

// A Dup has the same encoding, a mark of its own, and no Ctx.
func TestDupStandsAlone(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, _ ssltest.Form, srv, cli *ssl.Config) {
		sctx, cctx := ssltest.NewServerCtx(t, srv), ssltest.NewClientCtx(t, cli)
		s := ssltest.MadeWith(t, cli, sctx) // by another Ctx than cctx
		d := ssltest.Dup(t, s)
		if d.Same(s) {
			t.Error("Dup is the same object")
		}
		a, errA := s.MarshalBinary()
		b, errB := d.MarshalBinary()
		if !bytes.Equal(a, b) || errA != nil || errB != nil {
			t.Errorf("another encoding: %v, %v", errA, errB)
		}
		x, y := ssltest.TCPPipe(t)
		p := ssltest.NewPair(t, cctx, sctx, x, y)
		if err := p.Client.SetSharedSession(s); !errors.Is(err, ssl.ErrSessionCtx) {
			t.Errorf("the original in another Ctx: %v", err)
		}
		if err := p.Client.SetSharedSession(d); err != nil {
			t.Errorf("the Dup in another Ctx: %v", err)
		}
		p.MustShake(t)
		p.Echo(t)
		if !p.Client.SessionReused() {
			t.Error("the Dup does not resume")
		}
		if _, err := cctx.RemoveSession(d); err != nil {
			t.Error(err)
		}
		if ssltest.Resumable(t, d) || !ssltest.Resumable(t, s) {
			t.Errorf("after the Dup's removal: %t, and the original %t", ssltest.Resumable(t, d),
				ssltest.Resumable(t, s))
		}
		if ssltest.Resumable(t, ssltest.Dup(t, d)) {
			t.Error("a Dup of what is not resumable is")
		}
	})
}

// A closed handle reports ErrClosed from everything; closing again does nothing,
// above all not to the other handles.
func TestUseAfterClose(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		s := ssltest.Session(t, cli, srv)
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
		ctx := ssltest.NewClientCtx(t, cli)
		a, b := ssltest.TCPPipe(t)
		p := ssltest.NewPair(t, ctx, ssltest.NewServerCtx(t, srv), a, b)
		for what, err := range map[string]error{
			"ID":               ssltest.ErrorOf(s.ID()),
			"Dup":              ssltest.ErrorOf(s.Dup()),
			"UpRef":            ssltest.ErrorOf(s.UpRef()),
			"MarshalBinary":    ssltest.ErrorOf(s.MarshalBinary()),
			"Resumable":        ssltest.ErrorOf(s.Resumable()),
			"SetID":            s.SetID([]byte("x")),
			"SetSession":       p.Client.SetSession(s),
			"SetSharedSession": p.Client.SetSharedSession(s),
			"RemoveSession":    ssltest.ErrorOf(ctx.RemoveSession(s)),
		} {
			if !errors.Is(err, ssl.ErrClosed) {
				t.Errorf("%s: %v", what, err)
			}
		}
		if s.Same(other) || s.Same(s) {
			t.Error("a closed handle is the same as something")
		}
		if !ssltest.Resumable(t, other) {
			t.Error("the other handle has suffered")
		}
	})
}

// The zero value and nil report their errors and do not crash.
func TestZeroAndNilSessions(t *testing.T) {
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
		"Session":     ssltest.ErrorOf(conn.Session()),
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
