package promssl

import (
	"fmt"
	"maps"
	"slices"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"

	"sessl/ssl"
)

// A SourceCollector is a prometheus.Collector of what other modules count, such as a Client of module
// valkeystore. Every metric has the label "source", and the prefix that those of a Collector have. It may run
// in several goroutines at once.
type SourceCollector struct {
	names   []string
	sources []ssl.MetricSource
}

// NewSourceCollector returns a SourceCollector for sources, whose keys become the values of the label
// "source". It fails if a name is not UTF-8, as labels must be, or if a source is nil.
func NewSourceCollector(sources map[string]ssl.MetricSource) (*SourceCollector, error) {
	c := &SourceCollector{}
	for _, name := range slices.Sorted(maps.Keys(sources)) {
		switch {
		case !utf8.ValidString(name):
			return nil, fmt.Errorf("promssl: NewSourceCollector: the name %q is not UTF-8", name)
		case sources[name] == nil:
			return nil, fmt.Errorf("promssl: NewSourceCollector: the source %q is nil", name)
		}
		c.names, c.sources = append(c.names, name), append(c.sources, sources[name])
	}
	return c, nil
}

// Describe implements prometheus.Collector.
func (c *SourceCollector) Describe(ch chan<- *prometheus.Desc) {
	c.each(func(d *prometheus.Desc, _ ssl.Metric) { ch <- d })
}

// Collect implements prometheus.Collector.
func (c *SourceCollector) Collect(ch chan<- prometheus.Metric) {
	c.each(func(d *prometheus.Desc, m ssl.Metric) {
		kind, labels := prometheus.GaugeValue, []string(nil)
		if m.Counter {
			kind = prometheus.CounterValue
		}
		if m.Label != "" {
			labels = []string{m.LabelValue}
		}
		metric, err := prometheus.NewConstMetric(d, kind, m.Value, labels...)
		if err != nil {
			metric = prometheus.NewInvalidMetric(d, err)
		}
		ch <- metric
	})
}

// each calls f for all metrics, of which those with one name have one description.
func (c *SourceCollector) each(f func(*prometheus.Desc, ssl.Metric)) {
	for i, source := range c.sources {
		var d *prometheus.Desc
		last := ""
		for _, m := range source.Metrics() {
			if m.Name != last {
				var labels []string
				if m.Label != "" {
					labels = []string{m.Label}
				}
				d = prometheus.NewDesc("ssl_"+m.Name, m.Help, labels, prometheus.Labels{"source": c.names[i]})
				last = m.Name
			}
			f(d, m)
		}
	}
}
