package persistershard

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/myelin-hs/myelin/api/v1alpha1"
)

// seen is all that a pass looks at, besides the workers' answer.
type seen struct {
	shards []*v1alpha1.EventPersisterShard
	pools  []*v1alpha1.WorkerPool
	// serving: there is a ready worker that can be asked.
	serving bool
}

func (c *Controller) look(ctx context.Context, hs *v1alpha1.Homeserver) (*seen, error) {
	s := &seen{}
	in := client.InNamespace(hs.Namespace)
	var shards v1alpha1.EventPersisterShardList
	if err := c.client.List(ctx, &shards, in); err != nil {
		return nil, fmt.Errorf("list EventPersisterShards: %w", err)
	}
	for i := range shards.Items {
		if e := &shards.Items[i]; e.Spec.HomeserverRef.Name == hs.Name && e.DeletionTimestamp.IsZero() {
			s.shards = append(s.shards, e)
		}
	}
	var pools v1alpha1.WorkerPoolList
	if err := c.client.List(ctx, &pools, in); err != nil {
		return nil, fmt.Errorf("list WorkerPools: %w", err)
	}
	for i := range pools.Items {
		if p := &pools.Items[i]; p.Spec.HomeserverRef.Name == hs.Name {
			s.pools = append(s.pools, p)
			s.serving = s.serving || p.Status.ReadyReplicas > 0
		}
	}
	return s, nil
}
