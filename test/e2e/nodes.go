package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/shard"
	"github.com/myelin-hs/myelin/test/e2e/kube"
	"github.com/myelin-hs/myelin/test/e2e/load"
	"github.com/myelin-hs/myelin/test/figures"
)

// otherNode is the node beside that of the control plane.
const otherNode = "myelin-2"

// drainNode drains a node as kubectl does, and lets pods onto it again.
func (t *tour) drainNode(ctx context.Context, l *load.Load) ([]figures.Row, error) {
	if err := t.onNode(ctx, otherNode); err != nil {
		return nil, err
	}
	rows, err := t.planned(ctx, l, "drain_node.failed", func() error {
		start := time.Now()
		if _, err := t.kube.Do(ctx, "drain", otherNode, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=240s"); err != nil {
			return err
		}
		t.say("kubectl drain %s (%.1f s)", otherNode, time.Since(start).Seconds())
		return t.spread(ctx, 4)
	})
	if _, uncordoned := t.kube.Do(ctx, "uncordon", otherNode); err == nil {
		err = uncordoned
	}
	return rows, err
}

// onNode makes sure that gateways, syncs and persisters run on the node: pods are not moved onto a node that is new, or back.
func (t *tour) onNode(ctx context.Context, node string) error {
	here := func(role string) (int, error) {
		pools, err := t.kube.Pods(ctx)
		n := 0
		for _, p := range pools[t.pool(role)] {
			if p.Node == node && p.Ready && !p.Leaving {
				n++
			}
		}
		return n, err
	}
	// New ones go where there are fewest.
	if n, err := here("persister"); err != nil {
		return err
	} else if n == 0 {
		for _, n := range []int{2, 4} {
			if err := t.persisters(ctx, n); err != nil {
				return err
			}
		}
	}
	for _, role := range []string{"gateway", "sync"} {
		if n, err := here(role); err != nil {
			return err
		} else if n == 0 {
			if _, err := t.deletePod(ctx, role); err != nil {
				return err
			}
		}
	}
	for _, role := range []string{"persister", "gateway", "sync"} {
		if n, err := here(role); err != nil {
			return err
		} else if n == 0 {
			return fmt.Errorf("no %s runs on %s: the cluster needs two nodes (`cluster up --nodes 2`)", role, node)
		}
	}
	return nil
}

// nodeDeath kills all of a node at once, and measures how long the rooms of its persisters refuse writes.
func (t *tour) nodeDeath(ctx context.Context, l *load.Load) ([]figures.Row, error) {
	if err := t.onNode(ctx, otherNode); err != nil {
		return nil, err
	}
	pools, err := t.kube.Pods(ctx)
	if err != nil {
		return nil, err
	}
	var dead []string
	for _, p := range pools[t.pool("persister")] {
		if p.Node == otherNode {
			dead = append(dead, p.Name)
		}
	}
	rooms, err := t.roomsOf(ctx, l, dead)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	at, err := t.kube.KillNode(ctx, otherNode)
	if err != nil {
		return nil, err
	}
	took := recovery(ctx, l, rooms, at)
	if len(rooms) == 0 || slices.Contains(took, 0) {
		return nil, fmt.Errorf("%d rooms, of which some write no more", len(rooms))
	}
	most := slices.Max(took)
	t.say("%s died with %d persisters; their %d rooms write again after at most %s", otherNode, len(dead), len(rooms), most.Round(time.Millisecond))
	t.report("the node's death, each sent again until it succeeded", l.Failures.Since(start))
	rows := []figures.Row{figures.AtMost("node_death.recovery_max", "ms", float64(most.Microseconds())/1000, 5000)}
	if err := t.kube.RaiseNodes(ctx); err != nil {
		return rows, err
	}
	t.say("%s is up again", otherNode)
	return rows, t.spread(ctx, 4)
}

// roomsOf are the load's rooms whose shards these pods own.
func (t *tour) roomsOf(ctx context.Context, l *load.Load, pods []string) ([]string, error) {
	status, err := t.kube.Status(ctx)
	if err != nil {
		return nil, err
	}
	owned := map[int]bool{}
	for _, s := range status.Shards {
		owned[s.ID] = slices.Contains(pods, s.OwnerPod)
	}
	var rooms []string
	for _, room := range l.Rooms() {
		if owned[shard.Slot(id.RoomID(room))*len(status.Shards)/shard.Slots] {
			rooms = append(rooms, room)
		}
	}
	return rooms, nil
}

// forceDelete removes a persister's pod without any grace.
func (t *tour) forceDelete(ctx context.Context, l *load.Load) ([]figures.Row, error) {
	pools, err := t.kube.Pods(ctx)
	if err != nil {
		return nil, err
	}
	pods := slices.DeleteFunc(pools[t.pool("persister")], func(p kube.Pod) bool { return !p.Ready || p.Leaving })
	if len(pods) == 0 {
		return nil, fmt.Errorf("no persister is ready")
	}
	return t.planned(ctx, l, "force_delete.failed", func() error {
		if _, err := t.kube.Do(ctx, "delete", "pod", pods[0].Name, "--force", "--grace-period=0"); err != nil {
			return err
		}
		return t.spread(ctx, 4)
	})
}
