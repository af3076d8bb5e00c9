package resumption_test

import (
	"errors"
	"testing"

	"sessl/internal/ssltest"
	"sessl/ssl"
)

// libssl writes a full handshake into the object that was offered if that has no id, and
// then its stamp would speak for another peer: such a session is refused.
func TestSessionWithoutIDIsNotOffered(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, _ ssltest.Form, srv, cli *ssl.Config) {
		ctx := ssltest.NewServerCtx(t, srv)
		d := ssltest.Dup(t, ssltest.MadeWith(t, cli, ctx))
		if err := d.SetID(nil); err != nil {
			t.Fatal(err)
		}
		a, b := ssltest.TCPPipe(t)
		p := ssltest.NewPair(t, ssltest.NewClientCtx(t, cli), ctx, a, b)
		if err := p.Client.SetSession(d); !errors.Is(err, ssl.ErrNotResumable) {
			t.Errorf("SetSession: %v, want ErrNotResumable", err)
		}
		if err := p.Client.SetSharedSession(d); !errors.Is(err, ssl.ErrNotResumable) {
			t.Errorf("SetSharedSession: %v, want ErrNotResumable", err)
		}
		p.MustShake(t)
		p.Echo(t)
		if p.Client.SessionReused() {
			t.Error("resumed")
		}
		p.CloseBoth()
	})
}
