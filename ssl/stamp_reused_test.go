package ssl_test

import (
	"errors"
	"testing"

	"sessl/ssl"
)

// libssl writes a full handshake into the object that was offered if that has no id, and
// then its stamp would speak for another peer: such a session is refused.
func TestSessionWithoutIDIsNotOffered(t *testing.T) {
	forEachForm(t, func(t *testing.T, _ form, srv, cli *ssl.Config) {
		ctx := newServerCtx(t, srv)
		d := dup(t, madeWith(t, cli, ctx))
		if err := d.SetID(nil); err != nil {
			t.Fatal(err)
		}
		a, b := tcpPipe(t)
		p := newPair(t, newClientCtx(t, cli), ctx, a, b)
		if err := p.client.SetSession(d); !errors.Is(err, ssl.ErrNotResumable) {
			t.Errorf("SetSession: %v, want ErrNotResumable", err)
		}
		if err := p.client.SetSharedSession(d); !errors.Is(err, ssl.ErrNotResumable) {
			t.Errorf("SetSharedSession: %v, want ErrNotResumable", err)
		}
		p.mustShake(t)
		p.echo(t)
		if p.client.SessionReused() {
			t.Error("resumed")
		}
		p.closeBoth()
	})
}
