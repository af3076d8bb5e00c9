package conns_test

import (
	"bytes"
	"io"
	"sync"
	"testing"

	"sessl/internal/ssltest"
	"sessl/ssl"
)

// Reading and writing do not wait for each other: much data in both directions, from four
// goroutines, arrives as it was sent.
func TestBulkBothWays(t *testing.T) {
	data := ssltest.Noise(8 << 20)
	bothWays := func(t *testing.T, p ssltest.Pair) {
		var all sync.WaitGroup
		for _, c := range []*ssl.Conn{p.Client, p.Server} {
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
		p.CloseBoth()
	}
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		bothWays(t, ssltest.NewTCPPair(t, cli,
			srv))
	})
	// Also where the kernel takes little, so that each Write waits for its peer's Read.
	ssltest.ForEachWireAndVersion(t, func(t *testing.T, w ssltest.Wire, srv, cli *ssl.Config) {
		bothWays(t,
			w.Pair(t, cli, srv))
	})
}

// On a net.Pipe, where each write waits for its read, the end that writes first gets
// through: no handshake waits for its last message, or its tickets, to be taken.
func TestPeerWritesFirst(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, _ ssltest.Form, srv, cli *ssl.Config) {
		srv.NumTickets = 8
		for _, first := range []string{"client", "server"} {
			ssltest.ForEachWire(t, func(t *testing.T, w ssltest.Wire) {
				p := w.Pair(t, cli, srv)
				talks, listens := p.Client, p.Server
				if first == "server" {
					talks, listens = p.Server, p.Client
				}
				done := make(chan error)
				go func() {
					err := listens.Handshake()
					if err == nil {
						err = ssltest.ReadUntil(listens, "first")
					}
					if err == nil {
						_, err = listens.Write([]byte("second"))
					}
					done <- err
				}()
				if _, err := talks.Write([]byte("first")); err != nil {
					t.Errorf("%s: %v", first, err)
				}
				if err := ssltest.ReadUntil(talks, "second"); err != nil {
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
	ssltest.ForEachTransport(t, func(t *testing.T, srv, cli *ssl.Config) {
		p := ssltest.NewTCPPair(t, cli, srv)
		p.MustShake(t)
		for range 2 { // no bytes, no wait, no record
			if n, err := p.Client.Write(nil); n != 0 || err != nil {
				t.Errorf("Write of nothing: %d, %v", n, err)
			}
			if n, err := p.Client.Read(nil); n != 0 || err != nil {
				t.Errorf("Read of nothing: %d, %v", n, err)
			}
		}
		for _, size := range []int{1, 1<<14 - 1, 1 << 14, 1<<14 + 1, 64 << 10, 64<<10 + 1, 300 << 10} {
			data := ssltest.Noise(size)
			go p.Server.Write(data)
			got := make([]byte, size)
			for i := range got {
				if i >= 1<<15 { // the rest at once
					if _, err := io.ReadFull(p.Client, got[i:]); err != nil {
						t.Fatal(err)
					}
					break
				}
				if n, err := p.Client.Read(got[i : i+1]); n != 1 || err != nil {
					t.Fatalf("byte %d: %d, %v", i, n, err)
				}
			}
			if !bytes.Equal(got, data) {
				t.Errorf("%d bytes are not what was sent", size)
			}
		}
		p.CloseBoth()
		if n, err := p.Client.Write(nil); n != 0 || !ssltest.IsClosed(err) {
			t.Errorf("Write of nothing after Close: %d, %v", n, err)
		}
		if n, err := p.Client.Read(nil); n != 0 || !ssltest.IsClosed(err) {
			t.Errorf("Read of nothing after Close: %d, %v", n, err)
		}
	})
}

// Records that arrive in pieces are whole all the same.
func TestSmallReadsUnderneath(t *testing.T) {
	ssltest.ForEachForm(t, func(t *testing.T, _ ssltest.Form, srv, cli *ssl.Config) {
		a, b := ssltest.TCPPipe(t)
		p := ssltest.NewPair(t, ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv),
			ssltest.OneByte{Conn: a}, ssltest.OneByte{Conn: b})
		p.MustShake(t)
		p.Echo(t)
		data := ssltest.Noise(20 << 10)
		go func() {
			p.Server.Write(data)
			p.Server.Close()
		}()
		if got, err := io.ReadAll(p.Client); !bytes.Equal(got, data) || err != nil {
			t.Errorf("%d bytes, %v", len(got), err)
		}
	})
}
