package horizon

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/myelin-hs/myelin/pkg/telemetry"
)

var (
	metrics = promauto.With(telemetry.Registry)

	metricPosition = metrics.NewGauge(prometheus.GaugeOpts{
		Name: "myelin_horizon_position", Help: "The horizon P that this worker announces.",
	})
	metricRound = metrics.NewHistogram(prometheus.HistogramOpts{
		Name: "myelin_horizon_round_seconds", Help: "Time to compute, write and publish P.",
		Buckets: prometheus.ExponentialBuckets(0.0005, 2, 12),
	})
	metricTerms = metrics.NewCounter(prometheus.CounterOpts{
		Name: "myelin_horizon_terms_total", Help: "Terms that this worker began as the announcer.",
	})
	metricTerminated = metrics.NewCounter(prometheus.CounterOpts{
		Name: "myelin_horizon_terminated_backends_total", Help: "Backends ended because their block stood too long.",
	})
	metricPublishErrors = metrics.NewCounter(prometheus.CounterOpts{
		Name: "myelin_horizon_publish_errors_total", Help: "Announcements that Redis did not take.",
	})
	metricFilled = metrics.NewCounter(prometheus.CounterOpts{
		Name: "myelin_horizon_filled_blocks_total", Help: "Blocks that a follower read from Postgres because the bus had lost them.",
	})
	metricHeardAt = metrics.NewGauge(prometheus.GaugeOpts{
		Name: "myelin_horizon_heard_timestamp_seconds",
		Help: "When this worker last heard the horizon, as Unix time: the horizon's age is the time since.",
	})
	metricHeard = metrics.NewGauge(prometheus.GaugeOpts{
		Name: "myelin_horizon_heard_position", Help: "The horizon P that this worker has heard of.",
	})
)
