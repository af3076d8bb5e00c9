package debugpage

import (
	"time"

	"sessl/ssl"
)

// A detail is all that the page shows of one Ctx.
type detail struct {
	summary
	ServerName string
	Bars       []bar
	Durations  durations
	Keys       *keyring
	Stores     []store
	Failures   []failure
	Early      []pair
}

// A pair is a name and a number. Shown is false if the number says nothing.
type pair struct {
	Name, Value string
	Shown       bool
}

func nonzero(pairs []pair) (out []pair) {
	for _, p := range pairs {
		if p.Shown {
			out = append(out, p)
		}
	}
	return out
}

func (p *Page) detailOf(s summary, ctx *ssl.Ctx, stats ssl.Stats, now time.Time) detail {
	d := detail{summary: s, ServerName: clean(ctx.ServerName()), Failures: p.failuresOf(ctx, now)}
	if s.Error != "" {
		return d
	}
	d.Bars, d.Durations = p.barsOf(stats), durationsOf(stats.Full, stats.Resumed)
	d.Keys, d.Stores = p.keyringOf(ctx, stats, now), storesOf(ctx, stats, now)
	if e := stats.EarlyData; e.Accepted+e.Rejected > 0 {
		d.Early = []pair{{"accepted", number(e.Accepted), true}, {"rejected", number(e.Rejected), true}}
	}
	return d
}

// A store is a line of the table of caches and what is behind them.
type store struct {
	Name, Holds, Hits, Misses, Share, Errors string
	Last, LastText                           string // when the last error was, and which
	More                                     []pair
	Failing                                  bool
}

func storesOf(ctx *ssl.Ctx, stats ssl.Stats, now time.Time) (out []store) {
	if c := stats.ClientCache; c != nil {
		out = append(out, store{Name: "session cache", Holds: number(c.Sessions), Hits: number(c.Hits),
			Misses: number(c.Misses), Share: percent(c.Hits, c.Hits+c.Misses),
			More: nonzero([]pair{{"stored", number(c.Stores), c.Stores > 0},
				{"expired", number(c.Expired), c.Expired > 0},
				{"evicted", number(c.Evictions), c.Evictions > 0}})})
	}
	if c := stats.Cache; c != nil {
		out = append(out, store{Name: "session cache", Holds: number(c.Sessions) + ", " + bytesOf(c.Bytes),
			Hits: number(c.Hits), Misses: number(c.Misses), Share: percent(c.Hits, c.Hits+c.Misses),
			More: nonzero([]pair{{"stored", number(c.Stores), c.Stores > 0},
				{"expired", number(c.Expired), c.Expired > 0},
				{"not resumable", number(c.NotResumable), c.NotResumable > 0},
				{"evicted", number(c.Evictions), c.Evictions > 0},
				{"uncacheable", number(c.Uncacheable), c.Uncacheable > 0}})})
	}
	if b := stats.Store; b != nil {
		bad := b.Errors + b.WriteErrors + b.Refused + b.Late + b.Busy + b.Dropped
		out = append(out, store{Name: "store", Hits: number(b.Hits), Misses: number(b.Misses),
			Share: percent(b.Hits, b.Hits+b.Misses), Errors: number(bad),
			More: nonzero([]pair{
				{"lookups: median", quantile(b.Gets, 0.5), b.Gets.Count > 0},
				{"writes: median", quantile(b.Puts, 0.5), b.Puts.Count > 0},
				{"written", number(b.Writes), true}, {"pending", number(b.Pending), b.Pending > 0},
				{"failed lookups", number(b.Errors), b.Errors > 0}, {"late", number(b.Late), b.Late > 0},
				{"busy", number(b.Busy), b.Busy > 0}, {"refused", number(b.Refused), b.Refused > 0},
				{"forged ids", number(b.Forged), b.Forged > 0},
				{"failed writes", number(b.WriteErrors), b.WriteErrors > 0},
				{"dropped writes", number(b.Dropped), b.Dropped > 0}, {"panics", number(b.Panics), b.Panics > 0},
				{"late waits", number(b.LateWaits), b.LateWaits > 0}})}.with(ctx.StoreErrors(), bad, now))
	}
	if stats.Claims != nil {
		e, f := stats.EarlyData, stats.EarlyData.GuardFailures
		bad := f.Errors + f.Late + f.Busy + f.Clock
		out = append(out, store{Name: "replay guard", Errors: number(bad),
			More: nonzero([]pair{{"claims", number(stats.Claims.Count), true},
				{"median", quantile(*stats.Claims, 0.5), stats.Claims.Count > 0},
				{"replayed", number(e.Replayed), e.Replayed > 0}, {"failed", number(f.Errors), f.Errors > 0},
				{"late", number(f.Late), f.Late > 0}, {"busy", number(f.Busy), f.Busy > 0},
				{"clock", number(f.Clock), f.Clock > 0}})}.with(ctx.GuardErrors(), bad, now))
	}
	if k := stats.TicketKeys; k != nil && k.CatchUps > 0 {
		out = append(out, store{Name: "unknown ticket keys", Errors: number(k.FailedCatchUps),
			More: []pair{{"calls", number(k.CatchUps), true}}}.with(ctx.UnknownKeyErrors(), k.FailedCatchUps, now))
	}
	return out
}

// with adds the last error of past, newest first.
func (s store) with(past []ssl.PastError, bad uint64, now time.Time) store {
	s.Last, s.Failing = "none", bad > 0
	if len(past) > 0 {
		s.Last, s.LastText = ago(now, past[0].Time), clean(past[0].Op+": "+past[0].Err.Error())
	}
	return s
}

// A handle is a kind of handle of the process.
type handle struct {
	Name, Live, Opened, Closed, Collected string
	Forgotten                             bool
}

// An object is a kind of object in C memory.
type object struct{ Name, Live string }

func handlesOf(c ssl.Counters) (handles []handle, objects []object) {
	for _, h := range []struct {
		name      string
		counts    ssl.HandleCounts
		unclosing bool // the collector ends them all
	}{
		{"Conn", c.Conns, false}, {"Session", c.Sessions, false}, {"BorrowedSession", c.Borrowed, false},
		{"Ctx", c.Ctxs, false}, {"TicketKeys", c.TicketKeys, false}, {"keys of session ids", c.IDKeys, false},
		{"Certificate", c.Certificates, true}, {"roots of CertPools", c.Roots, true},
		{"keys of Encrypted ClientHello", c.ECHKeys, true},
	} {
		n := h.counts
		if n.Opened == 0 {
			continue
		}
		handles = append(handles, handle{h.name, number(n.Live), number(n.Opened), number(n.Closed),
			number(n.Collected), n.Collected > 0 && !h.unclosing})
	}
	objects = []object{
		{"SSL_SESSION, those of libssl included", number(c.SessionObjectsCreated - c.SessionObjectsFreed)},
		{"ticket keys", number(c.TicketKeyObjectsCreated - c.TicketKeyObjectsWiped)},
		{"external PSKs", number(c.PSKObjectsCreated - c.PSKObjectsWiped)},
	}
	return handles, objects
}
