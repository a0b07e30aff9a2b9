package main

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/myelin-hs/myelin/test/processes"
)

var mixedScenarios = []Scenario{
	{Name: "mixed-fleet", About: "the previous build's workers and this one's, from the migration under load to the last old one's end", Run: mixedFleet},
}

// previousCommit is the newest commit that was released before this one, or what counts as that.
//
//go:embed previous-build
var previousCommit string

// previousBuild builds the previous build's worker.
func (r *Run) previousBuild(ctx context.Context) (string, error) {
	commit := strings.TrimSpace(previousCommit)
	if out, err := exec.CommandContext(ctx, "git", "cat-file", "-e", commit+"^{tree}").CombinedOutput(); err != nil {
		return "", Skip(fmt.Sprintf("this clone does not have the previous build, commit %s (fetch the whole history): %s", commit, out))
	}
	source := filepath.Join(r.dir, "previous")
	if err := os.Mkdir(source, 0o700); err != nil {
		return "", err
	}
	archive := filepath.Join(r.dir, "previous.tar")
	binary := filepath.Join(r.dir, "previous-worker")
	for _, c := range [][]string{
		{"git", "archive", "--format=tar", "--output=" + archive, commit},
		{"tar", "-xf", archive, "-C", source},
		{"go", "build", "-C", source, "-o", binary, "./cmd/worker"},
	} {
		if out, err := exec.CommandContext(ctx, c[0], c[1:]...).CombinedOutput(); err != nil {
			return "", fmt.Errorf("build the previous build: %s: %w\n%s", strings.Join(c, " "), err, out)
		}
	}
	return binary, nil
}

func mixedFleet(ctx context.Context, r *Run) error {
	old, err := r.previousBuild(ctx)
	if err != nil {
		return err
	}
	uri, err := r.rig.emptyDatabase(ctx)
	if err != nil {
		return err
	}
	if out, err := exec.CommandContext(ctx, old, "migrate", "--server-name="+serverName, "--postgres-uri="+uri).CombinedOutput(); err != nil {
		return fmt.Errorf("migrate by the previous build: %w\n%s", err, out)
	}
	if err := watchLeases(ctx, uri); err != nil {
		return err
	}
	binary := old
	failed, err := r.planned(ctx, Fleet{
		Persisters: 2, Gateways: 2, Syncs: 1, PostgresURI: uri, Prepare: func(w *processes.Worker) error { w.Binary = binary; return nil },
	}, Traffic{})
	if err != nil {
		return err
	}
	olds := slices.Concat(r.Persisters, r.Gateways, r.Syncs)
	r.Mark("this build migrates the database")
	if err := r.Migrate(ctx, uri, 0); err != nil {
		return err
	}
	if err := r.moment(ctx, time.Second); err != nil {
		return err
	}
	binary = r.Binary()
	for _, roles := range []string{persister, persister, gateway, syncer} {
		if _, err := r.Add(ctx, roles); err != nil {
			return err
		}
	}
	if err := r.Settle(ctx); err != nil {
		return err
	}
	r.Mark("as many old workers as new ones")
	for range 6 {
		s, err := r.Status(ctx)
		if err != nil {
			return err
		}
		to := r.Persisters[r.Rand.IntN(len(r.Persisters))]
		shard := s.Shards[r.Rand.IntN(len(s.Shards))]
		if shard.OwnerPod == to.Name {
			continue
		}
		if _, err := r.Gateways[r.Rand.IntN(len(r.Gateways))].Admin().Move(ctx, shard.ID, workerID(s, to)); err != nil {
			return err
		}
		r.Mark("moved shard %d from %s to %s", shard.ID, shard.OwnerPod, to.Name)
	}
	if err := none(failed()); err != nil {
		return err
	}
	for _, victim := range []*processes.Worker{olds[0], r.Persisters[len(r.Persisters)-1]} {
		rooms, err := r.RoomsOf(ctx, victim)
		if err != nil {
			return err
		}
		over, at := r.Fault("SIGKILL %s", victim.Name), time.Now()
		victim.Kill()
		took, err := r.Recovery(ctx, at, rooms)
		if err != nil {
			return err
		}
		over()
		r.Say("%d rooms of %s recovered: p99 %.0f ms", len(took), victim.Name, ms(percentile(took, 0.99)))
		if err := r.Again(ctx, victim); err != nil {
			return err
		}
		if err := r.Settle(ctx); err != nil {
			return err
		}
	}
	before := failed()
	for _, w := range olds {
		over := r.Fault("SIGTERM %s, an old worker", w.Name)
		if err := r.Terminate(ctx, w); err != nil {
			return err
		}
		over()
	}
	return none(failed() - before)
}
