package persistershard

import (
	"context"
	"errors"
	"time"

	"github.com/myelin-hs/myelin/api/v1alpha1"
	"github.com/myelin-hs/myelin/controllers/plan"
	"github.com/myelin-hs/myelin/pkg/admin"
)

// +kubebuilder:rbac:groups=myelin.dev,resources=workerpools/status,verbs=patch

// writeLag shows in the status of each pool what its workers told of their lag, if that differs. The rest of that status is the
// workerpool controller's, and stays. It is done here because here the workers are asked anyway.
func (c *Controller) writeLag(ctx context.Context, s *seen, l *link, told admin.Status) error {
	before, now := l.lag, time.Now()
	l.lag = map[string]plan.LagShown{}
	var failed []error
	for _, wp := range s.pools {
		shown := before[wp.Name].After(told, wp.Name, now)
		l.lag[wp.Name] = shown
		failed = append(failed, c.setLag(ctx, wp, shown.String()))
	}
	return errors.Join(failed...)
}

// writeNoLag says of all pools that their lag is not known.
func (c *Controller) writeNoLag(ctx context.Context, s *seen) error {
	var failed []error
	for _, wp := range s.pools {
		failed = append(failed, c.setLag(ctx, wp, ""))
	}
	return errors.Join(failed...)
}

func (c *Controller) setLag(ctx context.Context, wp *v1alpha1.WorkerPool, lag string) error {
	if wp.Status.Lag == lag || !wp.DeletionTimestamp.IsZero() {
		return nil
	}
	changed := wp.DeepCopy()
	changed.Status.Lag = lag
	return c.apply.Status(ctx, wp, changed)
}
