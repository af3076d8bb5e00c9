package ssl_test

import (
	"errors"
	"testing"

	"sessl/ssl"
)

// libssl writes a full handshake into the object that was offered if that has no id. The
// stamp of the peer before does not speak for the new one, also when nobody verifies it.
func TestStampDoesNotOutliveItsPeer(t *testing.T) {
	forEachForm(t, func(t *testing.T, fm form, srv, cli *ssl.Config) {
		good := newServerCtx(t, srv)
		evil := newServerCtx(t, copyOf(srv, func(c *ssl.Config) {
			c.Certificates = []ssl.Certificate{keyPair(t, "selfsigned")}
		}))
		d := dup(t, madeWith(t, cli, good))
		if err := d.SetID(nil); err != nil {
			t.Fatal(err)
		}
		a, b := tcpPipe(t)
		p := newPair(t, newClientCtx(t, copyOf(cli, insecure)), evil, a, b)
		if err := p.client.SetSession(d); !fm.tickets && errors.Is(err, ssl.ErrNotResumable) {
			return // it has neither id nor ticket
		} else if err != nil {
			t.Fatal(err)
		}
		p.mustShake(t)
		p.echo(t)
		if p.client.SessionReused() {
			t.Fatal("another server resumed")
		}
		now := sessionOf(t, p.client)
		p.closeBoth()
		wantFull(t, try(t, cli, evil, now), selfSigned)
	})
}
