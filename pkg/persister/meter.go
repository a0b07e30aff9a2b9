package persister

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// A meter holds the metrics of a persister.
type meter struct {
	blocks  *prometheus.CounterVec
	failure *prometheus.CounterVec
	events  prometheus.Histogram
	latency prometheus.Histogram
	loads   prometheus.Counter
	dropped prometheus.Counter
	copies  copiesMeter
}

// A copiesMeter counts copies of rooms that came from their former owners, each once.
type copiesMeter struct {
	used    prometheus.Counter // the table went on from it
	refused prometheus.Counter // the room was read from the table instead
	ignored prometheus.Counter // nothing was asked: it came too late, too early, twice, or cannot be read
}

func newMeter(r prometheus.Registerer, lag func() float64) *meter {
	f := promauto.With(r)
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "myelin_persister_queue_age_seconds",
		Help: "How long the oldest write that is not answered yet has waited: the lag of the persister.",
	}, lag)
	copies := f.NewCounterVec(prometheus.CounterOpts{
		Name: "myelin_persister_copies_total", Help: "Copies of rooms that came from their former owners, by what became of them.",
	}, []string{"outcome"})
	return &meter{
		copies: copiesMeter{copies.WithLabelValues("used"), copies.WithLabelValues("refused"), copies.WithLabelValues("ignored")},
		blocks: f.NewCounterVec(prometheus.CounterOpts{
			Name: "myelin_persister_blocks_total", Help: "Blocks by what became of them.",
		}, []string{"outcome"}),
		failure: f.NewCounterVec(prometheus.CounterOpts{
			Name: "myelin_persister_failed_blocks_total", Help: "Blocks that did not commit at once, by kind of failure.",
		}, []string{"kind"}),
		events: f.NewHistogram(prometheus.HistogramOpts{
			Name: "myelin_persister_block_events", Help: "Events per committed block.",
			Buckets: []float64{1, 2, 5, 10, 20, 50, 100, 200},
		}),
		latency: f.NewHistogram(prometheus.HistogramOpts{
			Name: "myelin_persister_commit_seconds", Help: "Time from sending a block to knowing its outcome.",
			Buckets: []float64{.0005, .001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5},
		}),
		loads: f.NewCounter(prometheus.CounterOpts{
			Name: "myelin_persister_loads_total", Help: "Set-wise reads of rooms that were not in memory.",
		}),
		dropped: f.NewCounter(prometheus.CounterOpts{
			Name: "myelin_persister_unpublished_blocks_total", Help: "Blocks that were not published because the publisher fell behind.",
		}),
	}
}

func (m *meter) block(v verdict, events int, took time.Duration) {
	m.blocks.WithLabelValues(v.String()).Inc()
	m.latency.Observe(took.Seconds())
	if v == committed {
		m.events.Observe(float64(events))
		return
	}
	m.failed(v)
}

func (m *meter) failed(v verdict) { m.failure.WithLabelValues(v.String()).Inc() }
