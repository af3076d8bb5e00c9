package ssl_test

import (
	"context"
	"net"
	"runtime"
	"runtime/metrics"
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
	// parked returns once every other goroutine waits for the peer, or for another one.
	parked func(t testing.TB)
	// soon is a time to wait for what never comes.
	soon time.Duration
	// room is the most that the kernel takes in one direction.
	room int
}

// pipeWire is for tests in a bubble.
var pipeWire = wire{
	pipe:   func(testing.TB) (net.Conn, net.Conn) { return net.Pipe() },
	parked: func(testing.TB) { synctest.Wait() },
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

// awaitParked waits until every other goroutine waits for a socket, or for another one that does:
// what synctest.Wait is in a bubble. The scheduler says so, several times on end, because a thread
// that looks for work counts as running, and what has come from a peer may not be seen yet.
func awaitParked(t testing.TB) {
	t.Helper()
	states := []metrics.Sample{
		{Name: "/sched/goroutines/running:goroutines"},
		{Name: "/sched/goroutines/runnable:goroutines"},
		{Name: "/sched/goroutines/not-in-go:goroutines"},
	}
	const self, enough = 1, 50
	for late := time.Now().Add(ioTimeout); time.Now().Before(late); runtime.Gosched() {
		quiet := 0
		for range 4 * enough {
			metrics.Read(states)
			if states[0].Value.Uint64() <= self && states[1].Value.Uint64() == 0 && states[2].Value.Uint64() == 0 {
				quiet++
			} else {
				quiet = 0
			}
			if quiet == enough {
				return
			}
		}
	}
	t.Fatal("some goroutine never waits")
}
