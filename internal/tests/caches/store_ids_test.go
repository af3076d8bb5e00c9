package caches_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// counted counts the lookups in store.
func counted(store *ssltest.MemStore) *atomic.Int64 {
	var n atomic.Int64
	store.Answers(func(_ context.Context, _ string, sealed []byte) ([]byte, error) {
		n.Add(1)
		return sealed, nil
	})
	return &n
}

// shownID is the id that a client shows of s: in TLS 1.3 it is the ticket.
func shownID(t testing.TB, s *ssl.Session) []byte {
	t.Helper()
	if ssltest.Get(t, s.ProtocolVersion) == ssl.VersionTLS13 {
		return ssltest.TicketOf(t, s)
	}
	return ssltest.Get(t, s.ID)
}

// showing is a copy of s that shows another id.
func showing(t testing.TB, s *ssl.Session, id []byte) *ssl.Session {
	t.Helper()
	d := ssltest.Dup(t, s)
	if ssltest.Get(t, s.ProtocolVersion) != ssl.VersionTLS13 {
		if err := d.SetID(id); err != nil {
			t.Fatal(err)
		}
		return d
	}
	d, err := ssl.ParseSession(ssltest.ReplaceTicket(t, ssltest.Marshal(t, d), id))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// macOf is what an id must end with.
func macOf(key, rest []byte) []byte {
	derived := hmac.New(sha256.New, key)
	derived.Write([]byte("sessl session id 1"))
	mac := hmac.New(sha256.New, derived.Sum(nil))
	mac.Write(rest)
	return mac.Sum(nil)[:8]
}

// The store is asked for ids that a server with the keys has made, and for no other.
func TestForgedIDs(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		store, keys := ssltest.NewMemStore(), ssltest.NewSealKeys(t, 1)
		one, _ := ssltest.Machine(t, srv, store, keys)
		two, cache := ssltest.Machine(t, srv, store, keys)
		cctx := ssltest.NewClientCtx(t, cli)
		s := ssltest.WantVisit(t, cctx, one, nil, false)
		store.Await(t, ssltest.SessionsOf(cli))
		asked, id := counted(store), shownID(t, s)
		var forged [][]byte
		for i := range id {
			other := bytes.Clone(id)
			other[i] ^= 1
			forged = append(forged, other)
		}
		forged = append(forged, id[:31], id[:8], id[:1], append(id[:24:24], make([]byte, 8)...),
			append(id[:24:24], macOf(ssltest.SealKey(2), id[:24])...))
		for _, id := range forged {
			ssltest.WantVisit(t, cctx, two, showing(t, s, id), false)
		}
		if st := cache.StoreStats(); asked.Load() != 0 || st.Forged != uint64(len(forged)) ||
			st.Misses+st.Late+st.Errors+st.Refused != 0 {
			t.Errorf("the store was asked %d times: %+v", asked.Load(), st)
		}
		unknown := append([]byte("of a server, but not kept"), make([]byte, 7)...)[:24]
		unknown = append(unknown, macOf(ssltest.SealKey(1), unknown)...)
		ssltest.WantVisit(t, cctx, two, showing(t, s, unknown), false)
		ssltest.WantVisit(t, cctx, two, ssltest.Dup(t, s), true)
		if st := cache.StoreStats(); asked.Load() != 2 || st.Hits != 1 || st.Misses != 1 {
			t.Errorf("the store was asked %d times: %+v", asked.Load(), st)
		}
	})
}

// Go's clients make up an id for each hello of TLS 1.2. It costs no lookup and declines nothing.
func TestMadeUpIDsAreNotLookedUp(t *testing.T) {
	leakcheck.Test(t)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		store := ssltest.NewMemStore()
		sctx, cache := ssltest.Machine(t, ssltest.ServerConfig(t), store, ssltest.NewSealKeys(t, 1))
		asked := counted(store)
		for range 20 {
			a, b := ssltest.TCPPipe(t)
			server, err := ssl.Server(b, sctx)
			if err != nil {
				t.Fatal(err)
			}
			client := tls.Client(a, &tls.Config{InsecureSkipVerify: true, MaxVersion: version})
			if err1, err2 := ssltest.Both(client.Handshake, server.Handshake, b); err1 != nil || err2 != nil {
				t.Fatal(err1, err2)
			}
			if got := server.ReuseState(); got != ssl.ReuseNoSession {
				t.Errorf("a first visit is %q", got)
			}
			server.Close()
		}
		made := uint64(ssltest.If(version == tls.VersionTLS12, 20, 0))
		if st := cache.StoreStats(); asked.Load() != 0 || st.Forged != made {
			t.Errorf("%x: the store was asked %d times, %+v", version, asked.Load(), st)
		}
	}
}

// Ids follow the keys as sessions do: new ones are made with the current key, and those of old keys
// are known for as long as the keys are there.
func TestIDsFollowTheKeys(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		store, keys := ssltest.NewMemStore(), ssltest.NewSealKeys(t, 1)
		one, _ := ssltest.Machine(t, srv, store, keys)
		cctx, n := ssltest.NewClientCtx(t, cli), ssltest.SessionsOf(cli)
		before := ssltest.WantVisit(t, cctx, one, nil, false)
		store.Await(t, n)
		if err := keys.SetKeys(ssltest.SealKey(2), ssltest.SealKey(1)); err != nil {
			t.Fatal(err)
		}
		after := ssltest.WantVisit(t, cctx, one, nil, false)
		store.Await(t, n)
		for key, s := range map[byte]*ssl.Session{1: before, 2: after} {
			id := shownID(t, s)
			if len(id) != 32 || !bytes.Equal(id[24:], macOf(ssltest.SealKey(key), id[:24])) {
				t.Errorf("key %d: id %x", key, id)
			}
		}
		for _, c := range []struct {
			current byte
			old     []byte
			before  bool
		}{{2, []byte{1}, true}, {3, []byte{2, 1}, true}, {2, nil, false}} {
			two, cache := ssltest.Machine(t, srv, store, ssltest.NewSealKeys(t, c.current, c.old...))
			ssltest.WantVisit(t, cctx, two, ssltest.Dup(t, after), true)
			ssltest.WantVisit(t, cctx, two, ssltest.Dup(t, before), c.before)
			if st := cache.StoreStats(); st.Forged != uint64(ssltest.If(c.before, 0, 1)) {
				t.Errorf("with %+v: %+v", c, st)
			}
		}
	})
}

// Sessions under ids of the application's own are found in this process, and resume.
func TestOwnIDsAreFoundHere(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := ssltest.TLS12(t)
	srv.SessionIDContext = []byte("fleet")
	store := ssltest.NewMemStore()
	sctx, cache := ssltest.Machine(t, srv, store, ssltest.NewSealKeys(t, 1))
	box := ssltest.NewInbox(t, srv)
	srv.SessionTicketsDisabled = true
	other := ssltest.NewServerCtx(t, srv)
	cctx := ssltest.NewClientCtx(t, cli)
	s := ssltest.WantVisit(t, cctx, other, nil, false)
	own, err := box.Last(t).Dup()
	if err != nil {
		t.Fatal(err)
	}
	if err := own.SetID([]byte("mine")); err != nil {
		t.Fatal(err)
	}
	if !cache.Put(own) {
		t.Fatal("not kept")
	}
	ssltest.WantVisit(t, cctx, sctx, showing(t, s, []byte("mine")), true)
	if st := cache.StoreStats(); st.Forged != 0 {
		t.Errorf("%+v", st)
	}
}

// A session that a server before this rule has stored costs its client one full handshake.
func TestStoredIDsWithoutAMAC(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		srv.SessionIDContext = []byte("fleet")
		store, keys := ssltest.NewMemStore(), ssltest.NewSealKeys(t, 1)
		old := ssltest.NewServerCtx(t, ssltest.CopyOf(srv, func(c *ssl.Config) {
			c.SessionCache = ssltest.NewServerCache(t, nil) // without a store, ids are as they were
		}))
		cctx := ssltest.NewClientCtx(t, cli)
		s := ssltest.WantVisit(t, cctx, old, nil, false)
		store.Sealed[string(shownID(t, s))] = []byte("sealed by a server of before")
		one, cache := ssltest.Machine(t, srv, store, keys)
		two, _ := ssltest.Machine(t, srv, store, keys)
		now := ssltest.WantVisit(t, cctx, one, s, false)
		store.Await(t, ssltest.SessionsOf(cli))
		ssltest.WantVisit(t, cctx, two, now, true)
		if st := cache.StoreStats(); st.Forged != 1 || st.Refused != 0 {
			t.Errorf("%+v", st)
		}
	})
}

// A prefix has less room with a store. What is behind it is bound to it.
func TestPrefixOfMarkedIDs(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		keys := ssltest.NewSealKeys(t, 1)
		cache := ssltest.NewServerCache(t, &ssl.ServerCacheOptions{Store: ssltest.NewMemStore(), SealKeys: keys})
		srv.SessionCache, srv.SessionIDPrefix = cache, []byte("9 bytes !")
		_, err := ssl.NewServerCtx(srv)
		ssltest.Refuses(t, "9 bytes", err, ssl.ErrConfig)
		ssltest.Refuses(t, "9 bytes", srv.CheckServer(), ssl.ErrConfig)
		srv.SessionIDPrefix = []byte("8 bytes!")
		s := ssltest.WantVisit(t, ssltest.NewClientCtx(t, cli), ssltest.NewServerCtx(t, srv), nil, false)
		id := shownID(t, s)
		if len(id) != 32 || !bytes.HasPrefix(id, srv.SessionIDPrefix) ||
			!bytes.Equal(id[24:], macOf(ssltest.SealKey(1), id[:24])) {
			t.Errorf("id %x", id)
		}
		srv.SessionCache, srv.SessionIDPrefix = ssltest.NewServerCache(t, nil), make([]byte, 16)
		if err := srv.CheckServer(); err != nil {
			t.Errorf("16 bytes without a store: %v", err)
		}
	})
}

// Without keys the ids are random: sessions resume in this process, and nothing is looked up.
func TestIDsOfClosedKeys(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		store, keys := ssltest.NewMemStore(), ssltest.NewSealKeys(t, 1)
		before, cache := ssltest.Machine(t, srv, store, keys)
		asked := counted(store)
		keys.Close()
		after := ssltest.NewServerCtx(t, ssltest.CopyOf(srv, func(c *ssl.Config) { c.SessionCache = cache }))
		cctx, ids := ssltest.NewClientCtx(t, cli), map[string]bool{}
		for _, sctx := range []*ssl.Ctx{before, after, before, after} {
			s := ssltest.WantVisit(t, cctx, sctx, nil, false)
			ids[string(shownID(t, s)[24:])] = true
			ssltest.WantVisit(t, cctx, sctx, s, true)
		}
		if len(ids) != 4 {
			t.Errorf("%d different ends of 4 ids", len(ids))
		}
		id := make([]byte, 32)
		rand.Read(id)
		ssltest.WantVisit(t, cctx, before, showing(t, ssltest.WantVisit(t, cctx, after, nil, false), id), false)
		if st := cache.StoreStats(); asked.Load() != 0 || st.Forged == 0 {
			t.Errorf("the store was asked %d times: %+v", asked.Load(), st)
		}
		_, err := ssl.NewServerSessionCache(&ssl.ServerCacheOptions{Store: store, SealKeys: keys})
		ssltest.Refuses(t, "closed keys", err, ssl.ErrConfig)
	})
}

// Keys are replaced and closed while servers make ids and look at them.
func TestIDsWhileKeysChange(t *testing.T) {
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		store, keys := ssltest.NewMemStore(), ssltest.NewSealKeys(t, 1)
		one, _ := ssltest.Machine(t, srv, store, keys)
		two, cache := ssltest.Machine(t, srv, store, keys)
		cctx := ssltest.NewClientCtx(t, cli)
		stop := make(chan struct{})
		var changing sync.WaitGroup
		changing.Go(func() {
			for i := byte(1); ; i = 3 - i {
				select {
				case <-stop:
					return
				default:
				}
				if err := keys.SetKeys(ssltest.SealKey(i), ssltest.SealKey(3-i)); err != nil {
					t.Error(err)
				}
			}
		})
		for range 20 {
			s := ssltest.WantVisit(t, cctx, one, nil, false)
			store.Await(t, ssltest.SessionsOf(cli))
			ssltest.WantVisit(t, cctx, two, s, true)
			if cli.MaxVersion == ssl.VersionTLS13 {
				store.Await(t, 1)
			}
		}
		close(stop)
		changing.Wait()
		keys.Close()
		if err := keys.SetKeys(ssltest.SealKey(1)); !errors.Is(err, ssl.ErrClosed) {
			t.Errorf("SetKeys after Close: %v", err)
		}
		if st := cache.StoreStats(); st.Forged != 0 || st.Hits != 20 {
			t.Errorf("%+v", st)
		}
	})
}
