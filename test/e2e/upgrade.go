package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/myelin-hs/myelin/test/e2e/load"
	"github.com/myelin-hs/myelin/test/figures"
)

// upgradeImage names another image, with one migration more, and waits until every worker runs it. The operator is killed
// while the migration runs, and once more while the pods roll.
func (t *tour) upgradeImage(ctx context.Context, l *load.Load) ([]figures.Row, error) {
	if t.upgrade == "" {
		return nil, errors.New("--upgrade-image names none")
	}
	before, err := t.schemaVersion(ctx)
	if err != nil {
		return nil, err
	}
	return t.planned(ctx, l, "upgrade.failed", func() error {
		start := time.Now()
		patch := fmt.Sprintf(`{"spec":{"image":%q}}`, t.upgrade)
		if _, err := t.kube.Do(ctx, "patch", "homeserver", t.kube.Homeserver, "--type=merge", "-p", patch); err != nil {
			return err
		}
		if err := t.kube.KillOperator(ctx); err != nil {
			return err
		}
		killed := false
		err := until(ctx, 8*time.Minute, "all pods of the new image", func() (bool, string, error) {
			old, fresh, err := t.images(ctx)
			if err == nil && fresh > 0 && old > 0 && !killed {
				killed = true
				err = t.kube.KillOperator(ctx)
			}
			return err == nil && old == 0 && fresh > 0, fmt.Sprintf("%d of the old, %d of the new", old, fresh), err
		})
		if err != nil {
			return err
		}
		if err := t.condition(ctx, "Ready", "True", "", 3*time.Minute); err != nil {
			return err
		}
		if err := t.spread(ctx, 4); err != nil {
			return err
		}
		after, err := t.schemaVersion(ctx)
		if err == nil && after == before {
			err = fmt.Errorf("the schema is still at version %s", before)
		}
		t.say("upgraded, schema %s to %s (%.1f s)", before, after, time.Since(start).Seconds())
		return err
	})
}

func (t *tour) schemaVersion(ctx context.Context) (string, error) {
	out, err := t.kube.Do(ctx, "get", "homeserver", t.kube.Homeserver, "-o", "jsonpath={.status.database.schemaVersion}")
	return string(out), err
}

// images counts the workers' pods that run another image than the upgrade's, and those that run that and are ready.
func (t *tour) images(ctx context.Context) (old, fresh int, err error) {
	out, err := t.kube.Do(ctx, "get", "pods", "-l", "myelin.dev/homeserver="+t.kube.Homeserver+",myelin.dev/pool", "-o",
		`jsonpath={range .items[*]}{.spec.containers[0].image} {.status.conditions[?(@.type=="Ready")].status}{"\n"}{end}`)
	for line := range strings.Lines(string(out)) {
		image, ready, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch {
		case image != t.upgrade:
			old++
		case ready == "True":
			fresh++
		}
	}
	return old, fresh, err
}

// killOperator kills the operator in the middle of scaling down, and of scaling up.
func (t *tour) killOperator(ctx context.Context, l *load.Load) ([]figures.Row, error) {
	return t.planned(ctx, l, "operator_kill.failed", func() error {
		for _, n := range []int{2, 4} {
			if err := t.kube.Scale(ctx, t.pool("persister"), n); err != nil {
				return err
			}
			if err := t.kube.KillOperator(ctx); err != nil {
				return err
			}
			if err := t.spread(ctx, n); err != nil {
				return err
			}
			t.say("the operator was killed at once, and there are %d persisters", n)
		}
		return nil
	})
}
