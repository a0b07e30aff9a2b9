package persistershard

import (
	"context"

	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/myelin-hs/myelin/api/v1alpha1"
	"github.com/myelin-hs/myelin/controllers/plan"
)

// writeRedis shows in the Homeserver's status what a worker told of Redis, if it differs; empty: none has. The rest of that
// status is the homeserver controller's, and stays.
func (c *Controller) writeRedis(ctx context.Context, hs *v1alpha1.Homeserver, told string) error {
	changed := hs.DeepCopy()
	plan.Set(&changed.Status.Conditions, v1alpha1.ConditionRedisReachable, plan.Redis(told), hs.Generation)
	if equality.Semantic.DeepEqual(hs.Status, changed.Status) {
		return nil
	}
	return c.apply.Status(ctx, hs, changed)
}
