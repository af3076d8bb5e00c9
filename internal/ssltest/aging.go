package ssltest

import (
	"testing"

	"sessl/ssl"
)

// Aging is a server whose sessions grow old at a word.
type Aging struct {
	*Clock
	Made *inbox
	Next func() *ssl.Ctx // for the next connection
}

// NewAging makes the Ctxs of srv; that are to be other ones for each connection where fresh is
// set.
func NewAging(t *testing.T, srv *ssl.Config, fresh func(*ssl.Config)) *Aging {
	a := &Aging{Clock: NewClock(t), Made: NewInbox(t, srv)}
	if fresh == nil {
		sctx := NewServerCtx(t, srv)
		a.Next = func() *ssl.Ctx { return sctx }
	} else {
		a.Next = func() *ssl.Ctx { return NewServerCtx(t, CopyOf(srv, fresh)) }
	}
	return a
}

// AgingForms are all forms of resumption that a server of this package has.
var AgingForms = []struct {
	Name    string
	Version uint16
	Setup   func(t *testing.T, srv *ssl.Config) (fresh func(*ssl.Config))
}{
	{"TLS1.2-id", ssl.VersionTLS12, withoutTickets},
	{"TLS1.2-ticket", ssl.VersionTLS12, nothing},
	{"TLS1.2-cache", ssl.VersionTLS12, inCache},
	{"TLS1.2-store", ssl.VersionTLS12, inStore},
	{"TLS1.2-keys", ssl.VersionTLS12, withKeys},
	{"TLS1.3-stateful", ssl.VersionTLS13, withoutTickets},
	{"TLS1.3-stateless", ssl.VersionTLS13, nothing},
	{"TLS1.3-cache", ssl.VersionTLS13, inCache},
	{"TLS1.3-store", ssl.VersionTLS13, inStore},
	{"TLS1.3-keys", ssl.VersionTLS13, withKeys},
}

// KeptByLibssl names the forms whose sessions are in libssl's own cache, which asks no function.
func KeptByLibssl(form string) bool { return form == "TLS1.2-id" || form == "TLS1.3-stateful" }

func nothing(*testing.T, *ssl.Config) func(*ssl.Config) { return nil }

func withoutTickets(_ *testing.T, srv *ssl.Config) func(*ssl.Config) {
	srv.SessionTicketsDisabled = true
	return nil
}

func inCache(t *testing.T, srv *ssl.Config) func(*ssl.Config) {
	srv.SessionCache = NewServerCache(t, nil)
	return nil
}

// inStore has nothing in common between two connections but the store.
func inStore(t *testing.T, srv *ssl.Config) func(*ssl.Config) {
	store, keys := NewMemStore(), NewSealKeys(t, 1)
	return func(c *ssl.Config) {
		if c.SessionCache != nil {
			c.SessionCache.Close() // what it has to write is written
		}
		c.SessionCache = NewServerCache(t, &ssl.ServerCacheOptions{Store: store, SealKeys: keys,
			LookupTimeout: Timeout})
		srv.SessionCache = c.SessionCache // to be closed by the next
	}
}

func withKeys(t *testing.T, srv *ssl.Config) func(*ssl.Config) {
	key := NewTicketKey(t)
	return func(c *ssl.Config) { c.TicketKeys = TicketKeys(t, ssl.TicketKeySet{Current: key}) }
}
