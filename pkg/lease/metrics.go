package lease

import "github.com/prometheus/client_golang/prometheus"

// metrics of one worker's membership.
type metrics struct {
	held            prometheus.Gauge
	epochs          *prometheus.GaugeVec // shard
	beatSeconds     prometheus.Histogram
	beatFailures    prometheus.Counter
	handoffs        *prometheus.CounterVec // outcome
	handoffSeconds  prometheus.Histogram
	adopted         prometheus.Counter
	takeovers       *prometheus.CounterVec // evidence
	takeoverSeconds prometheus.Histogram
	leading         prometheus.Gauge
	aimed           prometheus.Counter
	barriers        prometheus.Counter
}

func newMetrics(r prometheus.Registerer) *metrics {
	buckets := []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5}
	m := &metrics{
		held:            prometheus.NewGauge(prometheus.GaugeOpts{Name: "myelin_lease_shards_held", Help: "Shards that this worker serves."}),
		epochs:          prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "myelin_lease_shard_epoch", Help: "Epoch of each shard that this worker serves: there is a series for it nowhere else."}, []string{"shard"}),
		beatSeconds:     prometheus.NewHistogram(prometheus.HistogramOpts{Name: "myelin_lease_heartbeat_seconds", Help: "Round trip of a heartbeat.", Buckets: buckets}),
		beatFailures:    prometheus.NewCounter(prometheus.CounterOpts{Name: "myelin_lease_heartbeat_failures_total", Help: "Heartbeats that failed."}),
		handoffs:        prometheus.NewCounterVec(prometheus.CounterOpts{Name: "myelin_lease_handoffs_total", Help: "Planned moves away from this worker, by outcome."}, []string{"outcome"}),
		handoffSeconds:  prometheus.NewHistogram(prometheus.HistogramOpts{Name: "myelin_lease_handoff_seconds", Help: "From the quiescence of a shard to its transfer.", Buckets: buckets}),
		adopted:         prometheus.NewCounter(prometheus.CounterOpts{Name: "myelin_lease_adopted_total", Help: "Shards without a serving owner that this worker placed."}),
		takeovers:       prometheus.NewCounterVec(prometheus.CounterOpts{Name: "myelin_lease_takeovers_total", Help: "Dead workers that this worker took over from, by evidence."}, []string{"evidence"}),
		takeoverSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "myelin_lease_takeover_seconds", Help: "Duration of a takeover's transaction.", Buckets: buckets}),
		leading:         prometheus.NewGauge(prometheus.GaugeOpts{Name: "myelin_lease_balancer_leading", Help: "1 while this worker spreads the shards."}),
		barriers:        prometheus.NewCounter(prometheus.CounterOpts{Name: "myelin_lease_barriers_total", Help: "Generations of the database that this worker began."}),
		aimed:           prometheus.NewCounter(prometheus.CounterOpts{Name: "myelin_lease_balancer_moves_total", Help: "Moves that this worker planned."}),
	}
	if r != nil {
		r.MustRegister(m.held, m.epochs, m.beatSeconds, m.beatFailures, m.handoffs, m.handoffSeconds, m.adopted, m.takeovers,
			m.takeoverSeconds, m.leading, m.aimed, m.barriers)
	}
	return m
}
