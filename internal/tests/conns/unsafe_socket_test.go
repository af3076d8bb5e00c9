package conns_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// embeds is a type of an application's own, which adds nothing that moves bytes.
type embeds struct {
	*net.TCPConn
	reads *atomic.Int64
}

func (e embeds) Read(p []byte) (int, error) {
	e.reads.Add(1)
	return e.TCPConn.Read(p)
}

// With UnsafeSocket the socket of a type that embeds a *net.TCPConn is used directly, past
// its Read; without it, never.
func TestUnsafeSocket(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		for _, direct := range []bool{true, false} {
			a, b := ssltest.TCPPipe(t)
			var reads atomic.Int64
			var conn net.Conn = embeds{a.(*net.TCPConn), &reads}
			given := conn
			if direct {
				var err error
				if given, err = ssl.UnsafeSocket(conn); err != nil {
					t.Fatal(err)
				}
			}
			p := ssltest.NewPair(t, ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv), given, b)
			p.MustShake(t)
			p.Echo(t)
			if (reads.Load() == 0) != direct {
				t.Errorf("direct %t: %d calls of Read", direct, reads.Load())
			}
			if p.Client.NetConn() != conn {
				t.Errorf("direct %t: NetConn is a %T", direct, p.Client.NetConn())
			}
			data := ssltest.Noise(1 << 20)
			go func() {
				p.Client.Write(data)
				p.Client.CloseWrite()
			}()
			if got, err := io.ReadAll(p.Server); err != nil || !bytes.Equal(got, data) {
				t.Errorf("direct %t: %d bytes, %v", direct, len(got), err)
			}
			p.CloseBoth()
		}
	})
}

// ahead is a wrapper that has read more than its header, as one for PROXY headers may.
type ahead struct {
	*net.TCPConn
	held *bytes.Reader
}

func (a ahead) Read(p []byte) (int, error) {
	if a.held.Len() > 0 {
		return a.held.Read(p)
	}
	return a.TCPConn.Read(p)
}

// A wrapper that holds the first 11 bytes of the ClientHello loses none of them, although
// it has the SyscallConn of the socket.
func TestWrapperKeepsItsBytes(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		a, b := ssltest.TCPPipe(t)
		c, err := ssl.Client(a, ssltest.NewClientCtx(t, cli))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		done := make(chan error)
		go func() { done <- c.Handshake() }()
		first := make([]byte, 11)
		if _, err := io.ReadFull(b, first); err != nil {
			t.Fatal(err)
		}
		s, err := ssl.Server(ahead{b.(*net.TCPConn), bytes.NewReader(first)}, ssltest.NewServerCtx(t, srv))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if err := errors.Join(s.Handshake(), <-done); err != nil {
			t.Error(err)
		}
	})
}

// What has no stream socket is refused.
func TestUnsafeSocketRefused(t *testing.T) {
	leakcheck.Test(t)
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	if _, err := ssl.UnsafeSocket(a); !errors.Is(err, ssl.ErrNotSocket) {
		t.Errorf("net.Pipe: %v", err)
	}
	udp, err := net.Dial("udp", "127.0.0.1:9")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	if _, err := ssl.UnsafeSocket(udp); !errors.Is(err, ssl.ErrNotSocket) {
		t.Errorf("UDP: %v", err)
	}
	if _, err := ssl.UnsafeSocket(nil); !errors.Is(err, ssl.ErrNil) {
		t.Errorf("nil: %v", err)
	}
	c, _ := ssltest.TCPPipe(t)
	c.Close()
	if _, err := ssl.UnsafeSocket(c); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}
