package promssl

import (
	"github.com/prometheus/client_golang/prometheus"

	"sessl/ssl"
)

// A ProcessCollector is a prometheus.Collector of the handles of this process,
// [ssl.ReadCounters], and of its OpenSSL. One is enough for a registry, whatever the number of Collectors.
type ProcessCollector struct{}

// NewProcessCollector returns a ProcessCollector.
func NewProcessCollector() ProcessCollector { return ProcessCollector{} }

var (
	live      = prometheus.NewDesc("ssl_handles", "Live handles of this process.", []string{"type"}, nil)
	collected = prometheus.NewDesc("ssl_handles_collected_total",
		"Handles that were freed by the garbage collector: each is a forgotten Close.",
		[]string{"type"}, nil)
	objects = prometheus.NewDesc("ssl_session_objects",
		"SSL_SESSION objects of this process, those of libssl itself included.", nil, nil)
	library = prometheus.NewDesc("ssl_openssl_info",
		"The versions of OpenSSL that this process runs with and was built against.",
		[]string{"running", "built"}, nil)
)

// Describe implements prometheus.Collector.
func (ProcessCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{live, collected, objects, library} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (ProcessCollector) Collect(ch chan<- prometheus.Metric) {
	n := ssl.ReadCounters()
	for kind, h := range map[string]ssl.HandleCounts{
		"session": n.Sessions, "borrowed": n.Borrowed, "conn": n.Conns, "ctx": n.Ctxs,
		"ticketkeys": n.TicketKeys, "certificate": n.Certificates,
	} {
		ch <- prometheus.MustNewConstMetric(live, prometheus.GaugeValue, float64(h.Live), kind)
		ch <- prometheus.MustNewConstMetric(collected, prometheus.CounterValue, float64(h.Collected), kind)
	}
	v := ssl.OpenSSLVersion()
	ch <- prometheus.MustNewConstMetric(library, prometheus.GaugeValue, 1, v.Running, v.Built)
	ch <- prometheus.MustNewConstMetric(objects, prometheus.GaugeValue,
		float64(n.SessionObjectsCreated-n.SessionObjectsFreed))
}
