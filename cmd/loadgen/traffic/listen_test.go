package traffic

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestListenersWithoutAFirstAnswerAreNotWaitedForForEver(t *testing.T) {
	t.Parallel()
	for _, last := range []error{nil, errors.New("500 M_UNKNOWN: x")} {
		synctest.Test(t, func(t *testing.T) {
			var said []string
			l := &Load{listeners: make([]*user, 2)}
			l.cfg.Say = func(format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) }
			first := make(chan struct{}, 2)
			first <- struct{}{}
			begin := time.Now()
			want := "1 of 2 listeners have the answer to their first /sync; the others have no answer yet"
			if last != nil {
				l.trouble.set(last, 0)
				want = "1 of 2 listeners have the answer to their first /sync; the last error was: 500 M_UNKNOWN: x"
			}
			require.ErrorContains(t, l.gather(t.Context(), first, func() { t.Error("they are not ready") }), want)
			require.Equal(t, Ready, time.Since(begin))
			require.GreaterOrEqual(t, len(said), 9, "it is told on the way")
			require.Equal(t, want, said[0])
		})
	}
}

// What a listener has not got because the server forbids it to ask is not lost yet.
func TestPatienceDoesNotRunWhileAListenerMayNotAsk(t *testing.T) {
	t.Parallel()
	for limited, want := range map[time.Duration]time.Duration{
		0: 10 * time.Second, 20 * time.Second: 25 * time.Second, time.Hour: limits + 10*time.Second,
	} {
		synctest.Test(t, func(t *testing.T) {
			l := &Load{rooms: make([]*room, 1), listeners: make([]*user, 1)}
			played := newTrial(l, 1)
			played.tracker.Acknowledged(played.tracker.Send(0, time.Now()), "$e")
			l.trouble.set(errors.New("429"), limited)
			if limited == 20*time.Second {
				time.AfterFunc(25*time.Second, func() { played.tracker.Seen(0, 0, 0, "$e") })
			}
			begin := time.Now()
			l.cfg.Say = func(string, ...any) {}
			judged := played.settle(t.Context(), nil, 10*time.Second)
			require.True(t, judged)
			require.InDelta(t, want.Seconds(), time.Since(begin).Seconds(), 0.1)
		})
	}
}

// Who interrupts a trial does not wait until the server lets its listeners ask again, and nothing is called lost for that.
func TestAnInterruptedTrialDoesNotWaitForLimits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &Load{rooms: make([]*room, 1), listeners: make([]*user, 1)}
		var said []string
		l.cfg.Say = func(format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) }
		played := newTrial(l, 1)
		played.tracker.Acknowledged(played.tracker.Send(0, time.Now()), "$e")
		l.trouble.set(errors.New("429"), time.Minute)
		ctx, interrupt := context.WithCancel(t.Context())
		time.AfterFunc(30*time.Second, interrupt)
		begin := time.Now()
		require.False(t, played.settle(ctx, nil, 10*time.Second))
		require.InDelta(t, 40, time.Since(begin).Seconds(), 0.1)
		require.Equal(t, []string{"1 deliveries are missing, and the server lets some listener ask no sooner than in 1m0s: waiting"}, said)
	})
}
