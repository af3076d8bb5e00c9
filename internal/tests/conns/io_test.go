package conns_test

import (
	"errors"
	"io"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// A deadline in the past fails before a byte moves, also when data is at hand; without it
// everything is still there.
func TestPastDeadline(t *testing.T) {
	ssltest.ForEachTransport(t, func(t *testing.T, srv, cli *ssl.Config) {
		p := ssltest.NewTCPPair(t, cli, srv)
		p.MustShake(t)
		go p.Server.Write([]byte("abc"))
		if err := ssltest.ReadUntil(p.Client, "a"); err != nil { // the rest of the record is in libssl
			t.Fatal(err)
		}
		p.Client.SetDeadline(time.Unix(1, 0))
		for range 2 {
			if n, err := p.Client.Read(make([]byte, 9)); n != 0 || !ssltest.IsTimeout(err) {
				t.Errorf("Read: %d, %v", n, err)
			}
			if n, err := p.Client.Write([]byte("x")); n != 0 || !ssltest.IsTimeout(err) {
				t.Errorf("Write: %d, %v", n, err)
			}
		}
		p.Client.SetDeadline(time.Time{})
		if err := ssltest.ReadUntil(p.Client, "bc"); err != nil {
			t.Error(err)
		}
		if _, err := p.Client.Write([]byte("y")); err != nil {
			t.Error(err)
		}
		if err := ssltest.ReadUntil(p.Server, "y"); err != nil {
			t.Error(err)
		}
	})
}

// A handshake that a deadline stopped can go on later.
func TestDeadlineInHandshake(t *testing.T) {
	stopped := func(t *testing.T, p ssltest.Pair) {
		t.Helper()
		for range 2 {
			if err := p.Client.Handshake(); !ssltest.IsTimeout(err) {
				t.Errorf("Handshake without a peer: %v", err)
			}
			if _, err := p.Client.Session(); !errors.Is(err, ssl.ErrNoSession) {
				t.Error(err)
			}
		}
		p.Client.SetDeadline(time.Time{})
		p.MustShake(t)
		p.Echo(t)
	}
	ssltest.ForEachTransport(t, func(t *testing.T, srv, cli *ssl.Config) {
		p := ssltest.NewTCPPair(t, cli, srv)
		p.Client.SetReadDeadline(time.Now().Add(time.Millisecond))
		stopped(t, p)
		for _, writing := range []bool{true, false} {
			ssltest.Bubble(t, func(t *testing.T) { // the first message is not taken
				p := ssltest.NewPipePair(t, cli, srv)
				if writing {
					p.Client.SetWriteDeadline(time.Now().Add(time.Second))
				} else {
					p.Client.SetDeadline(time.Now().Add(time.Second))
				}
				stopped(t, p)
			})
		}
	})
}

// A Read that timed out can be repeated, also when half a record had come by then, and
// when the deadline is set while it waits.
func TestReadTimeout(t *testing.T) {
	ssltest.ForEachWireAndVersion(t, func(t *testing.T, w ssltest.Wire, srv, cli *ssl.Config) {
		p := w.Pair(t, cli, srv)
		p.MustShake(t)
		p.Echo(t)
		p.Client.SetReadDeadline(time.Now().Add(w.Soon))
		for range 2 {
			if n, err := p.Client.Read(make([]byte, 9)); n != 0 || !ssltest.IsTimeout(err) {
				t.Errorf("Read: %d, %v", n, err)
			}
		}
		p.Client.SetReadDeadline(time.Time{})
		read := make(chan error)
		go func() {
			_, err := p.Client.Read(make([]byte, 9))
			read <- err
		}()
		w.Parked(t)
		p.Client.SetReadDeadline(time.Unix(1, 0))
		if err := <-read; !ssltest.IsTimeout(err) {
			t.Errorf("Read that waited: %v", err)
		}
		p.Client.SetReadDeadline(time.Time{})
		p.Echo(t)
	})
}

// What a Read has no room for is there for the next ones, which wait for nothing: the rest of a record, and
// records that have come with it.
func TestReadsOfParts(t *testing.T) {
	leakcheck.Test(t)
	ssltest.ForEachTransport(t, func(t *testing.T, srv, cli *ssl.Config) {
		p := ssltest.NewTCPPair(t, cli, srv)
		p.MustShake(t)
		p.Echo(t)
		for _, records := range [][]string{{"abcdef"}, {"abc", "def"}, {"ab", "c", "def"}} {
			for _, r := range records {
				if _, err := io.WriteString(p.Client, r); err != nil {
					t.Fatal(err)
				}
			}
			if err := p.Server.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
				t.Fatal(err)
			}
			got := make([]byte, 6)
			for i := 0; i < len(got); i += 3 {
				if _, err := io.ReadFull(p.Server, got[i:i+3]); err != nil {
					t.Fatalf("%q: %q, %v", records, got[:i], err)
				}
			}
			if string(got) != "abcdef" {
				t.Errorf("%q: %q", records, got)
			}
		}
		p.CloseBoth()
	})
}
