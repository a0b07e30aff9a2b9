package persistershard

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/myelin-hs/myelin/api/v1alpha1"
	"github.com/myelin-hs/myelin/controllers/desired"
	"github.com/myelin-hs/myelin/controllers/plan"
)

// adoptOrphans makes the Homeserver the controller of shards that have none: those that outlived a Homeserver of its name,
// or were restored without it.
func (c *Controller) adoptOrphans(ctx context.Context, hs *v1alpha1.Homeserver, s *seen) error {
	owner := desired.Owner{Kind: "Homeserver", Name: hs.Name, UID: string(hs.UID)}
	for i, e := range s.shards {
		if metav1.GetControllerOf(e) != nil {
			continue
		}
		adopted := e.DeepCopy()
		adopted.OwnerReferences = append(adopted.OwnerReferences, desired.Shard(desired.HomeserverOf(hs), e.Spec.Shard, owner).OwnerReferences...)
		patch := client.MergeFromWithOptions(e, client.MergeFromWithOptimisticLock{})
		if err := c.client.Patch(ctx, adopted, patch, c.apply.Owner()); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("adopt the EventPersisterShard %s: %w", e.Name, err)
		}
		s.shards[i] = adopted
	}
	return nil
}

// createMissing makes the shards that are not there. Their spec cannot change, so creating is all there is to do.
func (c *Controller) createMissing(ctx context.Context, hs *v1alpha1.Homeserver, s *seen) error {
	have := map[int32]bool{}
	for _, e := range s.shards {
		have[e.Spec.Shard] = true
	}
	owner := desired.Owner{Kind: "Homeserver", Name: hs.Name, UID: string(hs.UID)}
	for _, shard := range plan.MissingShards(hs.Spec.Shards, have) {
		e := desired.Shard(desired.HomeserverOf(hs), shard, owner)
		err := c.client.Create(ctx, e, c.apply.Owner())
		switch {
		case err == nil:
			s.shards = append(s.shards, e)
		case !apierrors.IsAlreadyExists(err): // the cache is behind
			return fmt.Errorf("create the EventPersisterShard %s: %w", e.Name, err)
		}
	}
	return nil
}
