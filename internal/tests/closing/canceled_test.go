package closing_test

import (
	"crypto/tls"
	"io"
	"testing"

	"sessl/internal/ssltest"
	"sessl/ssl"
)

const (
	alertRecord       = 21
	alertUserCanceled = 90
)

// canceled are the ways to say that one closes before one is done (RFC 8446, section 6.1), as
// Java's SSLSocket does: with the level that the RFC wants, and with the other one.
func canceled(p *ssltest.RawPeer) [][]byte {
	level := byte(1)
	if p.ConnectionState().Version == tls.VersionTLS13 && p.Sealed()%2 == 0 {
		level = 2
	}
	return [][]byte{p.Seal(ssltest.TypeAlert, []byte{level, alertUserCanceled}, 0), p.Seal(ssltest.TypeAlert,
		[]byte{level, 0}, 0)}
}

// A peer that says user_canceled before close_notify has closed: the end is io.EOF on both sides,
// what is written afterwards still goes out, and the session can be resumed.
func TestUserCanceled(t *testing.T) {
	ssltest.ForEachTransport(t, func(t *testing.T, srv, cli *ssl.Config) {
		srv.CipherSuites, cli.CipherSuites = ssltest.RawSuites, ssltest.RawSuites
		std := ssltest.StdConfig(t, cli.MaxVersion)
		got := ssltest.NewInbox(t, cli)
		for _, ctx := range []*ssl.Ctx{ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv)} {
			for i, apart := range []bool{false, true, false, true} {
				c, p := ssltest.RawFor(t, ctx, std)
				if i > 0 && !ctx.IsServer() {
					if err := c.SetSession(got.Last(t)); err != nil {
						t.Fatal(err)
					}
				}
				shakeRaw(t, c, p)
				if i%2 == 1 { // another level
					if _, err := p.Write([]byte("x")); err != nil || ssltest.ReadUntil(c, "x") != nil {
						t.Fatal(err)
					}
				}
				p.TakeOver(t)
				wantCanceled(t, c, p, apart)
				if resumed := c.SessionReused(); resumed != (i > 0) {
					t.Errorf("%v, connection %d: resumed is %t", ctx, i, resumed)
				}
				if n := len(ctx.LastFailures()); n != 0 {
					t.Errorf("%d failures: %v", n, ctx.LastFailures()[0].Err)
				}
				s := ssltest.SessionOf(t, c)
				c.Close()
				if !ctx.IsServer() && !ssltest.Resumable(t, s) {
					t.Errorf("%v, connection %d: the session is marked", ctx, i)
				}
			}
		}
	})
}

func wantCanceled(t *testing.T, c *ssl.Conn, p *ssltest.RawPeer, apart bool) {
	t.Helper()
	alerts := canceled(p)
	read := make(chan error, 1)
	go func() {
		n, err := c.Read(make([]byte, 1))
		if n != 0 {
			t.Errorf("%d bytes", n)
		}
		read <- err
	}()
	if apart {
		for _, a := range alerts {
			p.Wire.Conn.Write(a)
		}
	} else {
		p.Wire.Conn.Write(append(alerts[0], alerts[1]...))
	}
	if err := <-read; err != io.EOF {
		t.Errorf("Read: %v", err)
	}
	if _, err := c.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("a second Read: %v", err)
	}
	if _, err := c.Write([]byte("last")); err != nil {
		t.Errorf("Write: %v", err)
	}
	if _, err := io.ReadFull(p, make([]byte, len("last"))); err != nil {
		t.Errorf("the peer: %v", err)
	}
	if err := c.CloseWrite(); err != nil {
		t.Errorf("CloseWrite: %v", err)
	}
}

// Without the close_notify it is an end that any attacker could have brought about.
func TestUserCanceledAlone(t *testing.T) {
	ssltest.ForEachTransport(t, func(t *testing.T, srv, cli *ssl.Config) {
		cli.CipherSuites = ssltest.RawSuites
		c, p := ssltest.RawFor(t, ssltest.NewClientCtx(t, cli), ssltest.StdConfig(t, cli.MaxVersion))
		shakeRaw(t, c, p)
		p.TakeOver(t)
		p.Wire.Conn.Write(canceled(p)[0])
		p.Wire.Conn.Close()
		if _, err := c.Read(make([]byte, 1)); err != io.ErrUnexpectedEOF {
			t.Errorf("Read: %v", err)
		}
	})
}
