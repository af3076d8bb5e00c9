package load

import (
	"context"
	"fmt"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/interop/malloc"
	"sessl/ssl"
)

const (
	sequence = 10000
	cached   = 200 // bytes per connection that may stay in the caches of threads; an SSL_SESSION is larger
	atOnce   = 2000
	waves    = 4
)

// resident returns the memory of the process, without memory that Go keeps for later.
func resident(t *testing.T) int64 {
	t.Helper()
	debug.FreeOSMemory()
	data, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	var size, pages int64
	if _, err := fmt.Sscan(string(data), &size, &pages); err != nil {
		t.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}

func forEachVersion(t *testing.T, f func(t *testing.T, addr string, client *ssl.Ctx)) {
	for name, version := range map[string]uint16{"TLS 1.2": ssl.VersionTLS12, "TLS 1.3": ssl.VersionTLS13} {
		t.Run(name, func(t *testing.T) {
			leakcheck.Test(t)
			server := serverCtx(t, version)
			client, err := ssl.NewClientCtx(clientConfig(version))
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			served := serve(l, server)
			defer served.Wait()
			defer l.Close()
			f(t, l.Addr().String(), client)
		})
	}
}

// Connections in sequence need no more memory than the first thousand.
func TestMemoryInSequence(t *testing.T) {
	forEachVersion(t, func(t *testing.T, addr string, client *ssl.Ctx) {
		life, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		var first, held int64
		for i := range sequence {
			if i == 1000 {
				first, held = resident(t), malloc.Allocated(t)
			}
			if err := visit(life, addr, client); err != nil {
				t.Fatalf("connection %d: %v", i, err)
			}
		}
		last, kept := resident(t), malloc.Allocated(t)
		if last > first+first/10 {
			t.Error("the process has grown")
		}
		if kept > held+sequence*cached {
			t.Error("C memory is left allocated")
		}
		t.Logf("%d KiB resident after 1,000, %d after all; %d and %d allocated in C",
			first>>10, last>>10, held>>10, kept>>10)
	})
}

// Waves of connections that are all open at once leave no more allocated memory than the first
// wave. The memory that threads keep is excepted: less than a twentieth of what the connections
// hold while they are open.
func TestMemoryOfWaves(t *testing.T) {
	forEachVersion(t, func(t *testing.T, addr string, client *ssl.Ctx) {
		var first int64
		for i := range waves {
			open := wave(t, addr, client)
			n := malloc.Allocated(t)
			if i == 0 {
				first = n
			}
			if n > first+open/20 {
				t.Errorf("wave %d leaves %d bytes allocated, the first %d", i+1, n, first)
			}
			t.Logf("wave %d: %d KiB allocated while open, %d then, %d resident", i+1, open>>10, n>>10, resident(t)>>10)
		}
	})
}

// wave opens connections, and closes them when all are open. It returns the C memory that was
// allocated in between, when the server has closed its ends too.
func wave(t *testing.T, addr string, client *ssl.Ctx) (held int64) {
	t.Helper()
	life, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	before := runtime.NumGoroutine()
	var all, open sync.WaitGroup
	open.Add(atOnce)
	measured := make(chan struct{})
	for range atOnce {
		all.Go(func() {
			var once sync.Once
			here := func() { once.Do(open.Done) }
			defer here()
			c, err := (&ssl.Dialer{Ctx: client}).DialContext(life, "tcp", addr)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			c.SetDeadline(time.Now().Add(patience))
			here()
			<-measured
		})
	}
	open.Wait()
	held = malloc.Allocated(t)
	close(measured)
	all.Wait()
	for runtime.NumGoroutine() > before && life.Err() == nil {
		leakcheck.Collect()
	}
	return held
}
