package route

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/myelin-hs/myelin/pkg/telemetry"
)

var (
	metricParked = promauto.With(telemetry.Registry).NewGauge(prometheus.GaugeOpts{
		Name: "myelin_route_parked_requests",
		Help: "Requests that wait for a shard to be served.",
	})
	metricRetries = promauto.With(telemetry.Registry).NewCounterVec(prometheus.CounterOpts{
		Name: "myelin_route_retries_total",
		Help: "Attempts after which a request was sent again, by reason.",
	}, []string{"reason"})
)
