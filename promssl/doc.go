// Package promssl exports the counters of package ssl to Prometheus.
//
//	collector, err := promssl.NewCollector(map[string]*ssl.Ctx{"api": ctx})
//	...
//	registry.MustRegister(collector, promssl.NewProcessCollector())
//
// NewSourceCollector does so for other modules, such as valkeystore.
//
// It is a module of its own, so that the core needs no other module.
package promssl
