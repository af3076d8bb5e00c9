package main

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"sessl/ssl"
)

const lookFor = 3 * time.Second

// sessionID returns the id of the i-th session of a run. The hash of libssl's table uses the
// first bytes.
func sessionID(run []byte, i int) []byte {
	x := uint64(i+1) * 0x9e3779b97f4a7c15
	return append(binary.BigEndian.AppendUint64(make([]byte, 0, 32), x^x>>31), run...)
}

var kinds = []struct {
	name string
	fill func(*ssl.Session, *ssl.Ctx, int) (look func(int), free func(), err error)
}{{"ServerSessionCache", fillOurs}, {"libssl's cache", fillTheirs}}

// caches compares n sessions in a ServerSessionCache with as many in libssl's own cache. Each
// cache is in a process of its own, because memory that one has freed would count as free for
// the other. libssl has no function that looks up one session: SSL_CTX_add_session of a session
// in the cache finds it, under the same lock as a handshake's lookup.
func caches(n int, certs string) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "%d sessions\tputs per second\tresident per session\tlookups per second\t\n", n)
	for _, kind := range kinds {
		self := exec.Command(os.Args[0], "-table", kind.name, "-sessions", strconv.Itoa(n), "-certs", certs)
		self.Stderr = os.Stderr
		row, err := self.Output()
		if err != nil {
			return fmt.Errorf("%s: %w", kind.name, err)
		}
		fmt.Fprintf(w, "%s\t%s", kind.name, row)
	}
	return w.Flush()
}

// cache prints the row of one cache, without its name.
func cache(fill func(*ssl.Session, *ssl.Ctx, int) (func(int), func(), error), n int, certs string) error {
	proto, ctx, err := serverSession(certs)
	if err != nil {
		return err
	}
	defer ctx.Close()
	defer proto.Close()
	before, start := resident(), time.Now()
	look, free, err := fill(proto, ctx, n)
	if err != nil {
		return err
	}
	defer free()
	took := time.Since(start)
	size := resident() - before
	_, err = fmt.Printf("%.0f\t%d B\t%.0f\t\n", float64(n)/took.Seconds(), size/int64(n), lookups(look, n))
	return err
}

func fillOurs(proto *ssl.Session, _ *ssl.Ctx, n int) (look func(int), free func(), err error) {
	cache, err := ssl.NewServerSessionCache(&ssl.ServerCacheOptions{MaxSessions: 2 * n})
	if err != nil {
		return nil, nil, err
	}
	run := newRun()
	for i := range n {
		s, err := copyOf(proto, run, i)
		if err != nil {
			return nil, nil, err
		}
		cache.Put(s)
	}
	return func(i int) {
		s := cache.Get(sessionID(run, i))
		if s == nil {
			panic("a session is missing")
		}
		s.Close()
	}, func() { cache.Close() }, nil
}

func fillTheirs(proto *ssl.Session, ctx *ssl.Ctx, n int) (look func(int), free func(), err error) {
	run := newRun()
	var held []*ssl.Session // every thousandth
	for i := range n {
		s, err := copyOf(proto, run, i)
		if err != nil {
			return nil, nil, err
		}
		if added, err := ctx.AddSession(s); err != nil || !added {
			return nil, nil, fmt.Errorf("added is %t: %w", added, err)
		}
		if i%1000 == 0 {
			held = append(held, s)
		} else {
			s.Close()
		}
	}
	return func(i int) {
			if added, err := ctx.AddSession(held[i%len(held)]); added || err != nil {
				panic("a session is missing")
			}
		}, func() {
			for _, s := range held {
				s.Close()
			}
		}, nil
}

func newRun() []byte {
	b := make([]byte, 24)
	rand.Read(b)
	return b
}

func copyOf(proto *ssl.Session, run []byte, i int) (*ssl.Session, error) {
	s, err := proto.Dup()
	if err != nil {
		return nil, err
	}
	return s, s.SetID(sessionID(run, i))
}

// lookups returns how many lookups per second all processors make together.
func lookups(look func(int), n int) float64 {
	var total atomic.Int64
	var all sync.WaitGroup
	stop := time.Now().Add(lookFor)
	for worker := range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			x := uint64(worker)*0x9e3779b97f4a7c15 + 1
			done := 0
			for done%1024 != 0 || time.Now().Before(stop) {
				x ^= x << 13
				x ^= x >> 7
				x ^= x << 17
				look(int(x % uint64(n)))
				done++
			}
			total.Add(int64(done))
		})
	}
	all.Wait()
	return float64(total.Load()) / lookFor.Seconds()
}

// serverSession returns a session that a server made, and the Ctx of a server with an unlimited
// cache.
func serverSession(certs string) (s *ssl.Session, ctx *ssl.Ctx, err error) {
	o, err := newOurs(tls13, certs, "", func(c *ssl.Config) error {
		c.SessionTicketsDisabled = true
		c.SessionCacheSize, c.SessionCacheMode = -1, ssl.SessionCacheNoAutoClear
		c.OnNewSession = func(_ *ssl.Conn, got *ssl.Session) { s.Close(); s = got }
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	c, srv, err := link(o, false)
	if err != nil {
		return nil, nil, err
	}
	for _, end := range []net.Conn{c, srv} {
		end.Close()
	}
	o.session.Close()
	o.cli.Close()
	return s, o.srv, nil
}

// resident returns the memory of the process, without memory that Go keeps for later.
func resident() int64 {
	debug.FreeOSMemory()
	data, err := os.ReadFile(filepath.Join("/proc", "self", "statm"))
	if err != nil {
		panic(err)
	}
	var size, pages int64
	fmt.Sscan(string(data), &size, &pages)
	return pages * int64(os.Getpagesize())
}
