package main

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/postgres/pgtest"
)

// write makes an event at a block by worker 1 in its epoch, in a room of shard 0.
const write = `
INSERT INTO stream_block (block, shards, rooms, user_shards) SELECT $1, '{0}', '{!r}', '{}' ON CONFLICT DO NOTHING;`

const event = `
INSERT INTO event (slot, room_id, position, event_id, type, sender, depth, shard_id, owner, epoch, device_id, txn_id, json)
VALUES (0, '!r', $1::bigint << 10, '$' || $1, 'm.room.message', '@u', 1, $2, $3, $4, 'd', $5, '{}')`

func TestInvariantsOfTheTable(t *testing.T) {
	t.Parallel()
	const take = `UPDATE shard_lease SET owner = 1, epoch = 1 WHERE shard_id = 0`
	for name, c := range map[string]struct {
		before []string // statements
		block  int64
		shard  int
		owner  int64
		epoch  int64
		after  []string
		want   string
	}{
		"a write under its lease":                {before: []string{take}, block: 1, owner: 1, epoch: 1},
		"a write before the lease was taken":     {before: []string{`SELECT setval('stream_seq', 5)`, take}, block: 4, owner: 1, epoch: 1, want: "was written by 1 in epoch 1"},
		"a write after the lease was lost":       {before: []string{take}, after: []string{`UPDATE shard_lease SET owner = 2, epoch = 2 WHERE shard_id = 0`}, block: 1, owner: 1, epoch: 1, want: "up to 0"},
		"a write by another":                     {before: []string{take}, block: 1, owner: 2, epoch: 1, want: "was written by 2"},
		"a write in an epoch that never was":     {before: []string{take}, block: 1, owner: 1, epoch: 7, want: "in epoch 7"},
		"a write by another shard":               {before: []string{take, `UPDATE shard_lease SET owner = 1, epoch = 1 WHERE shard_id = 9`}, shard: 9, block: 1, owner: 1, epoch: 1, want: "carries shard 9"},
		"a write by the map from before":         {before: []string{take, `SELECT setval('stream_seq', 5)`, `UPDATE slot_shard SET shard_id = 9 WHERE slot = 0`}, block: 6, owner: 1, epoch: 1, want: "its room was in 9"},
		"a write by the map for its room":        {before: []string{take, `UPDATE slot_shard SET shard_id = 9 WHERE slot = 0`, `INSERT INTO room_shard VALUES ('!r', 0)`}, block: 6, owner: 1, epoch: 1},
		"a write before its room moved":          {before: []string{take}, block: 6, owner: 1, epoch: 1, after: []string{`SELECT setval('stream_seq', 6)`, `UPDATE slot_shard SET shard_id = 9 WHERE slot = 0`}},
		"an epoch that shrinks":                  {before: []string{take}, block: 1, owner: 1, epoch: 1, after: []string{`SELECT setval('stream_seq', 1)`, `UPDATE shard_lease SET epoch = 0 WHERE shard_id = 0`}, want: "went from epoch 1 to 0"},
		"a transaction that made two events":     {before: []string{take}, block: 1, owner: 1, epoch: 1, after: []string{`INSERT INTO stream_block (block, shards, rooms, user_shards) VALUES (2, '{0}', '{!r}', '{}')`, `INSERT INTO event SELECT slot, room_id, 2048, '$b', type, state_key, sender, depth, shard_id, owner, epoch, device_id, txn_id, json FROM event`}, want: "is the transaction of 2 events"},
		"a block that does not name its room":    {before: []string{take}, block: 1, owner: 1, epoch: 1, after: []string{`UPDATE stream_block SET rooms = '{}'`}, want: "its block is unknown"},
		"two answers to one request":             {before: []string{take}, block: 1, owner: 1, epoch: 1, after: []string{`INSERT INTO request_dedupe SELECT d, '@u', 'd', 'x', 't', '$' || d FROM generate_series(1, 2) d`}, want: "is the key of 2 events"},
		"a lease that changes back to its owner": {before: []string{take}, after: []string{`SELECT setval('stream_seq', 1)`, `UPDATE shard_lease SET epoch = 2 WHERE shard_id = 0`}, block: 1, owner: 1, epoch: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			uri := pgtest.New(t)
			require.NoError(t, watchLeases(t.Context(), uri))
			conn, err := pgx.Connect(t.Context(), uri)
			require.NoError(t, err)
			defer conn.Close(context.WithoutCancel(t.Context()))
			do := func(sql string, args ...any) {
				_, err := conn.Exec(t.Context(), sql, args...)
				require.NoError(t, err, sql)
			}
			for _, sql := range c.before {
				do(sql)
			}
			do(write, c.block)
			do(event, c.block, c.shard, c.owner, c.epoch, "t")
			for _, sql := range c.after {
				do(sql)
			}
			found, err := invariants(t.Context(), conn)
			require.NoError(t, err)
			if c.want == "" {
				require.Empty(t, found)
				return
			}
			require.Len(t, found, 1)
			require.Contains(t, found[0], c.want)
		})
	}
}

func TestLateBlockIsNoticed(t *testing.T) {
	t.Parallel()
	conn, err := pgx.Connect(t.Context(), pgtest.New(t))
	require.NoError(t, err)
	defer conn.Close(context.WithoutCancel(t.Context()))
	_, err = conn.Exec(t.Context(), write, 1)
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), `UPDATE horizon SET position = (3 << 10) - 1`)
	require.NoError(t, err)
	s, above, err := look(t.Context(), conn, true)
	require.NoError(t, err)
	require.False(t, above)
	w := &watch{counted: []sample{s}}
	found, err := w.late(t.Context(), conn)
	require.NoError(t, err)
	require.Empty(t, found)
	_, err = conn.Exec(t.Context(), write, 3)
	require.NoError(t, err)
	_, above, err = look(t.Context(), conn, true)
	require.NoError(t, err)
	require.True(t, above, "a committed block is above P")
	_, err = conn.Exec(t.Context(), write, 2)
	require.NoError(t, err)
	found, err = w.late(t.Context(), conn)
	require.NoError(t, err)
	require.Len(t, found, 1)
}
