package conns_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

var (
	_ io.ReaderFrom = (*ssl.Conn)(nil)
	_ io.WriterTo   = (*ssl.Conn)(nil)
)

var errBoom = errors.New("boom")

// Whatever way a Reader has to come to its end, all of it arrives and is counted: io.Copy
// on one side fills the connection with ReadFrom and on the other empties it with WriteTo.
func TestCopy(t *testing.T) {
	data := ssltest.Noise(5<<20 + 77)
	readers := []struct {
		name string
		wrap func(io.Reader) io.Reader
		want int
		err  error
	}{
		{"whole", func(r io.Reader) io.Reader { return r }, len(data), nil},
		{"halves", iotest.HalfReader, len(data), nil},
		{"EOF with the last bytes", iotest.DataErrReader, len(data), nil},
		{"limited", func(r io.Reader) io.Reader { return io.LimitReader(r, 1<<20+3) }, 1<<20 + 3, nil},
		{"limit above", func(r io.Reader) io.Reader { return io.LimitReader(r, 1<<40) }, len(data), nil},
		{"byte by byte", func(r io.Reader) io.Reader { return io.LimitReader(iotest.OneByteReader(r), 999) }, 999,
			nil},
		{"nothing", func(io.Reader) io.Reader { return bytes.NewReader(nil) }, 0, nil},
		{"error", func(r io.Reader) io.Reader {
			return io.MultiReader(io.LimitReader(r, 1<<20), iotest.ErrReader(errBoom))
		}, 1 << 20, errBoom},
		{"error with bytes", func(r io.Reader) io.Reader { return &boomReader{r: r, left: 3} }, 3 * 1000, errBoom},
	}
	ssltest.ForEachTransport(t, func(t *testing.T, srv, cli *ssl.Config) {
		for _, r := range readers {
			p := ssltest.NewTCPPair(t, cli, srv)
			p.MustShake(t)
			var got bytes.Buffer
			read := make(chan error)
			go func() {
				n, err := io.Copy(&got, p.Server)
				if err == nil && n != int64(got.Len()) {
					err = errors.New("WriteTo does not count right")
				}
				read <- err
			}()
			n, err := io.Copy(p.Client, ssltest.OnlyReader{Reader: r.wrap(bytes.NewReader(data))})
			if n != int64(r.want) || err != r.err {
				t.Errorf("%s: %d, %v, want %d, %v", r.name, n, err, r.want, r.err)
			}
			p.Client.CloseWrite()
			if err := <-read; err != nil || !bytes.Equal(got.Bytes(), data[:r.want]) {
				t.Errorf("%s: the peer got %d bytes, %v", r.name, got.Len(), err)
			}
			p.CloseBoth()
		}
	})
}

// boomReader has a thousand bytes a call, and an error along with the last of them.
type boomReader struct {
	r    io.Reader
	left int
}

func (b *boomReader) Read(p []byte) (int, error) {
	n, err := io.ReadFull(b.r, p[:1000])
	if b.left--; b.left == 0 {
		err = errBoom
	}
	return n, err
}

// untouched is a Reader that must not be read.
type untouched struct{ t *testing.T }

func (u untouched) Read([]byte) (int, error) {
	u.t.Error("something was taken that has nowhere to go")
	return 0, io.EOF
}

// Where a Write could not begin, ReadFrom takes nothing from its Reader.
func TestReadFromTakesNothing(t *testing.T) {
	ssltest.ForEachTransport(t, func(t *testing.T, srv, cli *ssl.Config) {
		p := ssltest.NewTCPPair(t, cli, srv)
		p.Client.SetDeadline(time.Unix(1, 0))
		if n, err := p.Client.ReadFrom(untouched{t}); n != 0 || !ssltest.IsTimeout(err) {
			t.Errorf("before the handshake: %d, %v", n, err)
		}
		p.Client.SetDeadline(time.Time{})
		p.MustShake(t)
		p.Client.SetWriteDeadline(time.Unix(1, 0))
		if n, err := p.Client.ReadFrom(untouched{t}); n != 0 || !ssltest.IsTimeout(err) {
			t.Errorf("after the deadline: %d, %v", n, err)
		}
		p.Client.SetWriteDeadline(time.Time{})
		p.Client.CloseWrite()
		if n, err := p.Client.ReadFrom(untouched{t}); n != 0 || !ssltest.IsClosed(err) {
			t.Errorf("after CloseWrite: %d, %v", n, err)
		}
		p.Client.Close()
		if n, err := p.Client.ReadFrom(untouched{t}); n != 0 || !ssltest.IsClosed(err) {
			t.Errorf("after Close: %d, %v", n, err)
		}
	})
}

// A WriteTo that a deadline ended has written all that it read, and goes on from there.
func TestWriteToTimeout(t *testing.T) {
	ssltest.ForEachTransport(t, func(t *testing.T, srv, cli *ssl.Config) {
		p := ssltest.NewTCPPair(t, cli, srv)
		p.MustShake(t)
		data := ssltest.Noise(1 << 20)
		var got bytes.Buffer
		for part := range 4 {
			from, to := part<<18, (part+1)<<18
			go p.Server.Write(data[from:to])
			// Only once all of that is there does the deadline pass.
			p.Client.SetReadDeadline(time.Now().Add(ssltest.Timeout))
			w := &stopAt{w: &got, at: to, stop: func() { p.Client.SetReadDeadline(time.Unix(1, 0)) }}
			if n, err := p.Client.WriteTo(w); n != 1<<18 || !ssltest.IsTimeout(err) {
				t.Fatalf("part %d: %d, %v", part, n, err)
			}
		}
		p.Client.SetReadDeadline(time.Time{})
		p.Server.CloseWrite()
		if n, err := p.Client.WriteTo(&got); n != 0 || err != nil {
			t.Errorf("at the end: %d, %v", n, err)
		}
		if !bytes.Equal(got.Bytes(), data) {
			t.Error("not what was sent")
		}
	})
}

// stopAt calls stop when w has got that far.
type stopAt struct {
	w    *bytes.Buffer
	at   int
	stop func()
}

func (s *stopAt) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	if s.w.Len() >= s.at {
		s.stop()
	}
	return n, err
}

// writerFunc is a Writer.
type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// What a Writer or the connection has to say is what WriteTo returns, with the count of
// what was taken.
func TestWriteToErrors(t *testing.T) {
	ssltest.ForEachTransport(t, func(t *testing.T, srv, cli *ssl.Config) {
		for name, c := range map[string]struct {
			w    writerFunc
			want int64
			err  error
		}{
			"error":          {func(p []byte) (int, error) { return 2, errBoom }, 2, errBoom},
			"short":          {func(p []byte) (int, error) { return 1, nil }, 1, io.ErrShortWrite},
			"too many":       {func(p []byte) (int, error) { return len(p) + 1, nil }, 0, ssl.ErrRange},
			"negative":       {func(p []byte) (int, error) { return -1, nil }, 0, ssl.ErrRange},
			"unexpected end": {func(p []byte) (int, error) { return len(p), nil }, 4, io.ErrUnexpectedEOF},
		} {
			p := ssltest.NewTCPPair(t, cli, srv)
			p.MustShake(t)
			if _, err := p.Server.Write([]byte("ping")); err != nil {
				t.Fatal(err)
			}
			p.Server.NetConn().Close()
			if n, err := p.Client.WriteTo(c.w); n != c.want || !errors.Is(err, c.err) {
				t.Errorf("%s: %d, %v", name, n, err)
			}
			p.CloseBoth()
		}
	})
}

// Arguments that cannot work, and a Reader that lies.
func TestCopyBadInput(t *testing.T) {
	leakcheck.Test(t)
	p := ssltest.NewTCPPair(t, ssltest.ClientConfig(t), ssltest.ServerConfig(t))
	p.MustShake(t)
	if n, err := p.Client.ReadFrom(nil); n != 0 || !errors.Is(err, ssl.ErrNil) {
		t.Errorf("ReadFrom(nil): %d, %v", n, err)
	}
	if n, err := p.Client.WriteTo(nil); n != 0 || !errors.Is(err, ssl.ErrNil) {
		t.Errorf("WriteTo(nil): %d, %v", n, err)
	}
	for _, lie := range []int{-1, 1 << 30} {
		if n, err := p.Client.ReadFrom(liar(lie)); n != 0 || !errors.Is(err, ssl.ErrRange) {
			t.Errorf("a Read of %d bytes: %d, %v", lie, n, err)
		}
	}
	p.Echo(t)
	var none *ssl.Conn
	if _, err := none.ReadFrom(untouched{t}); !errors.Is(err, ssl.ErrNil) {
		t.Error(err)
	}
	if _, err := none.WriteTo(io.Discard); !errors.Is(err, ssl.ErrNil) {
		t.Error(err)
	}
}

type liar int

func (l liar) Read([]byte) (int, error) { return int(l), nil }

// countedCalls is a net.Conn that counts its calls.
type countedCalls struct {
	net.Conn
	reads, writes *atomic.Int64
}

func (c countedCalls) Read(p []byte) (int, error) {
	c.reads.Add(1)
	return c.Conn.Read(p)
}

func (c countedCalls) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(p)
}

// Many records go out with one write.
func TestReadFromGathers(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		a, b := ssltest.TCPPipe(t)
		var reads, writes atomic.Int64
		p := ssltest.NewPair(t, ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv),
			countedCalls{a, &reads, &writes}, b)
		p.MustShake(t)
		p.Echo(t)
		before := writes.Load()
		go p.Client.ReadFrom(ssltest.OnlyReader{Reader: bytes.NewReader(ssltest.Noise(8 << 20))})
		if n, err := io.CopyN(io.Discard, p.Server, 8<<20); err != nil {
			t.Fatal(n, err)
		}
		if n := writes.Load() - before; n > 8<<20/(64<<10)+2 {
			t.Errorf("%d writes for 8 MiB", n)
		}
	})
}

// keeper keeps the buffers that a copy lends it, which it must not do.
type keeper struct {
	data []byte
	lent [][]byte
}

func (k *keeper) Read(b []byte) (int, error) {
	n := copy(b, k.data)
	k.data = k.data[n:]
	k.lent = append(k.lent, b[:n])
	if len(k.data) == 0 {
		return n, io.EOF
	}
	return n, nil
}

func (k *keeper) Write(b []byte) (int, error) {
	k.lent = append(k.lent, b)
	return len(b), nil
}

// What a copy has moved does not stay in the buffers, which go on to other connections.
func TestCopyLeavesNothingBehind(t *testing.T) {
	leakcheck.Test(t)
	for _, n := range []int{1000, 200_000} {
		p := ssltest.NewTCPPair(t, ssltest.ClientConfig(t), ssltest.ServerConfig(t))
		from, to := &keeper{data: bytes.Repeat([]byte("x"), n)}, &keeper{}
		sent := make(chan error, 1)
		go func() {
			_, err := p.Client.ReadFrom(from)
			sent <- errors.Join(err, p.Client.Close())
		}()
		if _, err := p.Server.WriteTo(to); err != nil {
			t.Error(err)
		}
		if err := <-sent; err != nil {
			t.Error(err)
		}
		for what, k := range map[string]*keeper{"ReadFrom": from, "WriteTo": to} {
			for _, b := range k.lent {
				if bytes.Contains(b, []byte("x")) {
					t.Errorf("%s of %d bytes leaves some behind", what, n)
				}
			}
		}
	}
}
