package ownership_test

import (
	"errors"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// unmarked reports whether s can still be changed, and become another Ctx's.
func unmarked(t *testing.T, what string, s *ssl.Session) {
	t.Helper()
	if err := s.SetTimeout(time.Minute); err != nil {
		t.Errorf("%s: the session is frozen: %v", what, err)
	}
	p := ssltest.NewTCPPair(t, ssltest.ClientConfig(t), ssltest.ServerConfig(t))
	if err := p.Client.SetSharedSession(s); err != nil {
		t.Errorf("%s: another Ctx is to have it: %v", what, err)
	}
}

// A call that fails leaves the session as it was: it belongs to no Ctx that it did not belong
// to, and its setters work.
func TestFailedCallsLeaveNoMarks(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, _ ssltest.Form, srv, cli *ssl.Config) {
		sctx := ssltest.NewServerCtx(t, srv)
		made := ssltest.MadeWith(t, cli, sctx)

		limited := ssltest.NewServerCtx(t,
			ssltest.CopyOf(srv, func(c *ssl.Config) { c.MaxSessionAge = time.Minute }))
		s := ssltest.Reparsed(t, made) // nothing is known of its age
		if _, err := limited.AddSession(s); !errors.Is(err, ssl.ErrNotResumable) {
			t.Fatalf("AddSession of a session of unknown age: %v", err)
		}
		unmarked(t, "AddSession", s)

		s = ssltest.Reparsed(t, made)
		if _, err := ssltest.NewClientCtx(t, cli).AddSession(s); !errors.Is(err, ssl.ErrClient) {
			t.Fatalf("AddSession on a client: %v", err)
		}
		unmarked(t, "AddSession on a client", s)

		s = ssltest.Reparsed(t, made)
		id, err := s.ID()
		if err != nil {
			t.Fatal(err)
		}
		if err := s.SetID(nil); err != nil {
			t.Fatal(err)
		}
		p := ssltest.NewTCPPair(t, cli, srv)
		if err := p.Client.SetSharedSession(s); !errors.Is(err, ssl.ErrNotResumable) {
			t.Fatalf("SetSharedSession of a session without an id: %v", err)
		}
		if err := s.SetID(id); err != nil {
			t.Errorf("SetSharedSession: the session is frozen: %v", err)
		}
		unmarked(t, "SetSharedSession", s)

		if err := p.Server.SetSharedSession(s); !errors.Is(err, ssl.ErrServer) {
			t.Fatalf("SetSharedSession on a server: %v", err)
		}
		p.MustShake(t)
		s = ssltest.Reparsed(t, made)
		if err := p.Client.SetSharedSession(s); !errors.Is(err, ssl.ErrHandshakeStarted) {
			t.Fatalf("SetSharedSession after the handshake: %v", err)
		}
		unmarked(t, "SetSharedSession after the handshake", s)

		cache, err := ssl.NewServerSessionCache(nil)
		if err != nil {
			t.Fatal(err)
		}
		defer cache.Close()
		s = ssltest.Reparsed(t, made)
		if err := s.SetTime(time.Now().Add(-48 * time.Hour)); err != nil {
			t.Fatal(err)
		}
		other, err := s.UpRef()
		if err != nil {
			t.Fatal(err)
		}
		if cache.Put(other) {
			t.Fatal("an expired session was kept")
		}
		unmarked(t, "ServerSessionCache.Put", s)
	})
}

// A session that is too large for a cache stays as it was.
func TestFailedCallWithLargeSession(t *testing.T) {
	leakcheck.Test(t)
	small := ssltest.NewServerCache(t, &ssl.ServerCacheOptions{MaxBytes: 4 << 10})
	made := ssltest.MadeWith(t, ssltest.ClientConfig(t), ssltest.NewServerCtx(t, ssltest.ServerConfig(t)))
	s := ssltest.WithTicket(t, ssltest.Reparsed(t, made), make([]byte, 8<<10))
	other, err := s.UpRef()
	if err != nil {
		t.Fatal(err)
	}
	if small.Put(other) {
		t.Fatal("it was kept")
	}
	unmarked(t, "ServerSessionCache.Put", s)
}

// A claim is taken back by the call that made it, and by no other.
func TestFailedCallKeepsOlderClaim(t *testing.T) {
	leakcheck.Test(t)
	ctx := ssltest.NewServerCtx(t, ssltest.ServerConfig(t))
	s := ssltest.Reparsed(t,
		ssltest.SessionOf(t, ssltest.Meet(t, ssltest.NewClientCtx(t, ssltest.ClientConfig(t)), ctx, nil).Server))
	limited := ssltest.NewServerCtx(t, ssltest.CopyOf(ssltest.ServerConfig(t),
		func(c *ssl.Config) { c.MaxSessionAge = time.Minute }))
	if _, err := limited.AddSession(s); !errors.Is(err, ssl.ErrNotResumable) {
		t.Fatal(err)
	}
	if added, err := ctx.AddSession(s); err != nil || !added {
		t.Fatal(added, err)
	}
	if added, err := ctx.AddSession(s); err != nil || added {
		t.Errorf("once more: %t, %v", added, err)
	}
	if _, err := limited.AddSession(s); !errors.Is(err, ssl.ErrSessionCtx) {
		t.Errorf("another Ctx: %v", err)
	}
}
