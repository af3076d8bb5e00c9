package caches

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"sessl/internal/leakcheck"
	"sessl/internal/ssltest"
	"sessl/ssl"
)

// boundStore is a store that says what its sessions are bound to.
type boundStore struct {
	*ssltest.MemStore

	mu  sync.Mutex
	to  string
	err error
}

func (s *boundStore) Binding() (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.to == "panic" {
		panic("a panic of the test")
	}
	return s.to, s.err
}

func (s *boundStore) bind(to string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.to, s.err = to, err
}

// A session from a store resumes where the store's sessions are bound to the same, and nowhere else.
func TestStoreBinding(t *testing.T) {
	leakcheck.Test(t)
	ssltest.ForEachVersion(t, func(t *testing.T, srv, cli *ssl.Config) {
		mem, keys := ssltest.NewMemStore(), ssltest.NewSealKeys(t, 1)
		cctx := ssltest.NewClientCtx(t, cli)
		for _, test := range []struct {
			name          string
			maker, reader any
			resumes       bool
		}{
			{"one", "one", "one", true},
			{"another", "one", "two", false},
			{"none", "one", "", false},
			{"of none", "", "one", false},
			{"empty", "", "", true},
			{"no binding", "", nil, false},
			{"of no binding", nil, "", false},
			{"neither", nil, nil, true},
		} {
			store := func(to any) ssl.SessionStore {
				if to == nil {
					return mem
				}
				return &boundStore{MemStore: mem, to: to.(string)}
			}
			maker, _ := ssltest.Machine(t, srv, store(test.maker), keys)
			reader, cache := ssltest.Machine(t, srv, store(test.reader), keys)
			s := ssltest.WantVisit(t, cctx, maker, nil, false)
			mem.Await(t, ssltest.SessionsOf(cli))
			ssltest.WantVisit(t, cctx, reader, ssltest.Dup(t, s), test.resumes)
			if st := cache.StoreStats(); st.Hits != uint64(ssltest.If(test.resumes, 1, 0)) ||
				st.Hits+st.Refused != 1 {
				t.Errorf("%s: %+v", test.name, st)
			}
			mem.Await(t, ssltest.SessionsOf(cli)-ssltest.If(test.resumes, 1, 0))
		}
	})
}

// While a store cannot say what its sessions are bound to, none is put and none is looked up.
func TestStoreBindingUnknown(t *testing.T) {
	leakcheck.Test(t)
	srv, cli := ssltest.TLS12(t)
	unknown := errors.New("not yet")
	store := &boundStore{MemStore: ssltest.NewMemStore(), err: unknown}
	keys := ssltest.NewSealKeys(t, 1)
	maker, made := ssltest.Machine(t, srv, store, keys)
	reader, read := ssltest.Machine(t, srv, store, keys)
	cctx := ssltest.NewClientCtx(t, cli)
	ssltest.WantVisit(t, cctx, maker, nil, false)
	st, err := made.StoreStats(), made.StoreError()
	if st.WriteErrors != 1 || st.Pending != 0 || !errors.Is(err, unknown) {
		t.Errorf("put: %+v, %v", st, err)
	}
	store.bind("one", nil)
	s := ssltest.WantVisit(t, cctx, maker, nil, false)
	store.Await(t, 1)
	for _, to := range []string{"", "panic"} {
		store.bind(to, unknown)
		before := read.StoreStats().Errors
		ssltest.WantVisit(t, cctx, reader, ssltest.Dup(t, s), false)
		if st := read.StoreStats(); st.Errors != before+1 || st.Hits+st.Refused != 0 {
			t.Errorf("%q: %+v", to, st)
		}
	}
	if err := read.StoreError(); err == nil || !strings.Contains(err.Error(), "a panic of the test") {
		t.Errorf("got %v", err)
	}
	store.bind("one", nil)
	ssltest.WantVisit(t, cctx, reader, ssltest.Dup(t, s), true)
}
