package gateway

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/myelin-hs/myelin/pkg/telemetry"
)

var (
	metricInFlight = promauto.With(telemetry.Registry).NewGauge(prometheus.GaugeOpts{
		Name: "myelin_gateway_requests_in_flight",
		Help: "Requests of the public in progress, long polls included.",
	})
	metricSeconds = promauto.With(telemetry.Registry).NewHistogramVec(prometheus.HistogramOpts{
		Name:    "myelin_gateway_request_seconds",
		Help:    "Time to answer a request of the public, by the role that serves it and the class of the status.",
		Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
	}, []string{"role", "status"})
)

// role names what no endpoint matched "none".
func role(name string) string {
	if name == "" {
		return "none"
	}
	return name
}

// statusClass is "2xx" and so on; a handler that wrote nothing answered 200.
func statusClass(status int) string {
	if status == 0 {
		status = 200
	}
	return strconv.Itoa(status/100) + "xx"
}
