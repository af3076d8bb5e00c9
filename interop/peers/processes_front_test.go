package peers

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"
)

// acceptAll serves connections on loopback, which are numbered as they come, until the test ends.
// serve closes them.
func acceptAll(t *testing.T, serve func(n int, c net.Conn)) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() {
		for n := 0; ; n++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer context.AfterFunc(ctx, func() { c.Close() })()
				serve(n, c)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		cancel()
		all.Wait()
	})
	return l.Addr().String()
}

// A front has the one address of several processes. It gives each connection to the next process,
// so that a client always comes back to another one.
type front struct {
	port string

	mu    sync.Mutex
	given []int // connections, by process
}

func startFront(t *testing.T, behind []string) *front {
	t.Helper()
	f := &front{given: make([]int, len(behind))}
	addr := acceptAll(t, func(n int, c net.Conn) {
		defer c.Close()
		i := n % len(behind)
		f.mu.Lock()
		f.given[i]++
		f.mu.Unlock()
		if back, err := net.Dial("tcp", behind[i]); err == nil { // else the peer reports the failure
			defer back.Close()
			relay(c, back)
		}
	})
	_, f.port, _ = net.SplitHostPort(addr)
	return f
}

// counts are the connections that each process has got so far.
func (f *front) counts() []int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]int(nil), f.given...)
}

// relay copies both ways until both ends have closed.
func relay(a, b net.Conn) {
	var ways sync.WaitGroup
	for _, way := range [][2]net.Conn{{a, b}, {b, a}} {
		ways.Go(func() {
			io.Copy(way[0], way[1])
			way[0].(*net.TCPConn).CloseWrite()
		})
	}
	ways.Wait()
}
