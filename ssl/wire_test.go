package ssl_test

import (
	"bytes"
	"context"
	"net"
	"runtime"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"sessl/ssl"
)

// A wire is what a connection runs over: net.Pipe, where nothing is taken before it is
// read, or TCP with so little room that whoever writes soon waits for the peer.
type wire struct {
	pipe func(t testing.TB) (client, server net.Conn)
	// parked returns once n goroutines wait inside of all the functions. On TCP, others may
	// still be on their way.
	parked func(t testing.TB, n int, functions ...string)
	// soon is a time to wait for what never comes.
	soon time.Duration
	// room is the most that the kernel takes in one direction.
	room int
}

// pipeWire is for tests in a bubble.
var pipeWire = wire{
	pipe:   func(testing.TB) (net.Conn, net.Conn) { return net.Pipe() },
	parked: func(testing.TB, int, ...string) { synctest.Wait() },
	soon:   time.Second,
}

// forEachWire runs f over net.Pipe, in a bubble, and over both ways to a socket.
func forEachWire(t *testing.T, f func(t *testing.T, w wire)) {
	t.Run("net.Pipe", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			f(t, pipeWire)
		})
	})
	for name, hide := range map[string]bool{"socket": false, "net.Conn": true} {
		t.Run(name, func(t *testing.T) {
			f(t, wire{
				pipe: func(t testing.TB) (net.Conn, net.Conn) {
					a, b := narrowTCP(t)
					if hide {
						return plain{a}, plain{b}
					}
					return a, b
				},
				parked: awaitParked,
				soon:   time.Millisecond,
				room:   128 << 10, // both buffers, and a segment more
			})
		})
	}
}

// forEachWireAndVersion is forEachWire for both versions.
func forEachWireAndVersion(t *testing.T, f func(t *testing.T, w wire, srv, cli *ssl.Config)) {
	forEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		forEachWire(t, func(t *testing.T, w wire) { f(t, w, srv, cli) })
	})
}

// pair is newPair over the wire, with the Ctxs made here.
func (w wire) pair(t testing.TB, cli, srv *ssl.Config) pair {
	t.Helper()
	a, b := w.pipe(t)
	return newPair(t, newClientCtx(t, cli), newServerCtx(t, srv), a, b)
}

// narrowTCP is a connection over loopback whose buffers hold little.
func narrowTCP(t testing.TB) (client, server net.Conn) {
	t.Helper()
	narrow := func(_, _ string, rc syscall.RawConn) error {
		var bad error
		err := rc.Control(func(fd uintptr) {
			for _, buffer := range []int{syscall.SO_SNDBUF, syscall.SO_RCVBUF} {
				if bad == nil {
					bad = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, buffer, 16<<10) // twice that, says socket(7)
				}
			}
		})
		if err == nil {
			err = bad
		}
		return err
	}
	l, err := (&net.ListenConfig{Control: narrow}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err = (&net.Dialer{Control: narrow}).Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	server, err = l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	return client, server
}

// awaitParked waits until n goroutines wait inside of all the functions: for a socket, or
// for somebody who does.
func awaitParked(t testing.TB, n int, functions ...string) {
	t.Helper()
	stacks := make([]byte, 1<<20)
	for deadline := time.Now().Add(ioTimeout); time.Now().Before(deadline); runtime.Gosched() {
		found := 0
		for _, g := range bytes.Split(stacks[:runtime.Stack(stacks, true)], []byte("\n\n")) {
			if isParked(g, functions) {
				found++
			}
		}
		if found >= n {
			return
		}
	}
	t.Fatalf("no %d goroutines wait in %q", n, functions)
}

func isParked(stack []byte, functions []string) bool {
	for _, f := range functions {
		if !bytes.Contains(stack, []byte(f)) {
			return false
		}
	}
	state, _, _ := bytes.Cut(stack, []byte("]"))
	for _, waits := range []string{"[IO wait", "[select", "[chan send", "[chan receive"} {
		if bytes.Contains(state, []byte(waits)) {
			return true
		}
	}
	return false
}

// Functions to be parked in.
const (
	inHandshake = "ssl.(*Conn).HandshakeContext("
	inRead      = "ssl.(*Conn).Read("
	inWrite     = "ssl.(*Conn).Write("
	inReadFrom  = "ssl.(*Conn).ReadFrom("
	inFlush     = "ssl.(*Conn).flushLocked("
)
