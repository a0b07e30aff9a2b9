package persistershard

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/myelin-hs/myelin/api/v1alpha1"
	"github.com/myelin-hs/myelin/controllers/desired"
	"github.com/myelin-hs/myelin/controllers/plan"
)

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
