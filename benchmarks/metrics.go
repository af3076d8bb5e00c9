package main

import api "sessl/benchmarks/contender"

// A metric is what a table shows of a report.
type metric struct {
	name   string
	of     func(*testCase, *api.Report) float64
	format string
	ratios bool // also a table of ratios
}

var (
	cost = metric{"processor time", func(c *testCase, r *api.Report) float64 {
		return (r.User + r.Sys) / float64(r.Count) * c.scale
	}, "%.4g", true}
	p50      = plain("p50, µs", func(r *api.Report) float64 { return r.P50 })
	p90      = plain("p90, µs", func(r *api.Report) float64 { return r.P90 })
	p99      = plain("p99, µs", func(r *api.Report) float64 { return r.P99 })
	threads  = plain("threads", func(r *api.Report) float64 { return float64(r.Threads) })
	switches = perUnit("waits of threads, a unit", func(r *api.Report) int { return r.Switches })
	sleeps   = perUnit("sleeps of Go's monitor, a unit", func(r *api.Report) int { return r.Sysmon })
	memory   = compared("resident bytes of one", func(r *api.Report) float64 { return r.Bytes })
	peak     = compared("resident bytes of one, with garbage", func(r *api.Report) float64 { return r.Peak })
	puts     = compared("puts a second", func(r *api.Report) float64 { return r.Puts })
	lookups  = compared("lookups a second, at random over all", func(r *api.Report) float64 { return r.Lookups })
	executed = compared("instructions, thousands", func(r *api.Report) float64 { return r.Instructions / 1e3 })
)

func plain(name string, of func(*api.Report) float64) metric {
	return metric{name, func(_ *testCase, r *api.Report) float64 { return of(r) }, "%.0f", false}
}

func compared(name string, of func(*api.Report) float64) metric {
	m := plain(name, of)
	m.ratios = true
	return m
}

func perUnit(name string, of func(*api.Report) int) metric {
	m := plain(name, func(r *api.Report) float64 { return float64(of(r)) / float64(r.Count) })
	m.format = "%.2f"
	return m
}
