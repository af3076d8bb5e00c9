package closing_test

import (
	"io"
	"net"
	"testing"

	"sessl/internal/ssltest"
	"sessl/ssl"
)

// shakeRaw does both handshakes, and a message each way.
func shakeRaw(t testing.TB, c *ssl.Conn, p *ssltest.RawPeer) {
	t.Helper()
	told := make(chan error, 1)
	go func() {
		if _, err := p.Write([]byte("ping")); err != nil {
			told <- err
			return
		}
		_, err := io.ReadFull(p, make([]byte, len("ping")))
		told <- err
	}()
	if err := ssltest.ReadUntil(c, "ping"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write([]byte("ping")); err != nil {
		t.Fatal(err)
	}
	if err := <-told; err != nil {
		t.Fatal(err)
	}
}

// newRogueClient is the same with a client; c is a server that issues no tickets.
func newRogueClient(t testing.TB, raw net.Conn, c *ssl.Conn, cfg *ssl.Config) (*ssltest.Rogue,
	*ssltest.Eavesdropper) {
	t.Helper()
	e := ssltest.NewRogueEnd(t, raw, cfg, false)
	e.Meet(t, c)
	return e.TakeOver(t, false)
}
