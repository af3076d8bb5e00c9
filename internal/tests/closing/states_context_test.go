package closing_test

import (
	"context"
	"errors"
	"io"
	"testing"

	"sessl/internal/ssltest"
	"sessl/ssl"
)

// A context that has ended before the handshake begins ends the connection: the one underneath is
// closed, and no later call shakes hands without a limit.
func TestHandshakeContextThatHasEnded(t *testing.T) {
	ssltest.ForEachWireAndVersion(t, func(t *testing.T, w ssltest.Wire, srv, cli *ssl.Config) {
		for _, end := range []ssltest.Victim{ssltest.ClientEnd, ssltest.ServerEnd} {
			p := w.Pair(t, cli, srv)
			c, peer := p.Client, p.Server.NetConn()
			if end == ssltest.ServerEnd {
				c, peer = p.Server, p.Client.NetConn()
			}
			why := errors.New("too late")
			ctx, cancel := context.WithCancelCause(context.Background())
			cancel(why)
			if err := c.HandshakeContext(ctx); !errors.Is(err, why) {
				t.Errorf("%s: HandshakeContext: %v", end, err)
			}
			if n, err := peer.Read(make([]byte, 1)); n != 0 || err != io.EOF {
				t.Errorf("%s: the connection underneath is not closed: %d, %v", end, n, err)
			}
			if n, err := c.Write([]byte("x")); n != 0 || !errors.Is(err, why) {
				t.Errorf("%s: Write: %d, %v", end, n, err)
			}
			if n, err := c.Read(make([]byte, 1)); n != 0 || !errors.Is(err, why) {
				t.Errorf("%s: Read: %d, %v", end, n, err)
			}
			if err := c.HandshakeContext(context.Background()); !errors.Is(err, why) {
				t.Errorf("%s: HandshakeContext: %v", end, err)
			}
		}
	})
}
