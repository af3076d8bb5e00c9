// Package promssl exports the counters of package ssl to Prometheus.
//
//	collector, err := promssl.NewCollector(map[string]*ssl.Ctx{"api": ctx})
//	...
//	registry.MustRegister(collector, promssl.NewProcessCollector())
//
// NewSourceCollector does so for other modules, such as valkeystore.
//
// The file grafana/sessl.json is a dashboard of Grafana for these metrics, and alerts/sessl.yaml has rules
// of Prometheus: alerts when fewer handshakes resume, when a store or a replay guard fails, when ticket keys
// are too old, when handles grow, and when handshakes fail.
//
// It is a module of its own, so that the core needs no other module.
package promssl
