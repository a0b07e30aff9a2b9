package main

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/myelin-hs/myelin/cmd/loadgen/matrix"
	"github.com/myelin-hs/myelin/test/figures"
)

// members of each room that is loaded in bulk.
const members = 20

func memoryTable() []figures.Row {
	return []figures.Row{figures.Unmeasured("persister.rss_10k_rooms", "MB", "≤ 250")}
}

// memory measures the row of make bench that is not a rate, alone.
func memory(ctx context.Context, r *rig) ([]figures.Row, error) {
	row, err := r.memory(ctx)
	return []figures.Row{row}, err
}

// memory is a persister's resident memory once it has 10,000 rooms in use.
func (r *rig) memory(ctx context.Context) (row figures.Row, err error) {
	rooms := pick(r, 10_000, 50)
	r.say("%d rooms of %d members, loaded and then written to", rooms, members)
	uri, drop, err := r.database(ctx, 0)
	if err != nil {
		return row, err
	}
	defer drop()
	b, err := newBulk(ctx, uri)
	if err != nil {
		return row, err
	}
	defer b.close(ctx)
	if err := b.accounts(ctx, 0, members); err != nil {
		return row, err
	}
	ids := make([]string, rooms)
	for i := range ids {
		if ids[i], err = b.room(ctx, span(0, members), 0); err != nil {
			return row, err
		}
	}
	if err := b.finish(ctx); err != nil {
		return row, err
	}
	f, err := r.fleet(uri, persister)
	if err != nil {
		return row, err
	}
	defer f.close()
	if err := f.start(ctx); err != nil {
		return row, err
	}
	client, err := matrix.WithToken(ctx, f.base(), token(0), matrix.Transport(64), nil)
	if err != nil {
		return row, err
	}
	client.Deadline = time.Minute
	group, sending := errgroup.WithContext(ctx)
	group.SetLimit(32)
	for i, room := range ids {
		group.Go(func() error {
			_, err := client.Send(sending, room, fmt.Sprint("warm-", i))
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return row, fmt.Errorf("write to every room: %w", err)
	}
	mb, err := rss(f.with(persister)[0].PID())
	return figures.AtMost("persister.rss_10k_rooms", "MB", mb, 250), err
}
