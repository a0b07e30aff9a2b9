package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	// scenarioLimit bounds a scenario, asideLimit one that runs beside the others.
	scenarioLimit = 3 * time.Minute
	asideLimit    = 30 * time.Minute
)

// play runs a scenario and judges it. It reports whether all was well.
func (g *rig) play(ctx context.Context, s Scenario) bool {
	if s.Steps {
		if err := g.buildStepped(); err != nil {
			g.say(s.Name, "FAILED: %v", err)
			return false
		}
	}
	limit := scenarioLimit
	if s.Aside {
		limit = asideLimit
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	began := time.Now()
	g.say(s.Name, "%s", s.About)
	r, err := g.newRun(s.Name)
	if err != nil {
		g.say(s.Name, "FAILED: %v", err)
		return false
	}
	defer r.close()
	err = s.Run(ctx, r)
	if why := (skipped{}); errors.As(err, &why) {
		g.say(s.Name, "SKIPPED: %s", why.why)
		return true
	}
	var v verdict
	if r.traffic != nil {
		err = errors.Join(err, r.finish(ctx))
		var jerr error
		if v, jerr = r.judge(context.WithoutCancel(ctx)); jerr != nil {
			err = errors.Join(err, fmt.Errorf("judge: %w", jerr))
		}
	}
	if ctx.Err() != nil && context.Cause(ctx) != context.DeadlineExceeded {
		return false // interrupted
	}
	if r.traffic == nil {
		if err != nil {
			g.say(s.Name, "FAILED after %.1f s: %v", time.Since(began).Seconds(), err)
			g.preserve(s, r, v)
			return false
		}
		g.say(s.Name, "ok, %.1f s", time.Since(began).Seconds())
		return true
	}
	r.Figure("acked.lost", float64(len(v.Lost)))
	r.Figure("acked.duplicated", float64(len(v.Duplicated)))
	r.Figure("acked.reordered", float64(len(v.Reordered)))
	r.Figure("reader.skipped", float64(len(v.Skipped)))
	r.Figure("reader.repeated", float64(len(v.Repeated)))
	r.Figure("horizon.standstill_max", ms(r.watch.standstill))
	sent, seen, stored := r.Load.History.Counts()
	facts := fmt.Sprintf("%.1f s: %d sent, %d stored, %d seen, %d attempts failed, P stood still for %.0f ms", time.Since(began).Seconds(),
		sent, stored, seen, len(r.Load.Failures.Since(began)), ms(r.watch.standstill))
	if err == nil && v.ok() {
		g.say(s.Name, "ok, %s", facts)
		if g.keep {
			g.preserve(s, r, v)
		}
		return true
	}
	g.say(s.Name, "FAILED, %s", facts)
	if err != nil {
		g.say(s.Name, "  %v", err)
	}
	for _, sentence := range v.sentences() {
		g.say(s.Name, "  %s", sentence)
	}
	g.preserve(s, r, v)
	return false
}

// preserve keeps what a failed scenario leaves, and says where.
func (g *rig) preserve(s Scenario, r *Run, v verdict) {
	where := filepath.Join(g.artifacts, fmt.Sprintf("%s-%d", s.Name, g.seed))
	if err := r.keep(where, v); err != nil {
		g.say(s.Name, "  keep what happened: %v", err)
	}
	g.say(s.Name, "  what is known of it is in %s; again: go run ./test/chaos --seed %d --only '^%s$'", where, g.seed, s.Name)
}

// keep leaves the logs for people, the history and its pictures.
func (r *Run) keep(where string, v verdict) error {
	if err := os.RemoveAll(where); err != nil {
		return err
	}
	if err := os.MkdirAll(where, 0o755); err != nil {
		return err
	}
	if err := os.CopyFS(filepath.Join(where, "logs"), os.DirFS(filepath.Join(r.dir, "logs"))); err != nil {
		return err
	}
	if r.traffic == nil { // it failed before anything was sent
		return nil
	}
	var failures strings.Builder
	for _, f := range r.Load.Failures.Since(time.Time{}) {
		fmt.Fprintf(&failures, "%s after %s: %s: %s\n", f.At.Format(time.RFC3339Nano), f.Took, f.Request, f.Outcome)
	}
	return errors.Join(
		os.WriteFile(filepath.Join(where, "verdict.txt"), []byte(strings.Join(v.sentences(), "\n")+"\n"), 0o644),
		os.WriteFile(filepath.Join(where, "failures.txt"), []byte(failures.String()), 0o644),
		r.Load.History.Dump(filepath.Join(where, "history.json")),
		r.drawTimeline(filepath.Join(where, "timeline.html")),
		v.linear.Draw(filepath.Join(where, "linearizability.html")),
	)
}
