package sync

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/bus"
	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/position"
)

// lose takes every block above p out of the database, as a failover to a standby that lagged does, and then does what the
// barrier of pkg/lease does to positions.
func (w *world) lose(p position.Position) {
	w.t.Helper()
	require.NoError(w.t, pgx.BeginFunc(w.t.Context(), w.pool, func(tx pgx.Tx) error {
		for _, sql := range []string{
			`UPDATE leader SET term = term + 65536, expires_at = to_timestamp(0)`, // its session died with the server
			`DELETE FROM stream_block WHERE block > $1::bigint >> 10`,
			`DELETE FROM event WHERE position > $1`,
			`DELETE FROM state_delta WHERE position > $1`,
			`DELETE FROM room_membership WHERE position > $1`,
			`DELETE FROM current_state WHERE position > $1`,
			`UPDATE horizon SET position = $1`,
			`SELECT setval('stream_seq', ($1::bigint >> 10) + (1 << 24))`,
			`INSERT INTO stream_block (block, shards, rooms, user_shards) VALUES (nextval('stream_seq'), '{}', '{}', '{}')`,
			`UPDATE cluster_state SET generation = generation + 1`,
		} {
			var args []any
			if strings.Contains(sql, "$1") {
				args = append(args, int64(p))
			}
			if _, err := tx.Exec(w.t.Context(), sql, args...); err != nil {
				return err
			}
		}
		return nil
	}))
}

// After a failover that lost history, no client hangs, none gets what was lost, and each gets what comes exactly once,
// whether its token is of what is left, of what was lost, or the barrier's.
func TestTokensOfALostHistoryGoOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.newRoom(member(bob, "join"))
	behind, ahead := w.client(alice), w.client(bob)
	left := r.write(message(alice, "left"))
	behind.syncAt(left)
	lostMessage, lostJoin := message(alice, "lost"), member(carol, "join")
	lost := r.write(lostMessage, lostJoin)
	require.Subset(t, ahead.syncAt(lost).Rooms.Join[r.id].Timeline.ids(), ids(lostMessage, lostJoin))
	guest := w.client(carol)
	require.NotEmpty(t, guest.sync().Rooms.Join)
	waiting := ahead.poll(nil)

	w.lose(left)
	m := message(alice, "after")
	p := r.write(m)
	require.Equal(t, ids(m), receive(t, waiting).Rooms.Join[r.id].Timeline.ids(), "it saw all that is left")
	require.Equal(t, ids(m), ahead.syncAt(p).Rooms.Join[r.id].Timeline.ids())
	require.Equal(t, ids(m), behind.sync().Rooms.Join[r.id].Timeline.ids())
	require.Empty(t, guest.sync().Rooms.Join, "nor is a membership left that was lost")
}

// A token that no history here can have given out, as after an older backup was restored under workers that know nothing
// of what was lost, is as good as none.
func TestAForeignTokenBeginsAnew(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.newRoom(member(bob, "join"))
	m := message(alice, "x")
	p := r.write(m)
	c := w.client(bob)
	c.since = position.BlockEnd(p.Block() + 1000).SyncToken()
	a := c.syncAt(p)
	require.Contains(t, a.Rooms.Join[r.id].Timeline.ids(), m.eventID)
	require.Contains(t, a.Rooms.Join[r.id].Timeline.types(), "m.room.create")
	require.Equal(t, p.SyncToken(), a.NextBatch)
	m = message(alice, "y")
	p = r.write(m)
	require.Equal(t, ids(m), c.syncAt(p).Rooms.Join[r.id].Timeline.ids())
}

// A user shard whose bodies get lost while nobody asks does not note blocks for ever.
func TestAUserShardThatIsFarBehindStartsOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.newRoom()
	c := w.client(bob)
	c.sync()
	x := w.sync.users.byID[bob].shard
	at, _ := w.sync.at()
	before := x.resets
	for i := range int64(maxWanted + 10) {
		w.sync.coverShard(x, at.Block()+1+i, map[*user]struct{}{})
		require.LessOrEqual(t, len(x.inbox.want), maxWanted)
	}
	require.Greater(t, x.resets, before)
	joined := member(bob, "join")
	require.Contains(t, c.syncAt(r.write(joined)).Rooms.Join[r.id].Timeline.ids(), joined.eventID)
	x.inbox.hear(1<<40, bus.UserBlock{})
	x.restart(at)
	require.Equal(t, inbox[bus.UserBlock]{}, x.inbox)
	require.Empty(t, map[id.RoomID]membership(w.sync.users.byID[bob].memberships))
}
