package main

import (
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sessl/ssl"
)

// The values of --session-cache.
const (
	cacheNone   = "none"   // sessions are in tickets
	cacheLibssl = "libssl" // OpenSSL's own cache
	cacheMemory = "memory" // ssl.ServerSessionCache
)

// The limits of package ssl, or less.
const (
	maxCacheSize = 1 << 30
	maxAge       = 10 * 365 * 24 * time.Hour
	maxEarly     = 16 << 20
	maxContext   = 32
)

var cacheKinds = []string{cacheNone, cacheLibssl, cacheMemory}

// sessionOptions say how and for how long a server keeps sessions.
type sessionOptions struct {
	noTickets  bool
	ticketKeys []string
	cache      string
	cacheGiven func() bool // --session-cache was given
	cacheSize  int
	shared     bool // a fleet has a cache
	maxAge     time.Duration
	earlyData  uint32
	context    string // of session ids, as --session-id-context has it
}

func (o *sessionOptions) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.BoolVar(&o.noTickets, "no-tickets", false,
		"keep sessions in a cache instead of in tickets: the one of --session-cache, libssl by default")
	f.StringArrayVar(&o.ticketKeys, "ticket-keys", nil,
		"`file` with ticket keys of nginx, haproxy or sessl tickets; several are nginx's, the current key's first")
	must(cmd.MarkFlagFilename("ticket-keys"))
	f.StringVar(&o.cache, "session-cache", cacheNone,
		"where sessions are kept: `KIND` is none (in tickets), libssl or memory")
	must(cmd.RegisterFlagCompletionFunc("session-cache",
		cobra.FixedCompletions(cacheKinds, cobra.ShellCompDirectiveNoFileComp)))
	o.cacheGiven = func() bool { return f.Changed("session-cache") }
	f.IntVar(&o.cacheSize, "cache-size", 0, "how many sessions the cache holds (default 20480)")
	f.DurationVar(&o.maxAge, "max-age", 0,
		"how long after its full handshake a session may be resumed, such as 8h; resumptions do not prolong it")
	f.Uint32Var(&o.earlyData, "early-data", 0,
		"accept up to this many `bytes` of early data (0-RTT), and treat them like later data: a "+
			"recording of them can be sent again")
	f.StringVar(&o.context, "session-id-context", "",
		"resume sessions of servers with this `context` alone: text, or 0x and hexadecimal digits; servers "+
			"such as haproxy, whose context is that word, then share tickets with this one")
	valueFlags(cmd, "cache-size", "max-age", "early-data", "session-id-context")
}

func (o *sessionOptions) check() error {
	if o.noTickets && !o.cacheGiven() {
		o.cache = cacheLibssl
	}
	switch {
	case o.cache != cacheNone && o.cache != cacheLibssl && o.cache != cacheMemory:
		return usagef("--session-cache %s: it is none, libssl or memory", o.cache)
	case o.noTickets && o.cache == cacheNone:
		return usagef("--no-tickets and --session-cache none contradict each other: there would be no " +
			"session at all")
	case o.noTickets && len(o.ticketKeys) > 0:
		return usagef("--no-tickets and --ticket-keys contradict each other")
	case o.cache != cacheNone && len(o.ticketKeys) > 0:
		return usagef("--session-cache and --ticket-keys contradict each other")
	case o.cacheSize < 0 || o.cacheSize > 0 && o.cache == cacheNone && !o.shared:
		return usagef("--cache-size is the number of sessions, at least one, that a --session-cache holds")
	case o.cacheSize > maxCacheSize:
		return usagef("--cache-size %d: a cache holds %d sessions at most", o.cacheSize, maxCacheSize)
	case o.maxAge < 0 || o.maxAge > 0 && o.maxAge < time.Second || o.maxAge > maxAge:
		return usagef("--max-age %v: it is from 1s to %v", o.maxAge, maxAge)
	case o.context != "" && len(o.contextBytes()) == 0:
		return usagef("--session-id-context %q: behind 0x stand hexadecimal digits, two for each byte", o.context)
	case len(o.contextBytes()) > maxContext:
		return usagef("--session-id-context: it has %d bytes at most", maxContext)
	case o.earlyData > maxEarly:
		return usagef("--early-data %d: it is %d bytes at most", o.earlyData, maxEarly)
	}
	return nil
}

// contextBytes is empty for the context of the names in the certificate, and for digits that are none.
func (o *sessionOptions) contextBytes() []byte {
	digits, ok := strings.CutPrefix(o.context, "0x")
	if !ok {
		return []byte(o.context)
	}
	b, err := hex.DecodeString(digits)
	if err != nil {
		return nil
	}
	return b
}

// apply sets up cfg. closeSessions closes the objects that it opens.
func (o *sessionOptions) apply(cfg *ssl.Config) (err error) {
	cfg.MaxSessionAge = o.maxAge
	cfg.MaxEarlyData = o.earlyData
	cfg.SessionIDContext = o.contextBytes()
	switch o.cache {
	case cacheLibssl:
		cfg.SessionTicketsDisabled, cfg.SessionCacheSize = true, o.cacheSize
	case cacheMemory:
		options := &ssl.ServerCacheOptions{MaxSessions: o.cacheSize}
		if cfg.SessionCache, err = ssl.NewServerSessionCache(options); err != nil {
			return bare(err)
		}
	}
	if len(o.ticketKeys) > 0 {
		if cfg.TicketKeys, err = ssl.LoadTicketKeys(o.ticketKeys...); err != nil {
			return bare(err)
		}
	}
	if o.earlyData > 0 && cfg.ReplayGuard == nil && (cfg.TicketKeys != nil || cfg.SessionCache != nil) {
		guard, err := ssl.NewReplayGuard(0)
		if err != nil {
			return bare(err)
		}
		cfg.ReplayGuard = guard
	}
	return nil
}

// keep sets up what keeps sessions. end is for after the server, and keys reads files of keys again; it is
// nil if there are none.
func (o *serveOptions) keep(cfg *ssl.Config, s *server, errs io.Writer) (keys *reloader, end func(),
	err error) {
	if o.fleet.url == "" {
		if err := o.sessions.apply(cfg); err != nil {
			closeSessions(cfg)
			return nil, nil, err
		}
		if cfg.TicketKeys != nil {
			keys = ticketReloader(cfg.TicketKeys)
		}
		return keys, func() { closeSessions(cfg) }, nil
	}
	f, err := o.fleet.apply(cfg, &o.sessions, s)
	if err != nil {
		return nil, nil, err
	}
	end = func() {
		if lost := f.close(); lost > 0 {
			fmt.Fprintf(errs, "sessl serve: the database did not take %d sessions\n", lost)
		}
	}
	return sealReloader(f.seal), end, nil
}

func closeSessions(cfg *ssl.Config) {
	if cfg.TicketKeys != nil {
		cfg.TicketKeys.Close()
	}
	if cfg.SessionCache != nil {
		cfg.SessionCache.Close()
	}
}

// takeEarly reads a client's early data, which Read then returns first.
func (c *conn) takeEarly() (err error) {
	if c.s.early {
		c.early, err = io.ReadAll(earlyReader{c.Conn})
	}
	return err
}

type earlyReader struct{ c *ssl.Conn }

func (r earlyReader) Read(b []byte) (int, error) { return r.c.ReadEarlyData(b) }

// earlyWord describes the outcome of early data in a status.
func earlyWord(c *ssl.Conn) string {
	switch c.EarlyDataStatus() {
	case ssl.EarlyDataAccepted:
		return "accepted"
	case ssl.EarlyDataRejected:
		return "rejected"
	}
	return "none"
}
