package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/myelin-hs/myelin/test/command"
	"github.com/myelin-hs/myelin/test/e2e/load"
	"github.com/myelin-hs/myelin/test/figures"
)

// faultPatience is for how long a client sends a message again, under its transaction id: longer than any outage.
const faultPatience = 2 * time.Minute

// fault is something that befalls the homeserver while clients write. It returns its figures, and ends with all as it was.
type fault struct {
	name string
	play func(*tour, context.Context, *load.Load) ([]figures.Row, error)
}

var faults = []fault{
	{"force-delete", (*tour).forceDelete},
	{"operator-kill", (*tour).killOperator},
	{"bad-secret", (*tour).badSecret},
	{"drain-node", (*tour).drainNode},
	{"redis-down", (*tour).redisDown},
	{"database-down", (*tour).databaseDown},
	{"node-death", (*tour).nodeDeath},
	{"upgrade", (*tour).upgradeImage},
}

// faultTable is what all of them measure; the fleet's rows stand in the same file.
var faultTable = []figures.Row{
	figures.Unmeasured("upgrade.failed", "requests", "0"),
	figures.Unmeasured("drain_node.failed", "requests", "0"),
	figures.Unmeasured("node_death.recovery_max", "ms", "≤ 5000"),
	figures.Unmeasured("idle.api_requests", "requests/min", "≤ 2"),
	figures.Unmeasured("scale.operator_rss", "MB", "≤ 150"),
	figures.Unmeasured("scale.second_pass_writes", "writes", "0"),
}

func faultNames() string {
	var names []string
	for _, f := range faults {
		names = append(names, f.name)
	}
	return strings.Join(names, ", ")
}

func chooseFaults(list string) ([]fault, error) {
	if list == "all" {
		return faults, nil
	}
	var chosen []fault
	for name := range strings.SplitSeq(list, ",") {
		i := slices.IndexFunc(faults, func(f fault) bool { return f.name == name })
		if i < 0 {
			return nil, fmt.Errorf("--faults: there is no %q; there are %s", name, faultNames())
		}
		chosen = append(chosen, faults[i])
	}
	return chosen, nil
}

// playFaults plays one after the other, each from four persisters with an even share.
func (t *tour) playFaults(chosen []fault) func(context.Context, *load.Load) ([]figures.Row, error) {
	return func(ctx context.Context, l *load.Load) (rows []figures.Row, err error) {
		for _, f := range chosen {
			if err := t.persisters(ctx, 4); err != nil {
				return rows, err
			}
			t.say("== %s", f.name)
			measured, err := f.play(t, ctx, l)
			rows = append(rows, measured...)
			if err != nil {
				return rows, fmt.Errorf("%s: %w", f.name, err)
			}
		}
		return rows, nil
	}
}

// planned runs what must fail no request, and counts those that did.
func (t *tour) planned(ctx context.Context, l *load.Load, row string, do func() error) ([]figures.Row, error) {
	start := time.Now()
	if err := do(); err != nil {
		return nil, err
	}
	if err := command.Wait(ctx, 3*time.Second); err != nil {
		return nil, err
	}
	failed := l.Failures.Since(start)
	t.report(row, failed)
	return []figures.Row{figures.AtMost(row, "requests", float64(len(failed)), 0)}, nil
}

// condition waits until the Homeserver's condition has the status and reason; an empty reason is any.
func (t *tour) condition(ctx context.Context, kind, status, reason string, limit time.Duration) error {
	path := fmt.Sprintf(`jsonpath={.metadata.generation}/{.status.observedGeneration}/{.status.conditions[?(@.type==%q)].status}/{.status.conditions[?(@.type==%q)].reason}`, kind, kind)
	return until(ctx, limit, fmt.Sprintf("%s=%s(%s)", kind, status, reason), func() (bool, string, error) {
		out, err := t.kube.Do(ctx, "get", "homeserver", t.kube.Homeserver, "-o", path)
		f := strings.Split(string(out), "/")
		if err != nil || len(f) != 4 {
			return false, string(out), err
		}
		return f[0] == f[1] && f[2] == status && (reason == "" || f[3] == reason), string(out), nil
	})
}
