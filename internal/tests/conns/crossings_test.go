package conns_test

import (
	"io"
	"runtime"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// On a socket a Read of what has arrived, and a Write that the kernel takes, cross into C
// once each. Elsewhere the bytes are moved by crossings of their own.
func TestCrossings(t *testing.T) {
	leakcheck.Test(t)
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		for _, c := range []struct {
			name        string
			hide        bool
			read, write int64
		}{{"socket", false, 1, 1}, {"net.Conn", true, 2, 2}} {
			a, b := ssltest.TCPPipe(t)
			if c.hide {
				a, b = ssltest.Plain{Conn: a}, ssltest.Plain{Conn: b}
			}
			p := ssltest.NewPair(t, ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv), a, b)
			p.MustShake(t)
			p.Echo(t) // tickets are read, buffers are there
			read, write := crossings(t, p.Client, p.Server)
			if read > c.read || write > c.write {
				t.Errorf("%s: %d crossings a Read, %d a Write", c.name, read, write)
			}
			p.CloseBoth()
		}
	})
}

// crossings is the least that was seen of several: the collector may cross, too, and a Read may come
// before the kernel has delivered.
func crossings(t *testing.T, from, to *ssl.Conn) (read, write int64) {
	t.Helper()
	read, write = 1<<30, 1<<30
	b := make([]byte, 1)
	for range 20 {
		before := runtime.NumCgoCall()
		if _, err := from.Write(b); err != nil {
			t.Fatal(err)
		}
		between := runtime.NumCgoCall()
		write = min(write, between-before)
		if _, err := io.ReadFull(to, b); err != nil {
			t.Fatal(err)
		}
		read = min(read, runtime.NumCgoCall()-between)
	}
	return read, write
}
