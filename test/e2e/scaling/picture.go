package scaling

import (
	"time"

	"github.com/myelin-hs/myelin/test/plot"
)

// Picture draws load, lag and replicas over the time since the first sample. A lag that nobody knew leaves no point.
func Picture(title string, samples []Sample, target time.Duration) plot.Plot {
	var offered, acked, lag, goal, wanted, ready []plot.Point
	for _, s := range samples {
		x := (s.At - samples[0].At).Seconds()
		offered = append(offered, plot.Point{X: x, Y: s.Offered})
		acked = append(acked, plot.Point{X: x, Y: s.Acked})
		if s.LagKnown {
			lag = append(lag, plot.Point{X: x, Y: milliseconds(s.Lag)})
		}
		goal = append(goal, plot.Point{X: x, Y: milliseconds(target)})
		wanted = append(wanted, plot.Point{X: x, Y: float64(s.Wanted)})
		ready = append(ready, plot.Point{X: x, Y: float64(s.Ready)})
	}
	return plot.Plot{
		Title: title, XLabel: "time (s)",
		Panels: []plot.Panel{
			{YLabel: "load (events/s)", Series: []plot.Series{{Name: "offered", Points: offered, Steps: true}, {Name: "acknowledged", Points: acked}}},
			{YLabel: "lag (ms)", Series: []plot.Series{{Name: "mean lag", Points: lag}, {Name: "target", Points: goal, Steps: true}}},
			{YLabel: "persisters", Series: []plot.Series{{Name: "wanted", Points: wanted, Steps: true}, {Name: "ready", Points: ready, Steps: true}}},
		},
	}
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
