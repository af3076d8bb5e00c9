package conns_test

import (
	"errors"
	"io"
	"os"
	"runtime"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// A Read of what has arrived, and a Write that is taken at once, cross into C once each. A Read that finds
// nothing to read does not, until something comes.
func TestCrossings(t *testing.T) {
	leakcheck.Test(t)
	ssltest.ForEachTransport(t, func(t *testing.T, srv, cli *ssl.Config) {
		p := ssltest.NewTCPPair(t, cli, srv)
		p.MustShake(t)
		p.Echo(t) // tickets are read, buffers are there
		read, write := crossings(t, p.Client, p.Server)
		if read > 1 || write > 1 {
			t.Errorf("%d crossings a Read, %d a Write", read, write)
		}
		if n := crossingsInVain(t, p.Server); n > 0 {
			t.Errorf("%d crossings of a Read that finds nothing", n)
		}
		p.CloseBoth()
	})
}

// crossingsInVain is the least number of crossings of a Read that was seen, before its deadline.
func crossingsInVain(t *testing.T, c *ssl.Conn) int64 {
	t.Helper()
	least := int64(1 << 30)
	for range 20 {
		before := runtime.NumCgoCall()
		if err := c.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal(err)
		}
		least = min(least, runtime.NumCgoCall()-before)
	}
	return least
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
