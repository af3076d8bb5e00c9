package valkeystore

import (
	"encoding/json"
	"time"

	"sessl/ssl"
)

// A StatsVar is an expvar.Var.
type StatsVar struct{ c *Client }

// StatsVar returns the Stats as a variable that package expvar can publish, under a name that the application
// chooses: expvar.Publish("fleet", vk.StatsVar()). It keeps c reachable, and is "null" after c's Close.
func (c *Client) StatsVar() StatsVar { return StatsVar{c} }

// String returns the Stats in JSON, with durations in nanoseconds.
func (v StatsVar) String() string {
	if v.c == nil || v.c.ended() {
		return "null"
	}
	b, err := json.Marshal(v.c.Stats())
	if err != nil {
		return "null"
	}
	return string(b)
}

func (c *Client) ended() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}

// Metrics implements [ssl.MetricSource], for promssl.NewSourceCollector: all of Stats. docs/fleet.md lists
// the names. Those of a nil Client are zero.
func (c *Client) Metrics() []ssl.Metric {
	var m metrics
	s := c.Stats()
	m.gauge("connected", "1 when the database has answered once.", one(s.Connected))
	m.schedule(s.Schedule)
	m.claims(s.Claims)
	m.sessions(s.Sessions)
	m.open(s)
	m.neighbours(s.Neighbours)
	return m
}

type metrics []ssl.Metric

func (m *metrics) gauge(name, help string, v float64) {
	*m = append(*m, ssl.Metric{Name: "fleet_" + name, Help: help, Value: v})
}

func (m *metrics) gauges(name, help, label string, of ...any) {
	m.labelled(name, help, label, false, of)
}

func (m *metrics) counters(name, help, label string, of ...any) {
	m.labelled(name, help, label, true, of)
}

// labelled adds a metric for each pair of a label's value and a number, a duration or a truth.
func (m *metrics) labelled(name, help, label string, counter bool, of []any) {
	for i := 0; i < len(of); i += 2 {
		x := ssl.Metric{Name: "fleet_" + name, Help: help, Counter: counter, Label: label,
			LabelValue: of[i].(string)}
		switch v := of[i+1].(type) {
		case uint64:
			x.Value = float64(v)
		case time.Duration:
			x.Value = v.Seconds()
		case bool:
			x.Value = one(v)
		}
		*m = append(*m, x)
	}
}

func one(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func (m *metrics) schedule(s ScheduleStats) {
	is := func(state ScheduleState) bool { return s.State == state }
	m.gauges("schedule_state", "1 for the state of the schedule of ticket keys.", "state",
		"starting", is(ScheduleStarting), "ready", is(ScheduleReady), "stale", is(ScheduleStale),
		"extended", is(ScheduleExtended), "withheld", is(ScheduleWithheld), "ended", is(ScheduleEnded))
	m.gauge("schedule_era", "Era of the fleet, which grows when all is revoked.", float64(s.Era))
	m.gauge("schedule_generation", "Generation of the schedule of ticket keys.", float64(s.Generation))
	m.gauge("schedule_keys", "Ticket keys in the schedule.", float64(s.Keys))
	m.gauge("schedule_age_seconds", "Time since the database answered, 0 if it never did.", s.Age.Seconds())
	m.counters("schedule_events_total", "Questions and writes for the schedule by their outcome.", "event",
		"fetch", s.Fetches, "failure", s.Failures, "write", s.Writes, "late", s.Late)
	r := s.Refused
	m.counters("schedule_refusals_total", "Schedules that were refused, by the reason.", "reason",
		"unopened", r.Unopened, "version", r.Version, "malformed", r.Malformed, "too_many", r.TooMany,
		"lower", r.Lower, "ended", r.Ended)
}

func (m *metrics) claims(s ClaimStats) {
	m.counters("claims_total", "Claims for early data by what came of them.", "result",
		"first", s.First, "replayed", s.Replayed, "here", s.Here, "young", s.Young, "policy", s.Policy,
		"clock", s.Clock, "unasked", s.Unasked, "error", s.Errors)
}

func (m *metrics) sessions(s SessionStats) {
	m.counters("sessions_total", "Lookups, writes and revocations of sessions that went another way.", "event",
		"unasked", s.Unasked, "deferred", s.Deferred, "dropped", s.Dropped, "expired", s.Expired,
		"revoked", s.Revoked, "foreign", s.Foreign)
	m.gauge("waiting_writes", "Writes of sessions that wait for the database.", float64(s.Waiting))
}

func (m *metrics) open(s Stats) {
	m.gauges("circuit_open_seconds", "Time since the database is not asked any more, 0 if it is.", "calls",
		"claims", s.Claims.OpenSince, "lookups", s.Sessions.LookupsOpen, "writes", s.Sessions.WritesOpen)
}

func (m *metrics) neighbours(s NeighbourStats) {
	m.counters("neighbour_deliveries_total", "Sets of key files written, and keys sent over the socket.", "way",
		"files", s.Files.Done, "socket", s.Socket.Done)
	m.counters("neighbour_failures_total", "Attempts to hand keys on that failed.", "way",
		"files", s.Files.Failures, "socket", s.Socket.Failures)
	m.gauges("neighbour_behind_seconds", "Time since neighbours lack the newest keys, or 0.", "way",
		"files", s.Files.Behind, "socket", s.Socket.Behind)
	m.gauge("neighbour_keys_kept", "1 when no key encrypts here, and neighbours keep the last.", one(s.Kept))
}
