package soak

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"io"
	mathrand "math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/interop/malloc"
	"sessl/ssl"
)

var (
	atLeast = flag.Int("handshakes", 20000, "how many handshakes there are at least")
	during  = flag.Duration("for", 0, "for how long at least")
)

const (
	workers   = 8
	rounds    = 10
	mischief  = 97  // handshakes between two disturbances
	handmade  = 41  // handshakes between two that offer a session by hand
	abandoned = 53  // handshakes between two connections that end without close_notify
	slack     = 2e6 // bytes of C memory that depend on which sessions are cached
)

func TestMain(m *testing.M) { leakcheck.Main(m) }

// world is the state that the forms share, and that disturb changes.
type world struct {
	keys    *ssl.TicketKeys
	cache   *ssl.ServerSessionCache
	store   *store
	clients [3]*ssl.Ctx // without a certificate, with one, and with a key
	psk     ssl.PSK
	guard   *ssl.MemoryReplayGuard
	lru     *ssl.LRUClientSessionCache
	forms   []*form
	done    atomic.Uint64 // handshakes
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{store: &store{kept: make(map[string][]byte)}, lru: ssl.NewClientSessionCache(96), forms: forms()}
	t.Cleanup(func() { w.lru.Close() })
	key := make([]byte, 32)
	rand.Read(key)
	seal, err := ssl.NewSealKeys(key)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { seal.Close() })
	if w.psk, err = ssl.NewPSK("meter", key, 0); err != nil {
		t.Fatal(err)
	}
	if w.guard, err = ssl.NewReplayGuard(0); err != nil {
		t.Fatal(err)
	}
	if w.keys, err = ssl.NewTicketKeys(nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.keys.Close() })
	w.cache, err = ssl.NewServerSessionCache(&ssl.ServerCacheOptions{MaxSessions: 128, Store: w.store,
		SealKeys: seal, LookupTimeout: 5 * time.Millisecond, WriteQueue: 32})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.cache.Close() })
	for i := range w.clients {
		cfg := &ssl.Config{RootCAs: ssltest.Roots(t, "ca"), ServerName: "localhost"}
		switch i {
		case 1:
			cfg.Certificates = []ssl.Certificate{ssltest.KeyPair(t, "client")}
		case 2:
			cfg = &ssl.Config{PSKs: []ssl.PSK{w.psk}, PSKOnly: true}
		}
		if w.clients[i], err = ssl.NewClientCtx(cfg); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { w.clients[i].Close() })
	}
	for _, f := range w.forms {
		f.serve(t, w)
	}
	return w
}

// visit is one connection: the data that the client sends comes back.
func (w *world) visit(ctx context.Context, f *form, n uint64) error {
	d := &ssl.Dialer{Ctx: w.client(f), Sessions: w.lru}
	dial := d.DialContext
	if f.early {
		dial = func(ctx context.Context, network, addr string) (*ssl.Conn, error) {
			return d.DialEarly(ctx, network, addr, letter)
		}
	}
	c, err := dial(ctx, "tcp", f.addr)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := echo(c); err != nil {
		return err
	}
	f.count(c)
	switch {
	case n%handmade == 0 && f.early:
		return w.replay(f, c)
	case n%handmade == 0:
		return w.again(ctx, d, f, c)
	case n%abandoned == 0:
		return c.NetConn().Close()
	}
	return nil
}

func (w *world) client(f *form) *ssl.Ctx {
	switch {
	case f.mutual:
		return w.clients[1]
	case f.key:
		return w.clients[2]
	}
	return w.clients[0]
}

// replay sends early data twice with the session of a connection. Only the first may be
// accepted.
func (w *world) replay(f *form, c *ssl.Conn) error {
	if err := sendAndRead(c); err != nil { // the answer to early data arrives before the tickets
		return err
	}
	s, err := c.Session()
	if err != nil {
		return err
	}
	defer s.Close()
	if ok, err := s.Resumable(); err != nil || !ok {
		return err
	}
	for i := range 2 {
		early, err := w.sendEarly(f, s)
		if err != nil {
			return err
		}
		if early == ssl.EarlyDataAccepted && i > 0 {
			return errors.New("early data was accepted twice")
		}
	}
	return nil
}

func (w *world) sendEarly(f *form, s *ssl.Session) (ssl.EarlyDataStatus, error) {
	raw, err := net.Dial("tcp", f.addr)
	if err != nil {
		return 0, err
	}
	defer raw.Close()
	c, err := ssl.Client(raw, w.client(f))
	if err != nil {
		return 0, err
	}
	defer c.Close()
	if err := c.SetSession(s); err != nil {
		return 0, err
	}
	if _, err := c.WriteEarlyData(letter); err != nil && !errors.Is(err, ssl.ErrNoEarlyData) {
		return 0, err
	}
	if err := c.Handshake(); err != nil {
		return 0, err
	}
	return c.EarlyDataStatus(), echo(c)
}

// again offers the session of a connection that is still open.
func (w *world) again(ctx context.Context, d *ssl.Dialer, f *form, c *ssl.Conn) error {
	s, err := c.Session()
	if err != nil {
		return err
	}
	defer s.Close()
	if ok, err := s.Resumable(); err != nil || !ok {
		return err
	}
	second, err := d.DialSession(ctx, "tcp", f.addr, s)
	if err != nil {
		return err
	}
	defer second.Close()
	if err := echo(second); err != nil {
		return err
	}
	f.count(second)
	return nil
}

var letter = []byte{42}

// echo sends a letter, perhaps early, and reads it back.
func echo(c *ssl.Conn) error {
	c.SetDeadline(time.Now().Add(patience))
	if c.EarlyDataStatus() != ssl.EarlyDataAccepted {
		return sendAndRead(c)
	}
	_, err := io.ReadFull(c, make([]byte, 1))
	return err
}

func sendAndRead(c *ssl.Conn) error {
	if _, err := c.Write(letter); err != nil {
		return err
	}
	_, err := io.ReadFull(c, make([]byte, 1))
	return err
}

func (f *form) count(c *ssl.Conn) {
	if c.SessionReused() {
		f.resumed.Add(1)
	} else {
		f.full.Add(1)
	}
}

// disturb disturbs the world, in a different way each time. No client may notice it.
func (w *world) disturb(n uint64) error {
	switch n % 7 {
	case 0, 1:
		key, err := ssl.NewTicketKey()
		if err != nil {
			return err
		}
		return w.keys.Rotate(key)
	case 2:
		w.lru.Flush()
	case 3:
		w.cache.Flush(time.Time{})
	default:
		w.store.mood.Store(int32(n/7) % int32(moods))
		for _, f := range w.forms {
			if err := f.server.FlushSessions(time.Now()); err != nil {
				return err
			}
		}
	}
	return nil
}

// round lets the workers go on until n handshakes are done and the time until has passed.
func (w *world) round(t *testing.T, n uint64, until time.Time) {
	var all sync.WaitGroup
	for worker := range workers {
		all.Go(func() {
			random := mathrand.New(mathrand.NewPCG(uint64(worker), n))
			for (w.done.Load() < n || time.Now().Before(until)) && !t.Failed() {
				i := w.done.Add(1)
				f := w.forms[random.IntN(len(w.forms))]
				if err := w.visit(t.Context(), f, i); err != nil {
					t.Errorf("%s, connection %d: %v", f.name, i, err)
				}
				if i%mischief == 0 {
					if err := w.disturb(i / mischief); err != nil {
						t.Errorf("mischief %d: %v", i/mischief, err)
					}
				}
			}
		})
	}
	all.Wait()
}

// Nothing that happens to caches, keys and stores causes an error that a client sees, and
// nothing leaves memory behind.
func TestSoak(t *testing.T) {
	leakcheck.Test(t)
	w := newWorld(t)
	start := time.Now()
	var settled int64
	for i := range rounds {
		w.round(t, uint64(*atLeast*(i+1)/rounds), start.Add(*during*time.Duration(i+1)/rounds))
		n := malloc.Allocated(t)
		if i == 1 {
			settled = n // the caches are full, and so are those of the threads
		}
		if i > 1 && n > settled+settled/10+slack {
			t.Errorf("round %d: %d bytes of C memory are allocated, after round 2 they were %d", i+1, n, settled)
		}
		t.Logf("round %d: %d handshakes after %v, %d KiB allocated",
			i+1, w.done.Load(), time.Since(start).Round(time.Second), n>>10)
	}
	for _, f := range w.forms {
		if f.resumed.Load() == 0 || f.full.Load() == 0 {
			t.Errorf("%s: %d full, %d resumed", f.name, f.full.Load(), f.resumed.Load())
		}
		t.Logf("%s: %d full, %d resumed", f.name, f.full.Load(), f.resumed.Load())
		if st := f.server.EarlyDataStats(); f.early && (st.Accepted == 0 || st.Replayed == 0) {
			t.Errorf("%s: %+v", f.name, st)
		} else if f.early {
			t.Logf("%s: %+v", f.name, st)
		}
	}
	st := w.cache.StoreStats()
	t.Logf("store: %+v", st)
	if st.Errors == 0 || st.Late == 0 || st.Refused == 0 || st.Panics == 0 || st.Hits == 0 {
		t.Errorf("the store was too well: %+v", st)
	}
	if k := w.keys.Stats(); k.Renewed == 0 {
		t.Errorf("the keys were too well: %+v", k)
	}
	if c := w.lru.Stats(); c.Evictions == 0 {
		t.Errorf("nothing was evicted: %+v", c)
	}
}
