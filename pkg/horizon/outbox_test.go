package horizon

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/bus"
)

// A Redis that takes its time holds no round up; what waits for it is joined, and stays small.
func TestASlowBusDoesNotHoldTheAnnouncerUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan error)
		var sent []bus.Horizon
		o := newOutbox(func(_ context.Context, h bus.Horizon) error {
			sent = append(sent, h)
			return <-release
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); o.run(ctx) }()
		move := func(generation, from, to int64) bus.Horizon {
			h := bus.Horizon{Generation: generation, Prev: from, P: to}
			for b := from + 1; b <= to; b++ {
				h.Blocks = append(h.Blocks, bus.BlockIndex{Block: b})
			}
			return h
		}
		next := func(err error) bus.Horizon {
			release <- err
			synctest.Wait()
			return sent[len(sent)-1]
		}
		o.put(move(1, 0, 1))
		synctest.Wait()
		for i := range int64(10) {
			o.put(move(1, 1+i, 2+i))
		}
		o.put(move(1, 11, 11)) // it is fresh
		require.Equal(t, []bus.Horizon{move(1, 0, 1)}, sent)
		require.Equal(t, move(1, 1, 11), next(nil))

		o.put(move(1, 11, 12))
		o.put(move(1, 12, 12+maxBlocks)) // too long together
		require.Equal(t, move(1, 12, 12+maxBlocks), next(errors.New("no Redis")))
		o.put(move(1, 12+maxBlocks, 600))
		o.put(move(2, 600, 601))
		require.Equal(t, move(2, 600, 601), next(nil), "generations are not joined")
		o.put(move(2, 601, 602))
		o.put(move(2, 700, 701)) // of which the older part was lost
		require.Equal(t, move(2, 700, 701), next(nil))
		cancel()
		release <- nil
		<-done
	})
}
