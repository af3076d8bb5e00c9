package conns_test

import (
	"io"
	"net"
	"runtime"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// allocations counts those of f, and of whatever runs beside it.
func allocations(f func()) uint64 {
	counted := func(f func()) uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
		return after.Mallocs - before.Mallocs
	}
	own := counted(func() {}) // ReadMemStats has some
	all := counted(f)
	return all - min(all, own)
}

// A Read and a Write allocate nothing.
func TestReadAndWriteAllocateNothing(t *testing.T) {
	leakcheck.Test(t)
	ssltest.ForEachTransport(t, func(t *testing.T, srv, cli *ssl.Config) {
		p := ssltest.NewTCPPair(t, cli, srv)
		p.MustShake(t)
		p.Echo(t)
		data := make([]byte, 1000)
		least := uint64(1 << 63)
		for range 20 { // the collector takes buffers away, and the runtime allocates now and then
			least = min(least, allocations(func() {
				if _, err := p.Client.Write(data); err != nil {
					t.Fatal(err)
				}
				if _, err := io.ReadFull(p.Server, data); err != nil {
					t.Fatal(err)
				}
			}))
		}
		if least != 0 && !ssltest.UnderChecker {
			t.Errorf("%d allocations", least)
		}
		p.CloseBoth()
	})
}

// What a connection costs that does nothing but shake hands, both ends together and without the sockets.
// The bounds are what it takes with tickets of libssl's own, and a little more.
func TestHandshakeCosts(t *testing.T) {
	leakcheck.Test(t)
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		cctx, sctx := ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv)
		a, b := ssltest.TCPPipe(t)
		first := ssltest.NewPair(t, cctx, sctx, a, b)
		first.MustShake(t)
		first.Echo(t)
		for _, c := range []struct {
			name              string
			session           *ssl.Session
			crossings, allocs uint64
		}{{"full", nil, 30, 76}, {"resumed", ssltest.SessionOf(t, first.Client), 20, 52}} {
			crossings, allocs := uint64(1<<63), uint64(1<<63)
			for range 20 {
				a, b, err := ssltest.Loopback()
				if err != nil {
					t.Fatal(err)
				}
				before := uint64(runtime.NumCgoCall())
				allocs = min(allocs, allocations(func() { greet(t, cctx, sctx, a, b, c.session) }))
				crossings = min(crossings, uint64(runtime.NumCgoCall())-before)
			}
			if crossings > c.crossings || allocs > c.allocs && !ssltest.UnderChecker {
				t.Errorf("%s: %d crossings and %d allocations, want at most %d and %d", c.name,
					crossings, allocs, c.crossings, c.allocs)
			}
		}
	})
}

// greet makes a connection over a and b on which the server sends one byte, and closes both ends.
func greet(t *testing.T, cctx, sctx *ssl.Ctx, a, b net.Conn, session *ssl.Session) {
	t.Helper()
	server, err := ssl.Server(b, sctx)
	if err != nil {
		t.Fatal(err)
	}
	sent := make(chan error, 1)
	go func() {
		_, err := server.Write([]byte{1})
		sent <- err
	}()
	client, err := ssl.Client(a, cctx)
	if err != nil {
		t.Fatal(err)
	}
	if session != nil {
		err = client.SetSession(session)
	} else {
		err = client.UseSessionCache(ssl.NoSessionCache{}, "")
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(client, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	if resumed := client.ConnectionState().DidResume; resumed != (session != nil) {
		t.Fatalf("resumed: %v", resumed)
	}
	client.Close()
	server.Close()
}
