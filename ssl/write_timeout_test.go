package ssl_test

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"time"

	"sessl/internal/ssltest"
	"sessl/ssl"
)

// A ReadFrom that a deadline ended has said how much is on its way: that much arrives, and
// what is written later comes right after it.
func TestReadFromTimeout(t *testing.T) {
	ssltest.ForEachWireAndVersion(t, func(t *testing.T, w ssltest.Wire, srv, cli *ssl.Config) {
		p := w.Pair(t, cli, srv)
		p.MustShake(t)
		p.Echo(t)
		writesInVain(t, w, p, func(b []byte) (int, error) {
			n, err := p.Client.ReadFrom(ssltest.OnlyReader{Reader: bytes.NewReader(b)})
			return int(n), err
		})
	})
}

// A Write that timed out has told how much is encrypted. All of that arrives, once and in
// order, and what is written later after it. However often it is repeated, little is
// encrypted for a peer that does not read.
func TestWriteTimeout(t *testing.T) {
	ssltest.ForEachWireAndVersion(t, func(t *testing.T, w ssltest.Wire, srv, cli *ssl.Config) {
		p := w.Pair(t, cli, srv)
		p.MustShake(t)
		p.Echo(t)
		writesInVain(t, w, p, p.Client.Write)
	})
}

// writesInVain has write, which is the client's Write or like it, run into deadlines, and
// then get everything through.
func writesInVain(t *testing.T, w ssltest.Wire, p ssltest.Pair, write func([]byte) (int, error)) {
	t.Helper()
	data := ssltest.Noise(2 << 20)
	wrote := make(chan int)
	go func() {
		n, err := write(data)
		if !ssltest.IsTimeout(err) {
			t.Errorf("a write that waited: %d, %v", n, err)
		}
		wrote <- n
	}()
	w.Parked(t)
	p.Client.SetWriteDeadline(time.Unix(1, 0))
	sent := <-wrote
	for range 4 {
		p.Client.SetWriteDeadline(time.Now().Add(w.Soon))
		n, err := write(data[sent:])
		if !ssltest.IsTimeout(err) {
			t.Fatalf("a write that is not read: %d, %v", n, err)
		}
		sent += n
	}
	if bound := 512<<10 + 2*w.Room; sent == 0 || sent > bound {
		t.Errorf("%d bytes were encrypted with nowhere to go, want at most %d", sent, bound)
	}
	if n := ssl.Unsent(p.Client); n == 0 || n > 520<<10 {
		t.Errorf("%d bytes of output are kept", n)
	}
	p.Client.SetWriteDeadline(time.Time{})
	read := make(chan []byte)
	go func() {
		all, err := io.ReadAll(p.Server)
		if err != nil {
			t.Error(err)
		}
		read <- all
	}()
	if n, err := write(data[sent:]); n != len(data)-sent || err != nil {
		t.Errorf("the last write: %d, %v", n, err)
	}
	p.Client.CloseWrite()
	if !bytes.Equal(<-read, data) {
		t.Error("the peer got something else")
	}
}

// A Write that timed out in the middle of a record over TCP, where part of a write is
// taken, is completed by whatever sends next: here by CloseWrite, and by Close.
func TestWriteTimeoutThenCloseWrite(t *testing.T) { writeTimeoutThen(t, (*ssl.Conn).CloseWrite) }

func TestWriteTimeoutThenClose(t *testing.T) { writeTimeoutThen(t, (*ssl.Conn).Close) }

func writeTimeoutThen(t *testing.T, end func(*ssl.Conn) error) {
	ssltest.ForEachTransport(t, func(t *testing.T, srv, cli *ssl.Config) {
		p := ssltest.NewTCPPair(t, cli, srv)
		p.MustShake(t)
		p.Echo(t)
		data := ssltest.Noise(64 << 20)
		p.Client.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
		n, err := p.Client.Write(data)
		if !ssltest.IsTimeout(err) {
			t.Fatalf("Write: %d, %v", n, err)
		}
		p.Client.SetWriteDeadline(time.Time{})
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			end(p.Client)
		}()
		ssltest.AwaitParked(t)
		all, err := io.ReadAll(p.Server)
		if err == nil && !bytes.Equal(all, data[:n]) {
			err = errors.New("the peer got something else")
		}
		if err != nil {
			t.Error(err)
		}
		<-ended
	})
}
