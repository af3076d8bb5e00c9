package ssltest

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

// A Wire is what a connection runs over: net.Pipe, where nothing is taken before it is
// read, or TCP with so little room that whoever writes soon waits for the peer.
type Wire struct {
	Pipe func(t testing.TB) (client, server net.Conn)
	// parked returns once every other goroutine waits for the peer, or for another one.
	Parked func(t testing.TB)
	// soon is a time to wait for what never comes.
	Soon time.Duration
	// room is the most that the kernel takes in one direction.
	Room int
}

// Pair is NewPair over the wire, with the Ctxs made here.
func (w Wire) Pair(t testing.TB, cli, srv *ssl.Config) Pair {
	t.Helper()
	a, b := w.Pipe(t)
	return NewPair(t, NewClientCtx(t, cli), NewServerCtx(t, srv), a, b)
}

// Bubble runs f with a fake clock, in which time passes only when nothing else can
// happen: a wait of half a second is as exact as it is short.
func Bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

// PipeWire is for tests in a bubble.
var PipeWire = Wire{
	Pipe:   func(testing.TB) (net.Conn, net.Conn) { return net.Pipe() },
	Parked: func(testing.TB) { synctest.Wait() },
	Soon:   time.Second,
}

// ForEachWire runs f over net.Pipe, in a bubble, and over both ways to a socket.
func ForEachWire(t *testing.T, f func(t *testing.T, w Wire)) {
	t.Run("net.Pipe", func(t *testing.T) {
		Bubble(t, func(t *testing.T) {
			f(t, PipeWire)
		})
	})
	for name, hide := range map[string]bool{"socket": false, "net.Conn": true} {
		t.Run(name, func(t *testing.T) {
			f(t, Wire{
				Pipe: func(t testing.TB) (net.Conn, net.Conn) {
					a, b := narrowTCP(t)
					if hide {
						return Plain{a}, Plain{b}
					}
					return a, b
				},
				Parked: AwaitParked,
				Soon:   time.Millisecond,
				Room:   128 << 10, // both buffers, and a segment more
			})
		})
	}
}

// ForEachWireAndVersion is ForEachWire for both versions.
func ForEachWireAndVersion(t *testing.T, f func(t *testing.T, w Wire, srv, cli *ssl.Config)) {
	ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		ForEachWire(t, func(t *testing.T, w Wire) { f(t, w, srv, cli) })
	})
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

// AwaitParked waits until every other goroutine waits for a socket, or for another one that does:
// what synctest.Wait is in a bubble. The scheduler says so, several times on end, because a thread
// that looks for work counts as running, and what has come from a peer may not be seen yet.
func AwaitParked(t testing.TB) {
	t.Helper()
	states := []metrics.Sample{
		{Name: "/sched/goroutines/running:goroutines"},
		{Name: "/sched/goroutines/runnable:goroutines"},
		{Name: "/sched/goroutines/not-in-go:goroutines"},
	}
	const self, enough = 1, 50
	for late := time.Now().Add(Timeout); time.Now().Before(late); runtime.Gosched() {
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
