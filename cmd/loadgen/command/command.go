package command

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"

	"github.com/myelin-hs/myelin/cmd/loadgen/matrix"
	"github.com/myelin-hs/myelin/cmd/loadgen/search"
	"github.com/myelin-hs/myelin/cmd/loadgen/traffic"
)

// Main runs the load generator until it is done or ctx ends, and returns the exit code. Results go to out, and how it gets
// on to progress.
func Main(ctx context.Context, args []string, out, progress io.Writer) int {
	o, err := Parse(args, out)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		fmt.Fprintf(progress, "loadgen: %v\nloadgen --help says what there is.\n", err)
		return exitUsage
	}
	r, err := run(ctx, o, progress)
	measured := r != nil && r.Result.Rate > 0
	switch {
	case ctx.Err() != nil && !measured:
		fmt.Fprintln(progress, "loadgen: interrupted before anything was measured")
		return exitInterrupted
	case err != nil:
		fmt.Fprintln(progress, "loadgen:", err)
		if !measured {
			return exitError
		}
		r.Error = err.Error()
	}
	if err := r.write(out, o.JSON); err != nil {
		fmt.Fprintln(progress, "loadgen:", err)
		return exitError
	}
	if code := r.exit(); code != exitError || ctx.Err() == nil {
		return code
	}
	return exitInterrupted
}

// run prepares the load and plays it. With an error it returns what was measured before, too.
func run(ctx context.Context, o Options, progress io.Writer) (r *Report, err error) {
	profile, _ := traffic.FindProfile(o.Profile)
	transport := matrix.Transport(o.InFlight + o.Size.Listeners)
	account, err := o.accounts(o.Size.Users+o.Size.Listeners, transport)
	if err != nil {
		return nil, err
	}
	say := func(format string, args ...any) { fmt.Fprintf(progress, format+"\n", args...) }
	load, err := traffic.New(ctx, traffic.Config{
		Profile: profile, Size: o.Size, Account: account, Run: "load-" + strings.ToLower(rand.Text()[:10]), Body: o.Body,
		InFlight: o.InFlight, Backlog: o.Backlog, Deadline: o.Deadline, Ready: o.Ready, Say: say,
	})
	if err != nil {
		return nil, err
	}
	listening, stop := context.WithCancel(context.WithoutCancel(ctx)) // the results of an interrupted run are judged, too
	ended := make(chan error, 1)
	ready := make(chan struct{})
	go func() { ended <- load.Listen(listening, func() { close(ready) }) }()
	defer func() {
		stop()
		if lerr := <-ended; err == nil {
			err = lerr
		}
	}()
	select {
	case <-ready:
	case <-ctx.Done():
		return nil, ctx.Err()
	case err := <-ended:
		ended <- nil
		return nil, err
	}
	r = &Report{Profile: o.Profile, Base: o.Base, Size: o.Size}
	r.Mix, r.Unserved = load.Mix()
	return r, o.play(ctx, load, r, say)
}

// play plays one trial, or as many as the search for the greatest rate takes.
func (o Options) play(ctx context.Context, load *traffic.Load, r *Report, say func(string, ...any)) (err error) {
	p := traffic.Trial{Rate: o.Rate, Warmup: o.Warmup, Length: o.Duration, Patience: o.Patience}
	if !o.FindRate {
		say("%g requests a second for %s", o.Rate, o.Warmup+o.Duration)
		r.Result, err = load.Play(ctx, p)
		return err
	}
	r.Search = &Search{P99: float64(o.P99.Microseconds()) / 1000}
	bound := traffic.Bound{
		P99: o.P99, Bounds: search.Bounds{From: o.Rate, To: o.MaxRate, Step: 2, Precision: 0.05, Doubt: 1, Confirm: 3}, Trial: p,
		Each: func(t traffic.Result, keeps, confirm bool) {
			r.Search.Tries = append(r.Search.Tries, Try{Rate: t.Rate, P99: t.Slowest(), Failed: t.Failed(), Keeps: keeps})
			verdict := map[bool]string{true: "keeps it", false: "does not"}[keeps]
			if confirm {
				verdict += ", played twice as long"
			}
			say("%.4g a second: p99 %.4g ms, %d failed: %s", t.Rate, t.Slowest(), t.Failed(), verdict)
		},
	}
	r.Result, r.Search.Found, err = load.Greatest(ctx, bound)
	if r.Search.Found {
		r.Search.Rate = r.Result.Rate
	}
	return err
}
