package persister

import (
	"context"
	"errors"
	"time"

	"github.com/myelin-hs/myelin/pkg/postgres"
)

// commitTimeout bounds one transaction. After it the connection is closed, and the outcome is unknown.
const commitTimeout = 10 * time.Second

// errOutlived is why the outcome of a block that was committed is unknown.
var errOutlived = errors.New("the database has another past since the block was committed")

// commitBlocks is the committer: one block at a time, until working ends.
func (l *lane) commitBlocks(ctx, working context.Context) {
	defer l.pipe.close(context.WithoutCancel(working))
	for {
		select {
		case <-working.Done():
			return
		case b := <-l.toCommit:
			begun := time.Now()
			o := l.persist(ctx, working, b)
			took := time.Since(begun)
			l.meter.block(o.verdict, len(b.entries), took)
			select {
			case l.committed <- settled{b, o, took}:
			case <-working.Done():
				return
			}
		}
	}
}

// persist commits a block and publishes it, or finds out why it was not written. It returns verdict unknown only when
// the process is to end.
func (l *lane) persist(ctx, working context.Context, b *block) outcome {
	o := l.try(working, b)
	if o.verdict == committed && b.generation != l.leases.Generation() {
		// Whether it has come over into the new generation remains to be seen.
		o = outcome{verdict: unknown, err: errOutlived}
	}
	switch o.verdict {
	case unknown:
		l.log.Warn("the outcome of a block is unknown: looking", "events", len(b.entries), "error", o.err)
		l.meter.failed(unknown)
		o = l.lookUp(ctx, working, b, o)
	case lost, stale:
		l.refresh(working)
	case repeated:
		bounded, cancel := context.WithTimeout(working, commitTimeout)
		found, err := l.pipe.repeated(bounded, keysOf(b))
		cancel()
		if err != nil {
			return outcome{verdict: notWritten, err: err}
		}
		o.found = found
	}
	if o.verdict == committed {
		l.pipe.publish(b)
	}
	return o
}

func (l *lane) try(working context.Context, b *block) outcome {
	ctx, cancel := context.WithTimeout(working, commitTimeout)
	defer cancel()
	return judge(l.pipe.commit(ctx, b))
}

// lookUp finds the outcome of a block that may or may not have been written. It does not give up before the process
// does.
func (l *lane) lookUp(ctx, working context.Context, b *block, o outcome) outcome {
	for pause := minPause; ; pause = min(2*pause, maxPause) {
		bounded, cancel := context.WithTimeout(working, commitTimeout)
		written, err := l.pipe.resolve(bounded, b)
		cancel()
		if err == nil {
			if written {
				return outcome{verdict: committed}
			}
			if errors.Is(o.err, context.DeadlineExceeded) {
				return outcome{verdict: contended, err: o.err}
			}
			return outcome{verdict: notWritten, err: o.err}
		}
		l.log.Warn("look for a block of unknown outcome", "error", err)
		if errors.Is(err, postgres.ErrOtherDatabase) {
			return outcome{verdict: unknown, err: err}
		}
		select {
		case <-ctx.Done():
			return o
		case <-time.After(pause):
		}
	}
}

func (l *lane) refresh(working context.Context) {
	ctx, cancel := context.WithTimeout(working, time.Second)
	defer cancel()
	if err := l.leases.Refresh(ctx); err != nil {
		l.log.Warn("refresh leases", "error", err)
	}
}

func keysOf(b *block) []dedupeKey {
	var keys []dedupeKey
	for _, w := range b.writes {
		if w.key.txn != "" {
			keys = append(keys, w.key)
		}
	}
	return keys
}
