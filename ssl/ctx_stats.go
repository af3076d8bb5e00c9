package ssl

import (
	"encoding/json"
	"io"
	"net"
	"sync/atomic"
	"time"
)

// Stats count what became of the handshakes of a Ctx since it was made, and what its
// session stores and caches have done. Only the caches' Sessions can go down.
type Stats struct {
	// Library are the versions of OpenSSL, the same in all Stats of a process.
	Library OpenSSLVersions

	// OpenSSL are libssl's own counters (SSL_CTX_sess_*).
	OpenSSL SessionStats

	// Handshakes counts completed handshakes by their ReuseState: the hits, and for
	// each miss its reason. States that never occurred are not in the map.
	Handshakes map[ReuseState]uint64

	// Failed counts the handshakes that ended with an error of either side, including
	// those that ran out of time or were closed.
	Failed uint64

	// Full and Resumed are the times that completed handshakes took, from the first
	// call of Handshake, Read or Write to the end. They include waiting for the network
	// and for the application's functions.
	Full, Resumed Histogram

	// EarlyData counts what became of early data.
	EarlyData EarlyDataStats

	// Claims are the times that the ReplayGuard took, those included that were too long. It is
	// nil if there is none.
	Claims *Histogram `json:",omitempty"`

	// TicketKeys, Cache and Store are those of a server's Config, ClientCache is a client's
	// own cache; nil if there is none. If several Ctxs share one, it counts for all of them.
	TicketKeys  *TicketKeyStats   `json:",omitempty"`
	Cache       *ServerCacheStats `json:",omitempty"`
	Store       *StoreStats       `json:",omitempty"`
	ClientCache *ClientCacheStats `json:",omitempty"`
}

// A HandshakeFailure is a failed handshake, or a fatal error of TLS after one.
type HandshakeFailure struct {
	Time time.Time
	Peer net.Addr // nil if the connection underneath has none
	Err  error    // what the failing call returned
}

// ctxStats is what a Ctx counts by itself.
type ctxStats struct {
	reuse         [len(reuseNames)]atomic.Uint64
	failed        atomic.Uint64
	full, resumed histogram

	failures recent[HandshakeFailure]
}

func (s *ctxStats) completed(r ReuseState, took time.Duration) {
	s.reuse[r].Add(1)
	if r.Resumed() {
		s.resumed.observe(took)
	} else {
		s.full.observe(took)
	}
}

// Stats returns the counters. They are read one after the other, so under load at
// slightly different moments; the call is cheap enough for a scraper. A connection
// counts for the Ctx that GetConfigForClient has chosen for it, and until then for the
// one that listens. The error is ErrClosed or ErrNil.
//
// For package expvar: expvar.Publish("tls", ctx.StatsVar()).
func (c *Ctx) Stats() (Stats, error) {
	var s Stats
	var err error
	s.Library = OpenSSLVersion()
	if s.OpenSSL, err = c.SessionStats(); err != nil {
		return Stats{}, inOp("Ctx.Stats", err)
	}
	s.Handshakes = make(map[ReuseState]uint64)
	for r := range c.seen.reuse {
		if n := c.seen.reuse[r].Load(); n > 0 {
			s.Handshakes[ReuseState(r)] = n
		}
	}
	s.Failed = c.seen.failed.Load()
	s.EarlyData = c.EarlyDataStats()
	s.Full, s.Resumed = c.seen.full.read(), c.seen.resumed.read()
	if c.guard != nil {
		claims := c.guard.took.read()
		s.Claims = &claims
	}
	if c.ticketKeys != nil {
		keys := c.ticketKeys.Stats()
		s.TicketKeys = &keys
	}
	if c.sessions != nil {
		cache := c.sessions.Stats()
		s.ClientCache = &cache
	}
	if c.cache != nil {
		cache := c.cache.Stats()
		s.Cache = &cache
		if c.cache.backing != nil {
			store := c.cache.StoreStats()
			s.Store = &store
		}
	}
	return s, nil
}

// TicketKeyInfos describes the keys of the Ctx's tickets like [TicketKeys.Infos],
// without any secret. It returns nil if the Ctx's Config had no TicketKeys.
func (c *Ctx) TicketKeyInfos() []TicketKeyInfo {
	if c == nil || c.ticketKeys == nil {
		return nil
	}
	return c.ticketKeys.Infos()
}

// UnknownKeyErrors is [TicketKeys.UnknownKeyErrors] of the Ctx's TicketKeys. It returns nil if the
// Ctx's Config had none.
func (c *Ctx) UnknownKeyErrors() []PastError {
	if c == nil || c.ticketKeys == nil {
		return nil
	}
	return c.ticketKeys.UnknownKeyErrors()
}

// LastFailures returns the last sixteen failed handshakes of the Ctx, and fatal errors
// of TLS on its connections after the handshake, newest first. They stay after Close.
func (c *Ctx) LastFailures() []HandshakeFailure {
	if c == nil {
		return nil
	}
	return c.seen.failures.list()
}

// GuardErrors returns the last sixteen errors of the Ctx's ReplayGuard, newest first, as Claim has
// returned them, also when it was too late for the client. A panic is an error, too. They stay after
// Close.
func (c *Ctx) GuardErrors() []PastError {
	if c == nil || c.guard == nil {
		return nil
	}
	return c.guard.past.list()
}

// GuardError returns the last of the [Ctx.GuardErrors], nil if there was none.
func (c *Ctx) GuardError() error {
	if c == nil || c.guard == nil {
		return nil
	}
	return c.guard.past.last()
}

// StoreErrors is [ServerSessionCache.StoreErrors] of the Ctx's SessionCache. It returns nil if the
// Ctx's Config had none.
func (c *Ctx) StoreErrors() []PastError {
	if c == nil || c.cache == nil {
		return nil
	}
	return c.cache.StoreErrors()
}

// A StatsVar is an expvar.Var.
type StatsVar struct{ ctx *Ctx }

// StatsVar returns the Stats as a variable that package expvar can publish. It keeps c
// reachable, and is "null" after c's Close.
func (c *Ctx) StatsVar() StatsVar { return StatsVar{c} }

// String returns the Stats in JSON, with durations in nanoseconds.
func (v StatsVar) String() string {
	s, err := v.ctx.Stats()
	if err != nil {
		return "null"
	}
	b, err := json.Marshal(s)
	if err != nil {
		return "null"
	}
	return string(b)
}

// MarshalText returns the state in one word, for JSON and the labels of metrics:
// "no_session", "expired", "not_resumable", "other_config", "declined", "id", "ticket",
// "external_psk", "unknown_id", "unknown".
func (r ReuseState) MarshalText() ([]byte, error) {
	if r < 0 || int(r) >= len(reuseLabels) {
		return []byte("invalid"), nil
	}
	return []byte(reuseLabels[r]), nil
}

// tally counts a handshake that has ended; err is why it failed.
func (c *Conn) tally(err error) {
	if err == nil {
		c.ctx.seen.completed(c.info.reuse, time.Since(c.handshaking.begun))
		return
	}
	c.ctx.seen.failed.Add(1)
	c.peer = c.net.RemoteAddr()
	c.remember(err)
}

// tallyUnless counts a handshake that a panic has ended.
func (c *Conn) tallyUnless(returned *bool) {
	if !*returned {
		c.tally(errPanicked)
	}
}

// tallyUnfinished counts a handshake that met a deadline and now never goes on. A
// handshake that is at work counts itself.
func (c *Conn) tallyUnfinished() {
	if !c.handshaking.try() {
		return
	}
	defer c.handshaking.unlock()
	if c.handshaking.err == nil && c.handshaking.paused != nil {
		c.handshaking.err = c.handshaking.paused
		c.tally(c.handshaking.paused)
	}
}

func (c *Conn) remember(err error) {
	c.ctx.seen.failures.add(HandshakeFailure{Time: time.Now(), Peer: c.peer, Err: toKeep(err)})
}

// LiveHandles writes where each live handle was made, oldest first, if the program was
// built with the tag ssldebug, and reports whether it was. Under that tag the same
// stacks are in the runtime/pprof profiles ssl.session, ssl.borrowed, ssl.conn,
// ssl.ctx, ssl.certificate, ssl.ticketkeys, ssl.ticketkey, ssl.psk and ssl.echkeys.
func LiveHandles(w io.Writer) (bool, error) {
	return writeLiveHandles(w)
}

// Counters is a census of what this package holds in C memory. Reading it is cheap
// enough for a metrics scraper: a dozen atomic loads and one C call.
type Counters struct {
	Sessions HandleCounts // *Session
	Borrowed HandleCounts // *BorrowedSession; closed when WithSession returns
	Conns    HandleCounts // *Conn, each an SSL
	Ctxs     HandleCounts // *Ctx, each an SSL_CTX

	TicketKeys HandleCounts // *TicketKeys
	IDKeys     HandleCounts // of SealKeys behind a Store: what C has for the ids of sessions

	// Certificates have no Close, like PSKs and single TicketKeys: the collector ends them all.
	Certificates HandleCounts

	// Roots are what was added to CertPools, one for each call; the collector ends them
	// with the pool.
	Roots HandleCounts

	// ECHKeys are sets of keys for Encrypted ClientHello, one each time that they are set; the
	// collector ends the last ones.
	ECHKeys HandleCounts

	// SSL_SESSION objects of the whole process as counted by ex_data callbacks,
	// including those that libssl made for itself, since connections and internal caches
	// hold sessions too. At rest, with every handle closed, both numbers are equal.
	SessionObjectsCreated uint64
	SessionObjectsFreed   uint64

	// Ticket keys in C memory, both of TicketKeys and of single TicketKey values, and
	// how many of them have been wiped.
	TicketKeyObjectsCreated uint64
	TicketKeyObjectsWiped   uint64

	// Sets of keys for session ids in C memory, and how many of them have been wiped.
	IDKeyObjectsCreated uint64
	IDKeyObjectsWiped   uint64

	// External pre-shared keys in C memory, and how many of them have been wiped.
	PSKObjectsCreated uint64
	PSKObjectsWiped   uint64
}

// ReadCounters returns the census. The numbers are read one after the other, so while
// handles come and go they belong to slightly different moments. It may be called at
// any time from any goroutine.
func ReadCounters() Counters {
	c := Counters{
		Sessions: sessionKind.read(),
		Borrowed: borrowedKind.read(),
		Conns:    connKind.read(),
		Ctxs:     ctxKind.read(),

		TicketKeys: ticketKeysKind.read(),
		IDKeys:     idKeysKind.read(),

		Certificates: certKind.read(),
		Roots:        rootsKind.read(),
		ECHKeys:      echKind.read(),
	}
	c.readObjects()
	return c
}
