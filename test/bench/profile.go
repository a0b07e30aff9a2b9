package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/myelin-hs/myelin/cmd/loadgen/measure"
	"github.com/myelin-hs/myelin/cmd/loadgen/traffic"
	"github.com/myelin-hs/myelin/pkg/network/porttest"
	"github.com/myelin-hs/myelin/test/figures"
	"github.com/myelin-hs/myelin/test/processes"
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
	r.say("%.0f events/s for %s", rate, length)
	dir := filepath.Join("artifacts", "profiles")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	group, running := errgroup.WithContext(ctx)
	for _, w := range f.workers {
		group.Go(func() error { return fetchProfile(running, w, length, filepath.Join(dir, w.Name+".pprof")) })
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
		blocks, err := scrape(running, f.with(persister)[0])
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

// scrape reads a worker's metrics that have no labels.
func scrape(ctx context.Context, w *processes.Worker) (map[string]float64, error) {
	text, err := fetch(ctx, "http://"+w.Probe+"/metrics")
	if err != nil {
		return nil, err
	}
	all := map[string]float64{}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if f, err := strconv.ParseFloat(value, 64); err == nil {
			all[name] = f
		}
	}
	return all, nil
}

// fetch returns what is served there.
func fetch(ctx context.Context, url string) ([]byte, error) {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(q)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", url, answer.Status)
	}
	return text, err
}

// fetchProfile writes a worker's CPU profile of so long to a file, for go tool pprof.
func fetchProfile(ctx context.Context, w *processes.Worker, length time.Duration, file string) error {
	text, err := fetch(ctx, fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%.0f", w.Pprof, length.Seconds()))
	if err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o644)
}
