package main

import (
	"context"
	"time"

	"github.com/myelin-hs/myelin/test/command"
)

var latencyScenarios = []Scenario{
	{Name: "endtoend", Quiet: true, About: "40 events/s for a minute, and nothing is broken", Run: endToEnd},
}

// endToEnd measures from the call of a send until the event is in another user's answer of a long poll.
func endToEnd(ctx context.Context, r *Run) error {
	failed, err := r.planned(ctx, Fleet{Persisters: 2, Gateways: 2, Syncs: 2}, Traffic{Rooms: 20, Rate: 40, Writers: 1})
	if err != nil {
		return err
	}
	warm := time.Now().Add(2 * time.Second)
	if err := command.Wait(ctx, time.Minute); err != nil {
		return err
	}
	called := map[string]time.Time{}
	var sends []time.Duration
	for _, s := range r.Load.History.Sends() {
		if s.Called.After(warm) {
			called[s.EventID] = s.Called
			sends = append(sends, s.Answered.Sub(s.Called))
		}
	}
	var took []time.Duration
	for _, s := range r.Load.History.Views() {
		if from, ok := called[s.EventID]; ok {
			took = append(took, s.At.Sub(from))
		}
	}
	r.Say("%d deliveries: p50 %.1f ms, p99 %.1f ms; the sends themselves: p50 %.1f ms, p99 %.1f ms", len(took), ms(percentile(took, 0.5)),
		ms(percentile(took, 0.99)), ms(percentile(sends, 0.5)), ms(percentile(sends, 0.99)))
	r.Figure("endtoend_p50", ms(percentile(took, 0.5)))
	r.Figure("endtoend_p99", ms(percentile(took, 0.99)))
	return none(failed())
}
