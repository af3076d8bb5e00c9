package ssl_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"sync"
	"testing"

	"sessl/ssl"
)

// Reading and writing do not wait for each other: much data in both directions, from four
// goroutines, arrives as it was sent.
func TestBulkBothWays(t *testing.T) {
	data := noise(8 << 20)
	bothWays := func(t *testing.T, p pair) {
		var all sync.WaitGroup
		for _, c := range []*ssl.Conn{p.client, p.server} {
			all.Go(func() {
				if n, err := c.Write(data); n != len(data) || err != nil {
					t.Errorf("Write: %d, %v", n, err)
				}
			})
			all.Go(func() {
				got := make([]byte, len(data))
				if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, data) {
					t.Errorf("not what was sent: %v", err)
				}
			})
		}
		all.Wait()
		p.closeBoth()
	}
	forEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) { bothWays(t, newTCPPair(t, cli, srv)) })
	// Also where the kernel takes little, so that each Write waits for its peer's Read.
	forEachWireAndVersion(t, func(t *testing.T, w wire, srv, cli *ssl.Config) { bothWays(t, w.pair(t, cli, srv)) })
}

// On a net.Pipe, where each write waits for its read, the end that writes first gets
// through: no handshake waits for its last message, or its tickets, to be taken.
func TestPeerWritesFirst(t *testing.T) {
	forEachForm(t, func(t *testing.T, _ form, srv, cli *ssl.Config) {
		srv.NumTickets = 8
		for _, first := range []string{"client", "server"} {
			forEachWire(t, func(t *testing.T, w wire) {
				p := w.pair(t, cli, srv)
				talks, listens := p.client, p.server
				if first == "server" {
					talks, listens = p.server, p.client
				}
				done := make(chan error)
				go func() {
					err := listens.Handshake()
					if err == nil {
						err = readUntil(listens, "first")
					}
					if err == nil {
						_, err = listens.Write([]byte("second"))
					}
					done <- err
				}()
				if _, err := talks.Write([]byte("first")); err != nil {
					t.Errorf("%s: %v", first, err)
				}
				if err := readUntil(talks, "second"); err != nil {
					t.Errorf("%s: %v", first, err)
				}
				if err := <-done; err != nil {
					t.Errorf("%s: %v", first, err)
				}
			})
		}
	})
}

// Sizes at the edges: nothing, one byte at a time, and around a record's 16 KiB.
func TestSizes(t *testing.T) {
	forEachTransport(t, func(t *testing.T, srv, cli *ssl.Config) {
		p := newTCPPair(t, cli, srv)
		p.mustShake(t)
		for range 2 { // no bytes, no wait, no record
			if n, err := p.client.Write(nil); n != 0 || err != nil {
				t.Errorf("Write of nothing: %d, %v", n, err)
			}
			if n, err := p.client.Read(nil); n != 0 || err != nil {
				t.Errorf("Read of nothing: %d, %v", n, err)
			}
		}
		for _, size := range []int{1, 1<<14 - 1, 1 << 14, 1<<14 + 1, 64 << 10, 64<<10 + 1, 300 << 10} {
			data := noise(size)
			go p.server.Write(data)
			got := make([]byte, size)
			for i := range got {
				if i >= 1<<15 { // the rest at once
					if _, err := io.ReadFull(p.client, got[i:]); err != nil {
						t.Fatal(err)
					}
					break
				}
				if n, err := p.client.Read(got[i : i+1]); n != 1 || err != nil {
					t.Fatalf("byte %d: %d, %v", i, n, err)
				}
			}
			if !bytes.Equal(got, data) {
				t.Errorf("%d bytes are not what was sent", size)
			}
		}
		p.closeBoth()
		if n, err := p.client.Write(nil); n != 0 || !isClosed(err) {
			t.Errorf("Write of nothing after Close: %d, %v", n, err)
		}
		if n, err := p.client.Read(nil); n != 0 || !isClosed(err) {
			t.Errorf("Read of nothing after Close: %d, %v", n, err)
		}
	})
}

// Records that arrive in pieces are whole all the same.
func TestSmallReadsUnderneath(t *testing.T) {
	forEachForm(t, func(t *testing.T, _ form, srv, cli *ssl.Config) {
		a, b := tcpPipe(t)
		p := newPair(t, newClientCtx(t, cli), newServerCtx(t, srv), oneByte{a}, oneByte{b})
		p.mustShake(t)
		p.echo(t)
		data := noise(20 << 10)
		go func() {
			p.server.Write(data)
			p.server.Close()
		}()
		if got, err := io.ReadAll(p.client); !bytes.Equal(got, data) || err != nil {
			t.Errorf("%d bytes, %v", len(got), err)
		}
	})
}

// noise is n bytes that are never the same from one place to another.
func noise(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}
