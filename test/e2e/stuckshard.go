package main

import (
	"context"
	"errors"
	"time"

	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/shard"
	"github.com/myelin-hs/myelin/test/e2e/load"
	"github.com/myelin-hs/myelin/test/e2e/scaling"
	"github.com/myelin-hs/myelin/test/figures"
)

// stuckShard holds the row of one shard, in which clients write, in a transaction that does nothing: its lag grows and
// grows, and no number of workers would help. The pool must not grow for it; it may by one for its other lanes, which are late
// when the stuck one is tried again. The persister has CPU enough for that, or what makes them late is its limit.
func (t *tour) stuckShard(ctx context.Context, l *load.Load) ([]figures.Row, error) {
	return t.limited(ctx, "150m", func() ([]figures.Row, error) { return t.holdShard(ctx, l) })
}

func (t *tour) holdShard(ctx context.Context, l *load.Load) ([]figures.Row, error) {
	if err := t.scale.recorder.steady(ctx, 1, 20*time.Second, 3*time.Minute); err != nil {
		return nil, err
	}
	db, err := t.openTable(ctx)
	if err != nil {
		return nil, err
	}
	defer db.Close(context.WithoutCancel(ctx)) // and with it the transaction
	status, err := t.kube.Status(ctx)
	if err != nil {
		return nil, err
	}
	if len(status.Shards) == 0 {
		return nil, errors.New("the homeserver has no shards")
	}
	stuck := shard.Slot(id.RoomID(l.Rooms()[0])) * len(status.Shards) / shard.Slots
	tx, err := db.Begin(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := tx.Exec(ctx, "SELECT FROM shard_lease WHERE space = 'room' AND shard_id = $1 FOR UPDATE", stuck); err != nil {
		return nil, err
	}
	t.say("shard %d is stuck: a transaction holds its row", stuck)
	start := time.Now()
	if err := t.watched(ctx, 90*time.Second); err != nil {
		return nil, err
	}
	during := t.scale.recorder.since(start)
	if err := tx.Rollback(ctx); err != nil {
		return nil, err
	}
	t.say("shard %d is free again; there were at most %d persisters", stuck, scaling.Most(during))
	rows := []figures.Row{figures.AtMost("stuck.replicas", "replicas", float64(scaling.Most(during)), 2)}
	if !scaling.Rose(during, t.scale.target) {
		return rows, errors.New("the lag never rose: no shard was stuck")
	}
	return rows, nil
}
