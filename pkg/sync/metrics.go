package sync

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/myelin-hs/myelin/pkg/telemetry"
)

var (
	metrics = promauto.With(telemetry.Registry)

	metricAnswer = metrics.NewHistogramVec(prometheus.HistogramOpts{
		Name: "myelin_sync_answer_seconds", Help: "Time to make an answer, waiting for news not included, by kind: initial or incremental.",
		Buckets: prometheus.ExponentialBuckets(0.0002, 2, 16),
	}, []string{"kind"})
	metricRequests = metrics.NewCounterVec(prometheus.CounterOpts{
		Name: "myelin_sync_requests_total", Help: "Requests by outcome: news, empty, error.",
	}, []string{"outcome"})
	metricPolls = metrics.NewGauge(prometheus.GaugeOpts{
		Name: "myelin_sync_polls", Help: "Requests in progress.",
	})
	metricRooms = metrics.NewGauge(prometheus.GaugeOpts{
		Name: "myelin_sync_rooms", Help: "Room models in memory.",
	})
	metricRoomBytes = metrics.NewGauge(prometheus.GaugeOpts{
		Name: "myelin_sync_room_bytes", Help: "Estimated size of the room models in memory.",
	})
	metricUsers = metrics.NewGauge(prometheus.GaugeOpts{
		Name: "myelin_sync_users", Help: "User models in memory.",
	})
	metricFills = metrics.NewCounterVec(prometheus.CounterOpts{
		Name: "myelin_sync_gap_fills_total", Help: "Models that were brought up to P from Postgres because a body had not come, by kind: room or user_shard.",
	}, []string{"kind"})
	metricLoads = metrics.NewCounterVec(prometheus.CounterOpts{
		Name: "myelin_sync_loads_total", Help: "Models read from Postgres, by kind: room, left_room, older or user.",
	}, []string{"kind"})
	metricLag = metrics.NewGauge(prometheus.GaugeOpts{
		Name: "myelin_sync_lag_seconds", Help: "Age of the oldest position at or below P that a request waits for and that is not processed; NaN while P is not known well enough to say.",
	})
)
