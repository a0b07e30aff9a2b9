package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/myelin-hs/myelin/cmd/loadgen/matrix"
	"github.com/myelin-hs/myelin/cmd/loadgen/traffic"
	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/shard"
	"github.com/myelin-hs/myelin/test/command"
	"github.com/myelin-hs/myelin/test/figures"
	"github.com/myelin-hs/myelin/test/processes"
)

func idleTable() []figures.Row {
	return []figures.Row{
		figures.Unmeasured("idle.uninterested_40", "% of a core", "≤ 0.1"),
		figures.Unmeasured("idle.uninterested_1000", "% of a core", "≤ 0.5"),
	}
}

// listeners are the users, each with a room of his own that he writes to and listens to; one of them is served by the
// worker with a hundredth of the users.
const listeners = 100

// A watched worker is one whose cost is measured.
type watched struct {
	name   string
	worker *processes.Worker
	redis  *meter
	cpu    time.Duration // at the last look
	bytes  int64
	base   float64 // % of a core without traffic
}

// look returns what the worker has used since the last look, in % of a core, and the bytes a second that it received.
func (w *watched) look(during time.Duration) (percent, bytes float64, err error) {
	used, err := cpu(w.worker.PID())
	if err != nil {
		return 0, 0, err
	}
	received := w.redis.received.Load()
	percent, bytes = 100*(used-w.cpu).Seconds()/during.Seconds(), float64(received-w.bytes)/during.Seconds()
	w.cpu, w.bytes = used, received
	return percent, bytes, nil
}

// idle measures workers that have nothing, or little, to do with the traffic.
func idle(ctx context.Context, r *rig) ([]figures.Row, error) {
	uri, drop, err := r.database(ctx, 0)
	if err != nil {
		return nil, err
	}
	defer drop()
	// A worker with the role client might come to announce the horizon, which is work.
	const door = "gateway"
	f, err := r.fleet(uri, persister, syncer, syncer, syncer, door)
	if err != nil {
		return nil, err
	}
	defer f.close()
	syncs := f.with(syncer)
	all := []*watched{
		{name: "uninterested_sync", worker: syncs[2]}, {name: "uninterested_gateway", worker: f.with(door)[0]}, {name: "hundredth", worker: syncs[1]},
	}
	for _, w := range all {
		if w.redis, err = newMeter(r.redis.Addr()); err != nil {
			return nil, err
		}
		defer w.redis.close()
		w.worker.RedisURI = "redis://" + w.redis.listener.Addr().String() + "/0"
	}
	if err := f.start(ctx); err != nil {
		return nil, err
	}
	if err := r.settleUsers(ctx, f, syncs); err != nil {
		return nil, err
	}
	return r.watch(ctx, f, all)
}

// settleUsers makes the users: one that the second sync worker serves, the rest are the first one's, none the third's.
func (r *rig) settleUsers(ctx context.Context, f *fleet, syncs []*processes.Worker) error {
	status, err := f.workers[0].Admin().Status(ctx)
	if err != nil {
		return err
	}
	ids := make([]int64, len(syncs))
	for i, w := range syncs {
		for _, s := range status.Workers {
			if s.Pod == w.Name {
				ids[i] = s.ID
			}
		}
		if ids[i] == 0 {
			return fmt.Errorf("%s is not among the workers", w.Name)
		}
	}
	n := pick(r, listeners, 6)
	names := make([]string, 0, n)
	for i := 0; len(names) < n; i++ {
		name := fmt.Sprint("idle-", i)
		served, _ := shard.Pick(strconv.Itoa(shard.UserShard(id.UserID("@"+name+":"+serverName))), ids)
		wanted := ids[0]
		if len(names) == 0 {
			wanted = ids[1]
		}
		if served == wanted {
			names = append(names, name)
		}
		if i > 100_000 {
			return errors.New("no user is served by the worker that should serve one")
		}
	}
	transport := matrix.Transport(600)
	f.load, err = traffic.New(ctx, engine(traffic.Size{Rooms: n, Users: n, Members: 1}, "send", func(ctx context.Context, number int, _ string) (*matrix.Client, error) {
		return matrix.Register(ctx, f.base(), processes.SharedSecret, names[number], transport, nil)
	}))
	return err
}

// watch plays nothing, and then each rate, for a minute each, and looks at the workers at the end of each.
func (r *rig) watch(ctx context.Context, f *fleet, all []*watched) (rows []figures.Row, err error) {
	minute := pick(r, time.Minute, time.Second)
	listening, stop := context.WithCancel(ctx)
	group, listening := errgroup.WithContext(listening)
	defer func() {
		stop()
		if werr := group.Wait(); err == nil {
			err = werr
		}
	}()
	ready := make(chan struct{}, listeners)
	for _, u := range f.load.Users() {
		group.Go(func() error {
			return u.Listen(listening, func() { ready <- struct{}{} }, func(string, matrix.Event) {})
		})
	}
	for range f.load.Users() {
		select {
		case <-ready:
		case <-listening.Done():
			return nil, firstError(ctx.Err(), errors.New("a listener ended"))
		}
	}
	var worst = map[int]float64{}
	rates := []int{0, 40, 120, 1000}
	if r.short {
		rates = []int{0, 40, 100}
	}
	for _, rate := range rates {
		r.say("%d events/s for %s", rate, minute)
		if err := command.Wait(ctx, minute/20); err != nil { // what came before is over
			return nil, err
		}
		for _, w := range all {
			if _, _, err := w.look(time.Second); err != nil {
				return nil, err
			}
		}
		began := time.Now()
		if rate == 0 {
			err = command.Wait(ctx, minute)
		} else {
			var result traffic.Result
			result, err = f.load.Play(ctx, traffic.Trial{Rate: float64(rate), Length: minute})
			if failed := result.Failed(); err == nil && failed > 0 {
				r.say("%d of the requests failed: the machine does not keep up", failed)
			}
		}
		if err := firstError(err, ctx.Err()); err != nil {
			return nil, err
		}
		during := time.Since(began)
		for _, w := range all {
			percent, bytes, err := w.look(during)
			if err != nil {
				return nil, err
			}
			if rate == 0 {
				w.base = percent
			}
			above := percent - w.base
			rows = append(rows, told(fmt.Sprintf("idle.%s_%d", w.name, rate), "% of a core", percent),
				told(fmt.Sprintf("idle.%s_%d.redis", w.name, rate), "bytes/s", bytes))
			if w.name != "hundredth" {
				worst[rate] = max(worst[rate], above)
			}
		}
	}
	most := rates[len(rates)-1]
	return append([]figures.Row{
		figures.AtMost("idle.uninterested_40", "% of a core", worst[40], 0.1), figures.AtMost("idle.uninterested_1000", "% of a core", worst[most], 0.5),
	}, rows...), nil
}

func told(name, unit string, value float64) figures.Row {
	return figures.Row{Name: name, Value: &value, Unit: unit}
}
