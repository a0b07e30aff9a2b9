package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/myelin-hs/myelin/cmd/loadgen/measure"
	"github.com/myelin-hs/myelin/cmd/loadgen/traffic"
	"github.com/myelin-hs/myelin/pkg/network/porttest"
	"github.com/myelin-hs/myelin/test/figures"
)

func profileTable() []figures.Row { return nil }

// profile writes CPU profiles of a gateway and a persister, and says what each process used for an event.
func profile(ctx context.Context, r *rig) ([]figures.Row, error) {
	uri, drop, err := r.database(ctx, 0)
	if err != nil {
		return nil, err
	}
	defer drop()
	f, err := r.fleet(uri, persister)
	if err != nil {
		return nil, err
	}
	defer f.close()
	for _, w := range f.workers {
		port, err := porttest.Reserve()
		if err != nil {
			return nil, err
		}
		w.Pprof = fmt.Sprintf("127.0.0.1:%d", port)
	}
	if err := f.start(ctx); err != nil {
		return nil, err
	}
	if err := f.prepare(ctx, pick(r, busy, traffic.Size{Rooms: 4, Users: 2, Members: 2}), "send"); err != nil {
		return nil, err
	}
	rate, length := pick(r, r.rate, 20.0), pick(r, 20*time.Second, time.Second)
	// Connections are made and rooms read before.
	if _, err := f.play(ctx, traffic.Trial{Rate: rate, Length: pick(r, 3*time.Second, 400*time.Millisecond)}); err != nil {
		return nil, err
	}
	r.say("%.0f events/s for %s", rate, length)
	dir := filepath.Join("artifacts", "profiles")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	group, running := errgroup.WithContext(ctx)
	for _, w := range f.workers {
		group.Go(func() error {
			text, err := w.Profile(running, length)
			if err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(dir, w.Name+".pprof"), text, 0o644)
		})
	}
	var measured []figures.Row
	group.Go(func() error {
		before, err := r.tally(f)
		if err != nil {
			return err
		}
		result, err := f.load.Play(running, traffic.Trial{Rate: rate, Length: length})
		if err != nil {
			return err
		}
		if failed := result.Failed(); failed > 0 {
			r.say("%d requests failed: the machine does not keep up", failed)
		}
		send, _ := measure.Find(result.Rows, traffic.Send)
		parts, err := before.each(max(1, send.OK))
		if err != nil {
			return err
		}
		for _, name := range slices.Sorted(maps.Keys(parts)) {
			measured = append(measured, told("cpu."+name, "µs of a core an event", parts[name]))
		}
		for _, row := range result.Rows {
			measured = append(measured, told(row.Kind+".p50", "ms", row.P50), told(row.Kind+".p99", "ms", row.P99))
		}
		blocks, err := f.with(persister)[0].Metrics(running)
		if err != nil {
			return err
		}
		n := blocks["myelin_persister_commit_seconds_count"]
		measured = append(measured, told("block.events", "events", blocks["myelin_persister_block_events_sum"]/n),
			told("block.commit", "ms", 1000*blocks["myelin_persister_commit_seconds_sum"]/n))
		return nil
	})
	return measured, group.Wait()
}
