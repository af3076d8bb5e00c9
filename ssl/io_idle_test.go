package ssl_test

import (
	"bytes"
	"io"
	"testing"

	"sessl/ssl"
)

// A connection that has nothing to send and nothing to deliver keeps no buffers, whether a
// Read waits or not; libssl gives its own back by SSL_MODE_RELEASE_BUFFERS.
func TestIdleKeepsNoBuffers(t *testing.T) {
	forEachTransport(t, func(t *testing.T, srv, cli *ssl.Config) {
		p := newTCPPair(t, cli, srv)
		p.mustShake(t)
		data := bytes.Repeat([]byte("x"), 1<<20)
		go p.client.Write(data)
		part := make([]byte, 100) // of a record: the rest of the input stays in the buffer
		if _, err := io.ReadFull(p.server, part); err != nil {
			t.Fatal(err)
		}
		seen := ssl.HoldsBuffers(p.server)
		for left := len(data) - len(part); left > 0; {
			n, err := p.server.Read(data[:min(left, len(data))])
			if err != nil {
				t.Fatal(err)
			}
			left -= n
			seen = seen || ssl.HoldsBuffers(p.server)
		}
		if !seen {
			t.Error("no buffer was ever seen: the test looks at the wrong place")
		}
		got := make(chan error)
		go func() {
			_, err := p.client.Read(part[:1]) // takes the tickets, and waits
			got <- err
		}()
		if _, err := p.server.Write([]byte("y")); err != nil {
			t.Fatal(err)
		}
		if err := <-got; err != nil {
			t.Fatal(err)
		}
		for name, c := range map[string]*ssl.Conn{"client": p.client, "server": p.server} {
			if ssl.HoldsBuffers(c) {
				t.Errorf("the idle %s keeps a buffer", name)
			}
		}
	})
}
