package ssl_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"sessl/ssl"
)

func isTimeout(err error) bool {
	var e net.Error
	return errors.Is(err, os.ErrDeadlineExceeded) && errors.As(err, &e) && e.Timeout()
}

// A deadline in the past fails before a byte moves, also when data is at hand; without it
// everything is still there.
func TestPastDeadline(t *testing.T) {
	forEachTransport(t, func(t *testing.T, srv, cli *ssl.Config) {
		p := newTCPPair(t, cli, srv)
		p.mustShake(t)
		go p.server.Write([]byte("abc"))
		if err := readUntil(p.client, "a"); err != nil { // the rest of the record is in libssl
			t.Fatal(err)
		}
		p.client.SetDeadline(time.Unix(1, 0))
		for range 2 {
			if n, err := p.client.Read(make([]byte, 9)); n != 0 || !isTimeout(err) {
				t.Errorf("Read: %d, %v", n, err)
			}
			if n, err := p.client.Write([]byte("x")); n != 0 || !isTimeout(err) {
				t.Errorf("Write: %d, %v", n, err)
			}
		}
		p.client.SetDeadline(time.Time{})
		if err := readUntil(p.client, "bc"); err != nil {
			t.Error(err)
		}
		if _, err := p.client.Write([]byte("y")); err != nil {
			t.Error(err)
		}
		if err := readUntil(p.server, "y"); err != nil {
			t.Error(err)
		}
	})
}

// A handshake that a deadline stopped can go on later.
func TestDeadlineInHandshake(t *testing.T) {
	stopped := func(t *testing.T, p pair) {
		t.Helper()
		for range 2 {
			if err := p.client.Handshake(); !isTimeout(err) {
				t.Errorf("Handshake with nobody there: %v", err)
			}
			if _, err := p.client.Session(); !errors.Is(err, ssl.ErrNoSession) {
				t.Error(err)
			}
		}
		p.client.SetDeadline(time.Time{})
		p.mustShake(t)
		p.echo(t)
	}
	forEachTransport(t, func(t *testing.T, srv, cli *ssl.Config) {
		p := newTCPPair(t, cli, srv)
		p.client.SetReadDeadline(time.Now().Add(time.Millisecond))
		stopped(t, p)
		for _, writing := range []bool{true, false} {
			bubble(t, func(t *testing.T) { // nobody takes the first message
				p := newPipePair(t, cli, srv)
				if writing {
					p.client.SetWriteDeadline(time.Now().Add(time.Second))
				} else {
					p.client.SetDeadline(time.Now().Add(time.Second))
				}
				stopped(t, p)
			})
		}
	})
}

// A Read that timed out can be repeated, also when half a record had come by then, and
// when the deadline is set while it waits.
func TestReadTimeout(t *testing.T) {
	forEachWireAndVersion(t, func(t *testing.T, w wire, srv, cli *ssl.Config) {
		p := w.pair(t, cli, srv)
		p.mustShake(t)
		p.echo(t)
		p.client.SetReadDeadline(time.Now().Add(w.soon))
		for range 2 {
			if n, err := p.client.Read(make([]byte, 9)); n != 0 || !isTimeout(err) {
				t.Errorf("Read: %d, %v", n, err)
			}
		}
		p.client.SetReadDeadline(time.Time{})
		read := make(chan error)
		go func() {
			_, err := p.client.Read(make([]byte, 9))
			read <- err
		}()
		w.parked(t)
		p.client.SetReadDeadline(time.Unix(1, 0))
		if err := <-read; !isTimeout(err) {
			t.Errorf("Read that waited: %v", err)
		}
		p.client.SetReadDeadline(time.Time{})
		p.echo(t)
	})
}

// A Write that timed out has told how much is encrypted. All of that arrives, once and in
// order, and what is written later after it. However often it is repeated, little is
// encrypted for a peer that does not read.
func TestWriteTimeout(t *testing.T) {
	forEachWireAndVersion(t, func(t *testing.T, w wire, srv, cli *ssl.Config) {
		p := w.pair(t, cli, srv)
		p.mustShake(t)
		p.echo(t)
		writesInVain(t, w, p, p.client.Write)
	})
}

// writesInVain has write, which is the client's Write or like it, run into deadlines, and
// then get everything through.
func writesInVain(t *testing.T, w wire, p pair, write func([]byte) (int, error)) {
	t.Helper()
	data := noise(2 << 20)
	wrote := make(chan int)
	go func() {
		n, err := write(data)
		if !isTimeout(err) {
			t.Errorf("a write that waited: %d, %v", n, err)
		}
		wrote <- n
	}()
	w.parked(t)
	p.client.SetWriteDeadline(time.Unix(1, 0))
	sent := <-wrote
	for range 4 {
		p.client.SetWriteDeadline(time.Now().Add(w.soon))
		n, err := write(data[sent:])
		if !isTimeout(err) {
			t.Fatalf("a write to nobody: %d, %v", n, err)
		}
		sent += n
	}
	if bound := 512<<10 + 2*w.room; sent == 0 || sent > bound {
		t.Errorf("%d bytes were encrypted with nowhere to go, want at most %d", sent, bound)
	}
	if n := ssl.Unsent(p.client); n == 0 || n > 520<<10 {
		t.Errorf("%d bytes of output are kept", n)
	}
	p.client.SetWriteDeadline(time.Time{})
	read := make(chan []byte)
	go func() {
		all, err := io.ReadAll(p.server)
		if err != nil {
			t.Error(err)
		}
		read <- all
	}()
	if n, err := write(data[sent:]); n != len(data)-sent || err != nil {
		t.Errorf("the last write: %d, %v", n, err)
	}
	p.client.CloseWrite()
	if !bytes.Equal(<-read, data) {
		t.Error("the peer got something else")
	}
}

// A Write that timed out in the middle of a record over TCP, where part of a write is
// taken, is completed by whatever sends next: here by CloseWrite.
func TestWriteTimeoutThenCloseWrite(t *testing.T) {
	forEachTransport(t, func(t *testing.T, srv, cli *ssl.Config) {
		p := newTCPPair(t, cli, srv)
		p.mustShake(t)
		p.echo(t)
		data := noise(64 << 20)
		p.client.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
		n, err := p.client.Write(data)
		if !isTimeout(err) {
			t.Fatalf("Write: %d, %v", n, err)
		}
		read := make(chan error)
		go func() {
			all, err := io.ReadAll(p.server)
			if err == nil && !bytes.Equal(all, data[:n]) {
				err = errors.New("the peer got something else")
			}
			read <- err
		}()
		p.client.SetWriteDeadline(time.Time{})
		p.client.CloseWrite()
		if err := <-read; err != nil {
			t.Error(err)
		}
	})
}

// oneByte is a net.Conn that moves one byte a call.
type oneByte struct{ net.Conn }

func (c oneByte) Read(p []byte) (int, error) { return c.Conn.Read(p[:min(1, len(p))]) }
