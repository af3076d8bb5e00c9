package ssltest

import (
	"testing"
	"time"

	"sessl/ssl"
)

// Fleet is machines that have the same ticket keys and the same store, and no memory in common.
type Fleet struct {
	Store *MemStore
	Keys  ssl.TicketKeySet

	t    testing.TB
	srv  *ssl.Config
	seal *ssl.SealKeys
}

// NewFleet is a fleet without machines, whose servers are like srv.
func NewFleet(t testing.TB, srv *ssl.Config) *Fleet {
	t.Helper()
	return &Fleet{Store: NewMemStore(), Keys: ssl.TicketKeySet{Current: NewTicketKey(t)},
		t: t, srv: srv, seal: NewSealKeys(t, 1)}
}

// Machine has both forms of session; it issues ids to whoever can take one, or else tickets.
func (f *Fleet) Machine(ids bool, change ...func(*ssl.Config)) *ssl.Ctx {
	return f.Before(f.Store, ids, change...)
}

// Before is Machine with another store.
func (f *Fleet) Before(store ssl.SessionStore, ids bool, change ...func(*ssl.Config)) *ssl.Ctx {
	f.t.Helper()
	cfg := CopyOf(f.srv, func(c *ssl.Config) {
		c.TicketKeys, c.PreferSessionCache = TicketKeys(f.t, f.Keys), ids
		for _, f := range change {
			f(c)
		}
	})
	ctx, _ := Machine(f.t, cfg, store, f.seal)
	return ctx
}

// One is a machine with one of the two forms.
func (f *Fleet) One(ids bool) *ssl.Ctx {
	f.t.Helper()
	if !ids {
		return TicketServer(f.t, f.srv, TicketKeys(f.t, f.Keys))
	}
	ctx, _ := Machine(f.t, f.srv, f.Store, f.seal)
	return ctx
}

// Len is how many sessions are in the store.
func (f *Fleet) Len() int {
	f.Store.Mu.Lock()
	defer f.Store.Mu.Unlock()
	return len(f.Store.Sealed)
}

// StatsOf are ctx's, once its store has been written.
func StatsOf(t testing.TB, ctx *ssl.Ctx) ssl.Stats {
	t.Helper()
	for deadline := time.Now().Add(Timeout); ; {
		st, err := ctx.Stats()
		if err != nil {
			t.Fatal(err)
		}
		if st.Store == nil || st.Store.Pending == 0 {
			return st
		}
		if time.Now().After(deadline) {
			t.Fatal("the store was not written")
		}
	}
}
