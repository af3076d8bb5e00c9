package ssl

// A Metric is one number of a [MetricSource], in the terms of Prometheus.
type Metric struct {
	Name       string // such as "fleet_schedule_age_seconds"; a collector puts its prefix before it
	Help       string // one sentence, the same for all metrics of that name
	Counter    bool   // it only grows; else it is a gauge
	Label      string // what tells the metrics of one name apart; empty if there is one
	LabelValue string
	Value      float64
}

// A MetricSource has numbers for a monitoring system, as a Client of module valkeystore does. Module promssl
// takes any, so that neither needs the other.
type MetricSource interface {
	// Metrics returns all numbers, those of one name one after the other. Names, labels and their values are
	// always the same, and none is a secret or an id. It may be called from several goroutines at once.
	Metrics() []Metric
}
