package lease

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

// warmNode is a node that does something before it quiesces, for as long as it is let.
type warmNode struct{ *node }

func (w warmNode) Warm(ctx context.Context, shard int, _ int64) {
	w.c.record(w.ID(), "Warm", shard, 0)
	<-ctx.Done()
}

func TestTheNextOwnerIsWarmedWhileTheShardIsServed(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	holder := func(n *node) Holder { return warmNode{n} }
	a, b := c.joinAs("a", timing{}, holder), c.joinAs("b", timing{}, holder)
	a.hangs.Store(true) // warming takes all of its time
	b.hangs.Store(true)
	c.eventually("even", func() bool { return c.settled(a, b) })
	shard := -1
	for s := range a.Held() {
		shard = s
	}
	from := c.seen()
	_, err := a.Move(t.Context(), shard, b.ID())
	require.NoError(t, err)
	var order []string
	for _, x := range c.history(from, shard)[:4] {
		order = append(order, x.what)
	}
	require.Equal(t, []string{"Warm", "Quiesce", "Lost", "Granted"}, order)
}
