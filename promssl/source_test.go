package promssl_test

import (
	"log"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"sessl/promssl"
	"sessl/ssl"
)

// numbers is a MetricSource.
type numbers []ssl.Metric

func (n numbers) Metrics() []ssl.Metric { return n }

var some = numbers{
	{Name: "fleet_a_total", Help: "How many.", Counter: true, Label: "event", LabelValue: "x", Value: 1},
	{Name: "fleet_a_total", Help: "How many.", Counter: true, Label: "event", LabelValue: "y", Value: 2},
	{Name: "fleet_age_seconds", Help: "How long.", Value: 1.5},
}

// All that a source has is there, with its name, and two sources are told apart.
func TestSources(t *testing.T) {
	c, err := promssl.NewSourceCollector(map[string]ssl.MetricSource{"one": some, "two": some[2:]})
	if err != nil {
		t.Fatal(err)
	}
	err = testutil.CollectAndCompare(c, strings.NewReader(`
# HELP ssl_fleet_a_total How many.
# TYPE ssl_fleet_a_total counter
ssl_fleet_a_total{event="x",source="one"} 1
ssl_fleet_a_total{event="y",source="one"} 2
# HELP ssl_fleet_age_seconds How long.
# TYPE ssl_fleet_age_seconds gauge
ssl_fleet_age_seconds{source="one"} 1.5
ssl_fleet_age_seconds{source="two"} 1.5
`))
	if err != nil {
		t.Error(err)
	}
	if problems, err := testutil.CollectAndLint(c); err != nil || len(problems) > 0 {
		t.Error(problems, err)
	}
}

// Names and sources that cannot be collected are refused, and a metric that cannot be is an error of the
// registry, not a panic.
func TestSourcesRefused(t *testing.T) {
	for name, source := range map[string]ssl.MetricSource{"\xff": some, "nil": nil} {
		if c, err := promssl.NewSourceCollector(map[string]ssl.MetricSource{name: source}); c != nil || err == nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	bad := numbers{{Name: "a b", Help: "x", Label: "l", LabelValue: "\xff"}}
	c, err := promssl.NewSourceCollector(map[string]ssl.MetricSource{"bad": bad})
	if err != nil {
		t.Fatal(err)
	}
	r := prometheus.NewRegistry()
	err = r.Register(c)
	if err == nil {
		_, err = r.Gather()
	}
	if err == nil {
		t.Error("it was taken")
	}
}

func ExampleNewSourceCollector() {
	var vk ssl.MetricSource = some // such as what valkeystore.Open returns
	c, err := promssl.NewSourceCollector(map[string]ssl.MetricSource{"shop": vk})
	if err != nil {
		log.Fatal(err)
	}
	prometheus.NewRegistry().MustRegister(c)
	// Output:
}
