package main

import (
	"context"
	"fmt"
	"time"

	"github.com/myelin-hs/myelin/pkg/admin"
	"github.com/myelin-hs/myelin/test/e2e/kube"
)

// persisters scales the pool and waits until every persister holds its share of the shards.
func (t *tour) persisters(ctx context.Context, n int) error {
	start := time.Now()
	if err := t.kube.Scale(ctx, t.pool("persister"), n); err != nil {
		return err
	}
	if err := t.spread(ctx, n); err != nil {
		return err
	}
	t.say("persisters: %d, shards spread evenly (%.1f s)", n, time.Since(start).Seconds())
	return nil
}

// spread waits until exactly n persisters are live and each holds its share, claimed.
func (t *tour) spread(ctx context.Context, n int) error {
	return until(ctx, 2*time.Minute, fmt.Sprintf("%d persisters with an even share", n), func() (bool, string, error) {
		status, err := t.kube.Status(ctx)
		if err != nil {
			return false, "no status", err
		}
		owned, missing := ownedBy(status), n
		for _, w := range livePersisters(status) {
			if len(owned[w.ID]) < len(status.Shards)/n {
				return false, fmt.Sprintf("%s owns %d of %d", w.Pod, len(owned[w.ID]), len(status.Shards)), nil
			}
			delete(owned, w.ID)
			missing--
		}
		if missing != 0 || len(owned) != 0 {
			return false, fmt.Sprintf("%d persisters too few, %d others own shards", missing, len(owned)), nil
		}
		return true, "", nil
	})
}

func ownedBy(s admin.Status) map[int64][]int {
	owned := map[int64][]int{}
	for _, shard := range s.Shards {
		if shard.Claimed {
			owned[shard.Owner] = append(owned[shard.Owner], shard.ID)
		} else {
			owned[-1] = append(owned[-1], shard.ID)
		}
	}
	return owned
}

func livePersisters(s admin.Status) []admin.Worker {
	var live []admin.Worker
	for _, w := range s.Workers {
		for _, role := range w.Roles {
			if role == "persister" && w.State == "live" {
				live = append(live, w)
			}
		}
	}
	return live
}

// failovers moves three shards by the plugin.
func (t *tour) failovers(ctx context.Context) error {
	for _, shard := range []int{0, 21, 42} {
		start := time.Now()
		if err := t.kube.Failover(ctx, shard); err != nil {
			return err
		}
		t.say("kubectl myelin failover %d (%.1f s)", shard, time.Since(start).Seconds())
	}
	return nil
}

// deletePod deletes one pod of a role's pool and waits for its successor.
func (t *tour) deletePod(ctx context.Context, role string) (string, error) {
	pools, err := t.kube.Pods(ctx)
	if err != nil {
		return "", err
	}
	pods := pools[t.pool(role)]
	if len(pods) == 0 {
		return "", fmt.Errorf("pool %s has no pod", t.pool(role))
	}
	start := time.Now()
	if _, err := t.kube.Do(ctx, "delete", "pod", pods[0].Name, "--wait=true", "--timeout=90s"); err != nil {
		return "", err
	}
	err = until(ctx, time.Minute, "the successor of "+pods[0].Name, func() (bool, string, error) {
		now, err := t.kube.Pods(ctx)
		return ready(now[t.pool(role)]) >= len(pods), fmt.Sprintf("%d of %d ready", ready(now[t.pool(role)]), len(pods)), err
	})
	t.say("deleted %s, its successor is ready (%.1f s)", pods[0].Name, time.Since(start).Seconds())
	return pods[0].Name, err
}

func ready(pods []kube.Pod) int {
	n := 0
	for _, p := range pods {
		if p.Ready && !p.Leaving {
			n++
		}
	}
	return n
}

// otherRestarts counts the pods, persisters apart, that were restarted or replaced although nobody asked for it.
func (t *tour) otherRestarts(ctx context.Context, before map[string][]kube.Pod, asked map[string]bool) (int, error) {
	now, err := t.kube.Pods(ctx)
	if err != nil {
		return 0, err
	}
	n := 0
	for pool, pods := range before {
		if pool == t.pool("persister") {
			continue
		}
		alive := map[string]kube.Pod{}
		for _, p := range now[pool] {
			alive[p.UID] = p
		}
		for _, p := range pods {
			if after, still := alive[p.UID]; !still && !asked[p.Name] || after.Restarts > p.Restarts {
				t.say("%s was restarted or replaced, and nobody asked for it", p.Name)
				n++
			}
		}
	}
	return n, nil
}
