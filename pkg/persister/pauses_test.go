package persister

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/id"
)

// attempts notes when something is tried, in a bubble.
type attempts struct {
	began time.Time
	at    []time.Duration
}

// again notes an attempt, and returns its number, from 1.
func (a *attempts) again() int {
	if a.at == nil {
		a.began = time.Now()
	}
	a.at = append(a.at, time.Since(a.began))
	return len(a.at)
}

// pauses returns how many milliseconds lie between the attempts.
func (a *attempts) pauses() (ms []int64) {
	for i := 1; i < len(a.at); i++ {
		ms = append(ms, (a.at[i] - a.at[i-1]).Milliseconds())
	}
	return ms
}

// growing are pauses from 10 ms to half a second.
func growing() []int64 { return []int64{10, 20, 40, 80, 160, 320, 500, 500, 500} }

// hang lasts until whoever waits gives up.
func hang(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// laneOf is a lane that does not run, for what its committer and its loader do.
func laneOf(leases Leases, pipe pipeline) *lane {
	m := newMeter(nil, func() float64 { return 0 })
	return newLane(laneConfig{pipe: pipe, leases: leases, log: slog.New(slog.DiscardHandler), copies: newCopies(m.copies), meter: m})
}

func TestALaneLetsADatabaseThatRefusesBlocksRest(t *testing.T) {
	t.Parallel()
	for name, code := range map[string]string{"a full disk": "53100", "another generation": "MX002", "a barrier is due": "MX003"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &memoryStore{}
				l := startLane(t, s)
				room := newRoomsIn(t, l, s, 0)[0]
				for _, want := range [][]int64{growing(), growing()[:3]} { // a block that is written ends a bad time
					var tried attempts
					l.pipe.commit = func(_ context.Context, b *block) error {
						if tried.again() <= len(want) {
							return &pgconn.PgError{SeverityUnlocalized: "ERROR", Code: code}
						}
						b.number, b.generation = 100, 1
						return nil
					}
					require.NoError(t, (<-queueMessage(t, l, room, "x")).err)
					require.Equal(t, want, tried.pauses())
				}
			})
		})
	}
}

// Who waits for a lock that others hold, or for a server that says nothing, is told so: after two times ten seconds.
func TestACommitThatHangsIsGivenUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &memoryStore{}
		l := startLane(t, s)
		room := newRoomsIn(t, l, s, 0)[0]
		var tried attempts
		l.pipe.commit = func(ctx context.Context, _ *block) error {
			tried.again()
			return hang(ctx)
		}
		got := <-queueMessage(t, l, room, "x")
		require.Equal(t, 503, status(got.err))
		require.Equal(t, []int64{10_010}, tried.pauses())
		require.Equal(t, 20_010*time.Millisecond, time.Since(tried.began))
	})
}

func TestABlockOfUnknownOutcomeIsLookedForUntilItIsFound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var tried attempts
		l := laneOf(&always{}, pipeline{resolve: func(ctx context.Context, _ *block) (bool, error) {
			switch n := tried.again(); {
			case n == 1:
				return false, hang(ctx)
			case n <= 9:
				return false, io.EOF
			}
			return true, nil
		}})
		o := l.lookUp(t.Context(), t.Context(), newBlock(), outcome{verdict: unknown, err: io.EOF})
		require.Equal(t, committed, o.verdict)
		want := growing()
		want[0] += 10_000
		require.Equal(t, want, tried.pauses())
	})
}

// The pause is not waited for, but a look that has begun is: it may yet find out.
func TestALookForABlockEndsWithTheProcess(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		hangs bool
		ends  time.Duration
	}{"in a pause": {false, 5 * time.Second}, "in a look": {true, 10 * time.Second}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				var tried attempts
				l := laneOf(&always{}, pipeline{resolve: func(ctx context.Context, _ *block) (bool, error) {
					switch {
					case tried.again() > 100:
						return true, nil
					case c.hangs:
						return false, hang(ctx)
					}
					return false, io.EOF
				}})
				o := l.lookUp(ctx, t.Context(), newBlock(), outcome{verdict: unknown, err: io.EOF})
				require.Equal(t, unknown, o.verdict)
				require.Equal(t, c.ends, time.Since(began))
			})
		})
	}
}

func TestTheLookForKeysThatAreThereIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		l := laneOf(&always{}, pipeline{
			commit: func(context.Context, *block) error {
				return &pgconn.PgError{SeverityUnlocalized: "ERROR", Code: "23505", TableName: "request_dedupe_20000"}
			},
			repeated: func(ctx context.Context, _ []dedupeKey) (map[dedupeKey]id.EventID, error) { return nil, hang(ctx) },
		})
		require.Equal(t, notWritten, l.persist(t.Context(), t.Context(), newBlock()).verdict)
		require.Equal(t, 10*time.Second, time.Since(began))
	})
}

// deaf is a worker that learns nothing of its leases.
type deaf struct{ always }

func (*deaf) Refresh(ctx context.Context) error { return hang(ctx) }

func TestABlockWaitsASecondForWhoHasItsShards(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		l := laneOf(&deaf{}, pipeline{commit: func(context.Context, *block) error {
			return &pgconn.PgError{SeverityUnlocalized: "ERROR", Code: "MX001", Detail: "3"}
		}})
		require.Equal(t, lost, l.persist(t.Context(), t.Context(), newBlock()).verdict)
		require.Equal(t, time.Second, time.Since(began))
	})
}

func TestRoomsAreReadAsSoonAsTheDatabaseCanBeRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var tried attempts
		l := laneOf(&always{}, pipeline{load: func(context.Context, []want) (loaded, error) {
			if tried.again() <= len(growing()) {
				return loaded{}, io.EOF
			}
			return loaded{}, nil
		}})
		_, err := l.attempt(t.Context(), nil)
		require.NoError(t, err)
		require.Equal(t, growing(), tried.pauses())
	})
}

// The set of rooms that takes too long is halved then.
func TestReadingRoomsIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		l := laneOf(&always{}, pipeline{load: func(ctx context.Context, _ []want) (loaded, error) { return loaded{}, hang(ctx) }})
		_, err := l.attempt(t.Context(), nil)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 10*time.Second, time.Since(began))

		l.pipe.load = func(context.Context, []want) (loaded, error) { return loaded{}, io.EOF }
		working, cancel := context.WithCancelCause(t.Context())
		began = time.Now()
		time.AfterFunc(1200*time.Millisecond, func() { cancel(errors.New("the lane ends")) })
		_, err = l.attempt(working, nil)
		require.ErrorIs(t, err, io.EOF)
		require.Equal(t, 1200*time.Millisecond, time.Since(began), "the pause is cut short")
	})
}
