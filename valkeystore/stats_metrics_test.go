package valkeystore

import (
	"encoding/json"
	"expvar"
	"os"
	"reflect"
	"strings"
	"testing"

	"sessl/internal/dbtest"
	"sessl/internal/leakcheck"
	"sessl/ssl"
)

var (
	_ expvar.Var       = StatsVar{}
	_ ssl.MetricSource = (*Client)(nil)
)

// What Stats has, Metrics and the variable for expvar have too.
func TestMetrics(t *testing.T) {
	leakcheck.Test(t)
	vk := opened(t, dbtest.Start(t).Addr, quick)
	vk.TicketKeys()
	await(t, "keys", func() bool { return vk.Stats().Schedule.State == ScheduleReady })
	value := map[string]float64{}
	for _, m := range vk.Metrics() {
		value[m.Name+" "+m.LabelValue] = m.Value
	}
	for name, least := range map[string]float64{
		"fleet_connected ": 1, "fleet_schedule_state ready": 1, "fleet_schedule_events_total fetch": 1,
		"fleet_schedule_generation ": 1, "fleet_schedule_keys ": 4,
	} {
		if value[name] < least {
			t.Errorf("%s is %v", name, value[name])
		}
	}
	if value["fleet_schedule_state starting"] != 0 {
		t.Error("two states")
	}
	var s Stats
	err := json.Unmarshal([]byte(vk.StatsVar().String()), &s)
	if err != nil || s.Schedule.Keys < 4 || !s.Connected {
		t.Errorf("%+v, %v", s, err)
	}
	vk.Close(t.Context())
	for _, c := range []*Client{nil, vk} {
		if text := c.StatsVar().String(); text != "null" {
			t.Errorf("of a nil or closed Client: %s", text)
		}
	}
}

// Every number of Stats is a metric, under the name that docs/fleet.md has, and metrics of one name are
// together and alike.
func TestMetricsAreAll(t *testing.T) {
	var all metrics
	var s Stats
	n := 0
	number(reflect.ValueOf(&s).Elem(), &n)
	all.schedule(s.Schedule)
	all.claims(s.Claims)
	all.sessions(s.Sessions)
	all.open(s)
	all.neighbours(s.Neighbours)
	seen := map[float64]bool{}
	for _, m := range all {
		seen[m.Value] = true
	}
	for i := 1; i <= n; i++ {
		if !seen[float64(i)] {
			t.Errorf("the number %d of Stats is no metric", i)
		}
	}
	doc, err := os.ReadFile("../docs/fleet.md")
	if err != nil {
		t.Fatal(err)
	}
	first := map[string]ssl.Metric{}
	last := ""
	for _, m := range (*Client)(nil).Metrics() {
		if f, ok := first[m.Name]; ok {
			if last != m.Name || f.Help != m.Help || f.Label != m.Label || f.Counter != m.Counter {
				t.Errorf("%+v and %+v", f, m)
			}
		} else if first[m.Name] = m; !strings.Contains(string(doc), "`ssl_"+m.Name+"`") {
			t.Errorf("%s is not in docs/fleet.md", m.Name)
		}
		if m.Label != "" && !strings.Contains(string(doc), "`"+m.LabelValue+"`") {
			t.Errorf("%s of %s is not in docs/fleet.md", m.LabelValue, m.Name)
		}
		if m.Counter != strings.HasSuffix(m.Name, "_total") || !strings.HasSuffix(m.Help, ".") {
			t.Errorf("%+v", m)
		}
		last = m.Name
	}
}

// number gives each number in v another value, from 1 to n. Durations are as many seconds.
func number(v reflect.Value, n *int) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			number(v.Field(i), n)
		}
	case reflect.Uint64:
		*n++
		v.SetUint(uint64(*n))
	case reflect.Int:
		*n++
		v.SetInt(int64(*n))
	case reflect.Int64:
		*n++
		v.SetInt(int64(*n) * 1e9)
	}
}
