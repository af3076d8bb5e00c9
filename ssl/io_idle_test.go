package ssl_test

import (
	"bytes"
	"io"
	"testing"

	"sessl/internal/ssltest"
	"sessl/ssl"
)

// A connection that has nothing to send and nothing to deliver keeps no buffers, whether a
// Read waits or not; libssl gives its own back by SSL_MODE_RELEASE_BUFFERS.
func TestIdleKeepsNoBuffers(t *testing.T) {
	ssltest.ForEachTransport(t, func(t *testing.T, srv, cli *ssl.Config) {
		p := ssltest.NewTCPPair(t, cli, srv)
		p.MustShake(t)
		data := bytes.Repeat([]byte("x"), 1<<20)
		go p.Client.Write(data)
		part := make([]byte, 100) // of a record: the rest of the input stays in the buffer
		if _, err := io.ReadFull(p.Server, part); err != nil {
			t.Fatal(err)
		}
		seen := ssl.HoldsBuffers(p.Server)
		for left := len(data) - len(part); left > 0; {
			n, err := p.Server.Read(data[:min(left, len(data))])
			if err != nil {
				t.Fatal(err)
			}
			left -= n
			seen = seen || ssl.HoldsBuffers(p.Server)
		}
		if !seen {
			t.Error("no buffer was ever seen: the test looks at the wrong place")
		}
		got := make(chan error)
		go func() {
			_, err := p.Client.Read(part[:1]) // takes the tickets, and waits
			got <- err
		}()
		if _, err := p.Server.Write([]byte("y")); err != nil {
			t.Fatal(err)
		}
		if err := <-got; err != nil {
			t.Fatal(err)
		}
		for name, c := range map[string]*ssl.Conn{"client": p.Client, "server": p.Server} {
			if ssl.HoldsBuffers(c) {
				t.Errorf("the idle %s keeps a buffer", name)
			}
		}
	})
}
