package main

import (
	"context"
	"time"

	"github.com/myelin-hs/myelin/test/command"
	"github.com/myelin-hs/myelin/test/e2e/kube"
	"github.com/myelin-hs/myelin/test/figures"
)

// measureIdle measures the memory of a persister and of the operator on a homeserver that nobody has used yet, 60 s
// after it was Ready. On one that was used it measures nothing: the figure would be another.
func (t *tour) measureIdle(ctx context.Context) ([]figures.Row, error) {
	if !t.idle {
		return nil, nil
	}
	db, err := t.openTable(ctx)
	if err != nil {
		return nil, err
	}
	defer db.Close(context.WithoutCancel(ctx))
	var used bool
	if err := db.QueryRow(ctx, "SELECT EXISTS (SELECT FROM event)").Scan(&used); err != nil {
		return nil, err
	}
	if used {
		t.say("the homeserver has been used: its idle memory is not measured")
		return nil, nil
	}
	since, err := t.kube.Do(ctx, "get", "homeserver", t.kube.Homeserver, "-o", `jsonpath={.status.conditions[?(@.type=="Ready")].lastTransitionTime}`)
	if err != nil {
		return nil, err
	}
	ready, err := time.Parse(time.RFC3339, string(since))
	if err != nil {
		return nil, err
	}
	if left := time.Until(ready.Add(time.Minute)); left > 0 {
		t.say("measuring idle memory in %.0f s, a minute after Ready", left.Seconds())
		if err := command.Wait(ctx, left); err != nil {
			return nil, err
		}
	}
	pools, err := t.kube.Pods(ctx)
	if err != nil {
		return nil, err
	}
	persister := 0.0
	for _, p := range pools[t.pool("persister")] {
		mb, err := kube.RSS(p.UID)
		if err != nil {
			return nil, err
		}
		persister = max(persister, mb)
	}
	uid, err := t.kube.OperatorPod(ctx)
	if err != nil {
		return nil, err
	}
	operator, err := kube.RSS(uid)
	if err != nil {
		return nil, err
	}
	return []figures.Row{
		figures.AtMost("persister.rss_idle", "MB", persister, 40),
		figures.AtMost("operator.rss_idle", "MB", operator, 60),
	}, nil
}
