package promssl

import (
	"maps"

	"github.com/prometheus/client_golang/prometheus"

	"sessl/ssl"
)

// A Collector is a prometheus.Collector of the [ssl.Stats] of some Ctxs, and of the handles of
// the process. A scrape reads atomic counters and takes the locks of caches for a moment; it
// may be done from several goroutines at once.
//
// Every metric of a Ctx has the label "ctx". What several Ctxs share, such as a TicketKeys or a
// ServerSessionCache, is told for each of them: take the maximum over them, not the sum. A Ctx
// that has been closed disappears.
type Collector struct{ ctxs map[string]*ssl.Ctx }

// NewCollector returns a Collector for ctxs, by the names that the label "ctx" gets. They stay
// the caller's.
func NewCollector(ctxs map[string]*ssl.Ctx) *Collector {
	return &Collector{ctxs: maps.Clone(ctxs)}
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("ssl_"+name, help, labels, nil)
}

var (
	handshakes = desc("handshakes_total", "Completed handshakes by what became of resumption.", "ctx", "reuse")
	failures   = desc("handshake_failures_total", "Handshakes that failed.", "ctx")
	duration   = desc("handshake_duration_seconds", "Duration of completed handshakes, waiting included.", "ctx", "resumed")
	libssl     = desc("openssl_sessions_total", "OpenSSL's own session counters, SSL_CTX_sess_*.", "ctx", "counter")
	internal   = desc("openssl_cache_sessions", "Sessions in OpenSSL's internal cache.", "ctx")
	tickets    = desc("tickets_total", "Tickets by what the ticket keys did with them.", "ctx", "event")
	rotations  = desc("ticket_key_rotations_total", "Rotations of the ticket keys.", "ctx", "result")
	cached     = desc("session_cache_sessions", "Sessions in the cache.", "ctx")
	cacheBytes = desc("session_cache_bytes", "Estimated size of the sessions in a server's cache.", "ctx")
	cacheEvent = desc("session_cache_events_total", "What the session cache did.", "ctx", "event")
	storeEvent = desc("session_store_events_total", "What became of lookups and writes of the session store.", "ctx", "event")
	pending    = desc("session_store_pending_writes", "Writes to the session store that wait or are being made.", "ctx")
	live       = desc("handles", "Live handles of this process.", "type")
	collected  = desc("handles_collected_total", "Handles that were freed by the garbage collector: each is a Close that was forgotten.", "type")
	objects    = desc("session_objects", "SSL_SESSION objects of this process, those of libssl itself included.")
)

// Describe implements prometheus.Collector.
func (c *Collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{handshakes, failures, duration, libssl, internal, tickets, rotations, cached, cacheBytes,
		cacheEvent, storeEvent, pending, live, collected, objects} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	for name, ctx := range c.ctxs {
		if s, err := ctx.Stats(); err == nil {
			sink{ch, name}.stats(s)
		}
	}
	process(ch)
}

func process(ch chan<- prometheus.Metric) {
	n := ssl.ReadCounters()
	for kind, h := range map[string]ssl.HandleCounts{"session": n.Sessions, "borrowed": n.Borrowed, "conn": n.Conns,
		"ctx": n.Ctxs, "ticketkeys": n.TicketKeys, "certificate": n.Certificates} {
		ch <- prometheus.MustNewConstMetric(live, prometheus.GaugeValue, float64(h.Live), kind)
		ch <- prometheus.MustNewConstMetric(collected, prometheus.CounterValue, float64(h.Collected), kind)
	}
	ch <- prometheus.MustNewConstMetric(objects, prometheus.GaugeValue, float64(n.SessionObjectsCreated-n.SessionObjectsFreed))
}

// sink takes the metrics of one Ctx.
type sink struct {
	ch  chan<- prometheus.Metric
	ctx string
}

func (s sink) counter(d *prometheus.Desc, n uint64, labels ...string) {
	s.ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), append([]string{s.ctx}, labels...)...)
}

func (s sink) gauge(d *prometheus.Desc, n float64) {
	s.ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, n, s.ctx)
}

func (s sink) histogram(h ssl.Histogram, resumed string) {
	buckets := make(map[float64]uint64, len(h.Buckets))
	for _, b := range h.Buckets {
		buckets[b.UpTo.Seconds()] = b.Count
	}
	s.ch <- prometheus.MustNewConstHistogram(duration, h.Count, h.Sum.Seconds(), buckets, s.ctx, resumed)
}

func (s sink) stats(st ssl.Stats) {
	for reuse, n := range st.Handshakes {
		s.counter(handshakes, n, reuse.String())
	}
	s.counter(failures, st.Failed)
	s.histogram(st.Full, "false")
	s.histogram(st.Resumed, "true")
	s.openssl(st.OpenSSL)
	if k := st.TicketKeys; k != nil {
		s.events(tickets, map[string]uint64{"issued": k.Issued, "resumed": k.Resumed, "renewed": k.Renewed, "declined": k.Declined, "unknown_key": k.Unknown})
		s.events(rotations, map[string]uint64{"done": k.Rotations, "failed": k.FailedRotations})
	}
	if c := st.Cache; c != nil {
		s.gauge(cached, float64(c.Sessions))
		s.gauge(cacheBytes, float64(c.Bytes))
		s.events(cacheEvent, map[string]uint64{"store": c.Stores, "hit": c.Hits, "miss": c.Misses, "expired": c.Expired,
			"not_resumable": c.NotResumable, "eviction": c.Evictions, "uncacheable": c.Uncacheable})
	}
	if c := st.ClientCache; c != nil {
		s.gauge(cached, float64(c.Sessions))
		s.events(cacheEvent, map[string]uint64{"store": c.Stores, "hit": c.Hits, "miss": c.Misses, "expired": c.Expired, "eviction": c.Evictions})
	}
	if b := st.Store; b != nil {
		s.gauge(pending, float64(b.Pending))
		s.events(storeEvent, map[string]uint64{"hit": b.Hits, "miss": b.Misses, "late": b.Late, "busy": b.Busy, "error": b.Errors,
			"refused": b.Refused, "write": b.Writes, "write_error": b.WriteErrors, "dropped": b.Dropped, "panic": b.Panics})
	}
}

func (s sink) openssl(o ssl.SessionStats) {
	s.gauge(internal, float64(o.Number))
	for name, n := range map[string]int64{"connect": o.Connect, "connect_good": o.ConnectGood, "connect_renegotiate": o.ConnectRenegotiate,
		"accept": o.Accept, "accept_good": o.AcceptGood, "accept_renegotiate": o.AcceptRenegotiate, "hits": o.Hits,
		"cb_hits": o.CallbackHits, "misses": o.Misses, "timeouts": o.Timeouts, "cache_full": o.CacheFull} {
		s.counter(libssl, uint64(n), name)
	}
}

func (s sink) events(d *prometheus.Desc, counts map[string]uint64) {
	for event, n := range counts {
		s.counter(d, n, event)
	}
}
