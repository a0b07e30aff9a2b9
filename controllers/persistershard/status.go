package persistershard

import (
	"context"
	"errors"

	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/myelin-hs/myelin/api/v1alpha1"
	"github.com/myelin-hs/myelin/controllers/plan"
	"github.com/myelin-hs/myelin/pkg/admin"
)

// writeStatus shows what the workers told, and tells of the shards that have another owner now.
func (c *Controller) writeStatus(ctx context.Context, hs *v1alpha1.Homeserver, s *seen, told admin.Status, workers *plan.Members) error {
	byID := map[int]*admin.Shard{}
	for i := range told.Shards {
		byID[told.Shards[i].ID] = &told.Shards[i]
	}
	var moves []plan.Move
	written := func(before, e *v1alpha1.EventPersisterShard) {
		shard := byID[int(e.Spec.Shard)]
		if shard == nil {
			return
		}
		if m := workers.MoveOf(e.Spec.Shard, before.Status, *shard); m != nil {
			moves = append(moves, *m)
			c.events.Record(e, m.Notice())
		}
	}
	err := c.each(ctx, s, func(e *v1alpha1.EventPersisterShard) plan.Verdict {
		shard := byID[int(e.Spec.Shard)]
		if shard != nil {
			e.Status.Owner, e.Status.OwnerID = shard.OwnerPod, shard.Owner
			e.Status.Epoch, e.Status.Claimed, e.Status.Target = shard.Epoch, shard.Claimed, shard.Target
		}
		return plan.Shard(shard)
	}, written)
	c.events.Record(hs, plan.Summaries(moves)...)
	return err
}

// writeUnknown leaves the last known owner, and says that it is the last known one.
func (c *Controller) writeUnknown(ctx context.Context, s *seen, err error) error {
	v := plan.ShardUnreported(err)
	return c.each(ctx, s, func(*v1alpha1.EventPersisterShard) plan.Verdict { return v }, nil)
}

// each updates the shards whose status changes, and calls written, if there is one, with what it was before. One that
// cannot be written does not stop the others.
func (c *Controller) each(ctx context.Context, s *seen, update func(*v1alpha1.EventPersisterShard) plan.Verdict,
	written func(before, now *v1alpha1.EventPersisterShard),
) error {
	var failed []error
	for _, before := range s.shards {
		e := before.DeepCopy()
		v := update(e)
		e.Status.ObservedGeneration = e.Generation
		plan.SetProgress(&e.Status.Conditions, v, nil, nil, e.Generation)
		if equality.Semantic.DeepEqual(before.Status, e.Status) {
			continue
		}
		if ctx.Err() != nil {
			return ctx.Err() // the operator stops: one word about it is enough
		}
		err := c.apply.Status(ctx, before, e)
		failed = append(failed, err)
		if err == nil && written != nil {
			written(before, e)
		}
	}
	return errors.Join(failed...)
}
