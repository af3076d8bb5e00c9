// Package promssl gives the counters of package ssl to Prometheus.
//
//	registry.MustRegister(promssl.NewCollector(map[string]*ssl.Ctx{"api": ctx}))
//
// It is a module of its own, so that the core needs none.
package promssl
