package main

import (
	"context"
	"time"

	"github.com/myelin-hs/myelin/test/e2e/load"
	"github.com/myelin-hs/myelin/test/figures"
)

// longLoad raises the load for many times the window, so the pool could shrink while the load lasts, and grow again. It has
// both targets, as one should have, and persisters large enough for what each uses by itself to be little of that: what
// comes of it is whether the two together keep a pool at the size that its load needs. One persister is enough for the base
// load by its CPU target, and late under the peak: with 150m one writes 330 events a second and is hardly late, for the
// shorter it is of CPU the more it writes in one block.
func (t *tour) longLoad(ctx context.Context, l *load.Load) ([]figures.Row, error) {
	utilization := 80
	c := climb{
		name: "long", cpu: "100m", base: 80, peak: 320, lasts: 5 * time.Minute, window: short, cpuTarget: &utilization,
		rest: -1, still: time.Minute,
	}
	return t.limited(ctx, c.cpu, func() ([]figures.Row, error) {
		if err := t.followAlso(ctx, 1, c.window, c.cpuTarget); err != nil {
			return nil, err
		}
		defer t.more(ctx, l, baseLoad, c.base)()
		t.say("waiting until the pool has kept its size for half a minute under that")
		if err := t.scale.recorder.steady(ctx, -1, 30*time.Second, 5*time.Minute); err != nil {
			return nil, err
		}
		return t.climb(ctx, l, c)
	})
}
