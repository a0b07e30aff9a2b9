package persistershard

import (
	"context"
	"errors"

	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/myelin-hs/myelin/api/v1alpha1"
	"github.com/myelin-hs/myelin/controllers/plan"
	"github.com/myelin-hs/myelin/pkg/admin"
)

// writeStatus shows what the workers told.
func (c *Controller) writeStatus(ctx context.Context, s *seen, told admin.Status) error {
	byID := map[int]*admin.Shard{}
	for i := range told.Shards {
		byID[told.Shards[i].ID] = &told.Shards[i]
	}
	return c.each(ctx, s, func(e *v1alpha1.EventPersisterShard) plan.Verdict {
		shard := byID[int(e.Spec.Shard)]
		if shard != nil {
			e.Status.Owner, e.Status.OwnerID = shard.OwnerPod, shard.Owner
			e.Status.Epoch, e.Status.Claimed, e.Status.Target = shard.Epoch, shard.Claimed, shard.Target
		}
		return plan.Shard(shard)
	})
}

// writeUnknown leaves the last known owner, and says that it is the last known one.
func (c *Controller) writeUnknown(ctx context.Context, s *seen, err error) error {
	v := plan.ShardUnreported(err)
	return c.each(ctx, s, func(*v1alpha1.EventPersisterShard) plan.Verdict { return v })
}

// each updates the shards whose status changes. One that cannot be written does not stop the others.
func (c *Controller) each(ctx context.Context, s *seen, update func(*v1alpha1.EventPersisterShard) plan.Verdict) error {
	var failed []error
	for _, before := range s.shards {
		e := before.DeepCopy()
		v := update(e)
		e.Status.ObservedGeneration = e.Generation
		plan.SetProgress(&e.Status.Conditions, v, nil, nil, e.Generation)
		if !equality.Semantic.DeepEqual(before.Status, e.Status) {
			failed = append(failed, c.apply.Status(ctx, before, e))
		}
	}
	return errors.Join(failed...)
}
