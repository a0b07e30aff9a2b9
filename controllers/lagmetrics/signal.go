package lagmetrics

import (
	"fmt"
	"time"

	"github.com/myelin-hs/myelin/api/v1alpha1"
	"github.com/myelin-hs/myelin/pkg/admin"
)

// targetOf is what an autoscaler of the pool aims at.
func targetOf(q Question, pool *v1alpha1.WorkerPool) (time.Duration, error) {
	if q.Target > 0 {
		return q.Target, nil
	}
	if a := pool.Spec.Autoscaling; a != nil && a.LagTargetMilliseconds != nil {
		return time.Duration(*a.LagTargetMilliseconds) * time.Millisecond, nil
	}
	return 0, fmt.Errorf("%w: it gives no target, and the WorkerPool %s has no spec.autoscaling.lagTargetMilliseconds", ErrInvalid, pool.Name)
}

// signal is what an autoscaler is to be told of the pool.
func signal(pool *v1alpha1.WorkerPool, told admin.Status, target time.Duration) (time.Duration, error) {
	wanted := 1 // the default of spec.replicas
	if pool.Spec.Replicas != nil {
		wanted = int(*pool.Spec.Replicas)
	}
	var roles []string
	for _, r := range pool.Spec.Roles {
		roles = append(roles, string(r))
	}
	return told.LagPool(pool.Name, roles, wanted).Signal(target)
}
