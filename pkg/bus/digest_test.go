package bus_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/bus"
	"github.com/myelin-hs/myelin/pkg/bus/redistest"
)

// A second of 40 events, each a block of its own: of the bytes that come from Redis a dozen belong to an event, and what
// is around an announcement comes four times.
func TestWhoHearsDigestsReceivesADozenBytesForAnEvent(t *testing.T) {
	t.Parallel()
	const prefix, from, events, digests = "myelin:0a2f8c5e-6f0e-4b53-9d0c-3d8f1f6b7a21:", 123_456_789, 40, 4
	server := strings.TrimSuffix(strings.TrimPrefix(redistest.New(t), "redis://"), "/0")
	n := newNetwork(t, server)
	open := func(addr string) *bus.Bus {
		b, err := bus.Open(bus.Options{URI: bus.At("redis://" + addr), Prefix: prefix})
		require.NoError(t, err)
		t.Cleanup(func() { _ = b.Close() })
		return b
	}
	heard, up := make(chan bus.Horizon, digests), make(chan struct{}, 1)
	run(t, open(n.listener.Addr().String()).Subscribe(bus.Handler{
		Digest: func(h bus.Horizon) { heard <- h }, Connected: func() { up <- struct{}{} },
	}))
	receive(t, up)
	before := n.received.Load()
	b := open(server)
	pending, last := bus.Horizon{Generation: 1, Prev: from<<10 | 1023}, int64(from)
	for event := range events {
		h := bus.Horizon{Generation: 1, Prev: last<<10 | 1023, P: (last+1)<<10 | 1023, Blocks: []bus.BlockIndex{{
			Block: last + 1, Rooms: []uint64{bus.RoomHash(string(rune('a' + event)))},
		}}}
		last++
		require.NoError(t, b.PublishHorizon(t.Context(), h)) // for others
		pending.P, pending.Blocks = h.P, append(pending.Blocks, h.Blocks...)
		if len(pending.Blocks) == events/digests {
			require.NoError(t, b.PublishDigest(t.Context(), pending))
			require.Equal(t, pending, receive(t, heard))
			pending = bus.Horizon{Generation: 1, Prev: pending.P}
		}
	}
	const around = 120 // the channel's name, Redis's own, generation, Prev and P
	require.Less(t, n.received.Load()-before, int64(events*12+digests*around))
}
