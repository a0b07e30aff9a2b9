package processes_test

import (
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/admin"
)

// TestAForeignLockOnALeaseHoldsUpOneLane lets a transaction that is not Myelin's hold the row of a shard's lease for longer
// than a lane may stand still: its lane waits, the others write on, the worker stays, and what waited is written afterwards.
func TestAForeignLockOnALeaseHoldsUpOneLane(t *testing.T) {
	t.Parallel()
	h := newHomeserver(t)
	persister, front := h.start("persister"), h.start("gateway,client")
	h.settle(front, persister)
	alice := register(t, front, "alice")
	conn, err := pgx.Connect(t.Context(), h.PostgresURI)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(t.Context()) })
	lanes := map[int]string{} // a room of each
	var held int
	for len(lanes) < 4 {
		room := alice.createRoom()
		require.NoError(t, conn.QueryRow(t.Context(), `SELECT shard_id FROM event WHERE room_id = $1 LIMIT 1`, room).Scan(&held))
		lanes[held%4] = room
	}
	tx, err := conn.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), `SELECT FROM shard_lease WHERE shard_id = $1 FOR UPDATE`, held)
	require.NoError(t, err)

	waits := make(chan error, 1)
	go func() {
		_, err := alice.at(front).send(t.Context(), lanes[held%4], "waits")
		waits <- err
	}()
	over := make(chan struct{})
	var others sync.WaitGroup
	for lane, room := range lanes {
		if lane == held%4 {
			continue
		}
		sender := alice.at(front)
		others.Go(func() {
			pace := time.NewTicker(20 * time.Millisecond)
			defer pace.Stop()
			for {
				select {
				case <-over:
					return
				case <-pace.C:
				}
				if _, err := sender.send(t.Context(), room, "goes on"); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	unknown := func() float64 { return persister.metric(t, `myelin_persister_failed_blocks_total{kind="unknown"}`) }
	assert.Eventually(t, func() bool { return unknown() >= 1 }, time.Minute, 50*time.Millisecond, "its block is ended")
	began := time.Now()
	assert.Eventually(t, func() bool { return time.Since(began) > 6*time.Second }, time.Minute, 50*time.Millisecond)
	close(over)
	others.Wait()
	require.Empty(t, waits)
	require.NoError(t, tx.Rollback(t.Context()))
	require.NoError(t, <-waits)
	require.EqualValues(t, 1, unknown(), "no other lane was disturbed")
	for _, w := range front.status(t).Workers {
		require.NotEqual(t, admin.StateDead, w.State)
	}
}
