package promssl

import (
	"fmt"
	"maps"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"

	"sessl/ssl"
)

// A Collector is a prometheus.Collector of the [ssl.Stats] of some Ctxs. A scrape reads atomic
// counters and takes the locks of caches for a moment. It may run in several goroutines at
// once.
//
// Every metric has the label "ctx". Several Collectors, such as those of different packages,
// can be in one registry if no two of their Ctxs have the same name; otherwise the registry
// refuses them. The counters of an object that several Ctxs share, such as a TicketKeys or a
// ServerSessionCache, are reported for each of the Ctxs: take their maximum, not their sum. A
// Ctx that has been closed disappears.
type Collector struct{ ctxs []named }

// named is a Ctx with the descriptions of its metrics.
type named struct {
	ctx *ssl.Ctx
	descs
}

// NewCollector returns a Collector for ctxs, whose keys become the values of the label "ctx".
// The Ctxs stay the caller's. It fails if a name is not UTF-8, as labels must be, or if a Ctx
// is nil.
func NewCollector(ctxs map[string]*ssl.Ctx) (*Collector, error) {
	c := &Collector{}
	for _, name := range slices.Sorted(maps.Keys(ctxs)) {
		switch {
		case !utf8.ValidString(name):
			return nil, fmt.Errorf("promssl: NewCollector: the name %q is not UTF-8", name)
		case ctxs[name] == nil:
			return nil, fmt.Errorf("promssl: NewCollector: the Ctx %q is nil", name)
		}
		c.ctxs = append(c.ctxs, named{ctxs[name], newDescs(name)})
	}
	return c, nil
}

// descs are the descriptions of the metrics of one Ctx. They include its name, so that a
// registry can tell the metrics of several Collectors apart.
type descs struct {
	handshakes, failures, duration, libssl, internal, tickets, rotations, catchUps *prometheus.Desc
	cached, cacheBytes, cacheEvent, storeEvent, pending                            *prometheus.Desc
	storeTime, storeError, early, guardEvent, guardTime, guardError, keyTime       *prometheus.Desc
}

func newDescs(ctx string) descs {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("ssl_"+name, help, labels, prometheus.Labels{"ctx": ctx})
	}
	return descs{
		handshakes: desc("handshakes_total", "Completed handshakes by the outcome of resumption.", "reuse"),
		failures:   desc("handshake_failures_total", "Handshakes that failed."),
		duration: desc("handshake_duration_seconds", "Duration of completed handshakes, waiting included.",
			"resumed"),
		libssl:    desc("openssl_sessions_total", "OpenSSL's own session counters, SSL_CTX_sess_*.", "counter"),
		internal:  desc("openssl_cache_sessions", "Sessions in OpenSSL's internal cache."),
		tickets:   desc("tickets_total", "Tickets by their treatment by the ticket keys.", "event"),
		rotations: desc("ticket_key_rotations_total", "Rotations of the ticket keys.", "result"),
		catchUps:  desc("ticket_key_catch_ups_total", "Calls for unknown ticket keys, and failed ones.", "event"),
		keyTime: desc("ticket_key_current_timestamp_seconds",
			"Time at which the current ticket key was made or, if that is not known, became current here."),
		cached:     desc("session_cache_sessions", "Sessions in the cache."),
		cacheBytes: desc("session_cache_bytes", "Estimated size of the sessions in a server's cache."),
		cacheEvent: desc("session_cache_events_total",
			"Operations of the session cache by their outcome.", "event"),
		storeEvent: desc("session_store_events_total",
			"Lookups and writes of the session store by their outcome.", "event"),
		pending: desc("session_store_pending_writes", "Writes to the session store that wait or are in progress."),
		storeTime: desc("session_store_duration_seconds",
			"Duration of the session store's get and put, whatever they returned.", "operation"),
		storeError: desc("session_store_last_error_timestamp_seconds",
			"Time of the last error of the session store, 0 if there was none."),
		early: desc("early_data_connections_total", "Connections with early data by what became of it.", "status"),
		guardEvent: desc("replay_guard_refusals_total", "Claims that did not admit early data, by the reason.",
			"reason"),
		guardTime: desc("replay_guard_claim_duration_seconds",
			"Duration of the replay guard's answers, whatever they were."),
		guardError: desc("replay_guard_last_error_timestamp_seconds",
			"Time of the last error of the replay guard, 0 if there was none."),
	}
}

func (d descs) all() []*prometheus.Desc {
	return []*prometheus.Desc{d.handshakes, d.failures, d.duration, d.libssl, d.internal, d.tickets, d.rotations,
		d.catchUps, d.cached, d.cacheBytes, d.cacheEvent, d.storeEvent, d.pending,
		d.storeTime, d.storeError, d.early, d.guardEvent, d.guardTime, d.guardError, d.keyTime}
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(ch chan<- *prometheus.Desc) {
	for _, n := range c.ctxs {
		for _, d := range n.all() {
			ch <- d
		}
	}
}

// Collect implements prometheus.Collector.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	for _, n := range c.ctxs {
		if s, err := n.ctx.Stats(); err == nil {
			out := sink{ch, n.descs}
			out.stats(s)
			out.outside(n.ctx, s)
		}
	}
}

// sink takes the metrics of one Ctx.
type sink struct {
	ch chan<- prometheus.Metric
	descs
}

func (s sink) counter(d *prometheus.Desc, n uint64, labels ...string) {
	s.ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
}

func (s sink) gauge(d *prometheus.Desc, n float64) {
	s.ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, n)
}

func (s sink) histogram(d *prometheus.Desc, h ssl.Histogram, labels ...string) {
	buckets := make(map[float64]uint64, len(h.Buckets))
	for _, b := range h.Buckets {
		buckets[b.UpTo.Seconds()] = b.Count
	}
	s.ch <- prometheus.MustNewConstHistogram(d, h.Count, h.Sum.Seconds(), buckets, labels...)
}

func (s sink) stats(st ssl.Stats) {
	for reuse, n := range st.Handshakes {
		label, _ := reuse.MarshalText() // never fails
		s.counter(s.handshakes, n, string(label))
	}
	s.counter(s.failures, st.Failed)
	s.histogram(s.duration, st.Full, "false")
	s.histogram(s.duration, st.Resumed, "true")
	s.openssl(st.OpenSSL)
	if k := st.TicketKeys; k != nil {
		s.events(s.tickets, map[string]uint64{
			"issued": k.Issued, "resumed": k.Resumed, "renewed": k.Renewed, "declined": k.Declined,
			"unknown_key": k.Unknown, "withheld": k.Withheld, "caught_up": k.CaughtUp,
		})
		s.events(s.rotations, map[string]uint64{"done": k.Rotations, "failed": k.FailedRotations})
		s.events(s.catchUps, map[string]uint64{"called": k.CatchUps, "failed": k.FailedCatchUps})
	}
	if c := st.Cache; c != nil {
		s.gauge(s.cached, float64(c.Sessions))
		s.gauge(s.cacheBytes, float64(c.Bytes))
		s.events(s.cacheEvent, map[string]uint64{
			"store": c.Stores, "hit": c.Hits, "miss": c.Misses, "expired": c.Expired,
			"not_resumable": c.NotResumable, "eviction": c.Evictions, "uncacheable": c.Uncacheable,
		})
	}
	if c := st.ClientCache; c != nil {
		s.gauge(s.cached, float64(c.Sessions))
		s.events(s.cacheEvent, map[string]uint64{
			"store": c.Stores, "hit": c.Hits, "miss": c.Misses, "expired": c.Expired, "eviction": c.Evictions,
		})
	}
	if b := st.Store; b != nil {
		s.gauge(s.pending, float64(b.Pending))
		s.events(s.storeEvent, map[string]uint64{
			"hit": b.Hits, "miss": b.Misses, "late": b.Late, "busy": b.Busy, "error": b.Errors,
			"refused": b.Refused, "forged": b.Forged, "write": b.Writes, "write_error": b.WriteErrors,
			"dropped": b.Dropped, "panic": b.Panics, "wait": b.Waits, "late_wait": b.LateWaits,
		})
	}
}

// outside reports the age of the ticket key, and what the application's store and guard have done.
func (s sink) outside(ctx *ssl.Ctx, st ssl.Stats) {
	for _, k := range ctx.TicketKeyInfos() {
		at := k.CurrentSince
		if !k.Made.IsZero() {
			at = k.Made
		}
		if k.Use == "current" {
			s.gauge(s.keyTime, seconds(at))
		}
	}
	s.counter(s.early, st.EarlyData.Accepted, "accepted")
	s.counter(s.early, st.EarlyData.Rejected, "rejected")
	if b := st.Store; b != nil {
		s.histogram(s.storeTime, b.Gets, "get")
		s.histogram(s.storeTime, b.Puts, "put")
		s.lastTime(s.storeError, ctx.StoreErrors())
	}
	if st.Claims != nil {
		f := st.EarlyData.GuardFailures
		s.events(s.guardEvent, map[string]uint64{
			"replayed": st.EarlyData.Replayed, "error": f.Errors, "late": f.Late, "busy": f.Busy, "clock": f.Clock,
		})
		s.histogram(s.guardTime, *st.Claims)
		s.lastTime(s.guardError, ctx.GuardErrors())
	}
}

func (s sink) lastTime(d *prometheus.Desc, past []ssl.PastError) {
	var at float64
	if len(past) > 0 {
		at = seconds(past[0].Time)
	}
	s.gauge(d, at)
}

func seconds(at time.Time) float64 { return float64(at.UnixMilli()) / 1000 }

func (s sink) openssl(o ssl.SessionStats) {
	s.gauge(s.internal, float64(o.Number))
	for name, n := range map[string]int64{
		"connect": o.Connect, "connect_good": o.ConnectGood, "connect_renegotiate": o.ConnectRenegotiate,
		"accept": o.Accept, "accept_good": o.AcceptGood, "accept_renegotiate": o.AcceptRenegotiate,
		"hits": o.Hits, "cb_hits": o.CallbackHits, "misses": o.Misses, "timeouts": o.Timeouts,
		"cache_full": o.CacheFull,
	} {
		s.counter(s.libssl, uint64(n), name)
	}
}

func (s sink) events(d *prometheus.Desc, counts map[string]uint64) {
	for event, n := range counts {
		s.counter(d, n, event)
	}
}
