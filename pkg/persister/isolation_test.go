package persister

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/mxerr"
)

func TestPoisonIsIsolatedInFewBlocks(t *testing.T) {
	t.Parallel()
	blocks := 0
	s := &memoryStore{}
	s.fail = func(b *block) error {
		blocks++
		for _, e := range b.entries {
			if string(e.ev.Content()) == `{"body":"137"}` {
				return &pgconn.PgError{Severity: "ERROR", SeverityUnlocalized: "ERROR", Code: "22021"}
			}
		}
		return nil
	}
	l := startLane(t, s)
	room, created := queueNewRoom(t, l)
	<-s.began
	var answers []<-chan answer
	for i := range maxBlockEvents {
		answers = append(answers, queueMessage(t, l, room, fmt.Sprint(i)))
	}
	s.proceed <- struct{}{}
	require.NoError(t, (<-created).err)
	go s.proceedAlways()
	for i, a := range answers {
		if got := <-a; i == 137 {
			require.ErrorContains(t, got.err, "cannot be stored")
		} else {
			require.NoError(t, got.err, i)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	require.Less(t, blocks, 40)
}

// Somebody else holds a lock that one room's block waits for, until the server gives up, or this worker: that room's
// writes fail, and say so.
func TestARoomThatIsLockedHoldsUpNobodyElse(t *testing.T) {
	t.Parallel()
	for name, failure := range map[string]error{
		"the server gives up": &pgconn.PgError{SeverityUnlocalized: "ERROR", Code: "55P03"},
		"the worker gives up": fmt.Errorf("commit: %w", context.DeadlineExceeded),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { lockOneRoom(t, failure) })
		})
	}
}

func lockOneRoom(t *testing.T, failure error) {
	s := &memoryStore{}
	var locked id.RoomID
	s.fail = func(b *block) error {
		if b.rooms[locked] != nil {
			return failure
		}
		return nil
	}
	l := startLane(t, s)
	rooms := newRoomsIn(t, l, s, 1, 1)
	locked = rooms[0]
	var answers []<-chan answer
	for i := range 9 {
		answers = append(answers, queueIn(t, l, 1, rooms[min(1, i%4)], aMessage(fmt.Sprint(i))))
	}
	go s.proceedAlways()
	for i, a := range answers {
		select {
		case got := <-a:
			if i%4 == 0 {
				require.Equal(t, 503, status(got.err))
			} else {
				require.NoError(t, got.err)
			}
		case <-time.After(soon):
			require.Fail(t, "a write waits for a lock that others hold")
		}
	}
}

// status is what a client is told of an error, 0 if nothing.
func status(err error) int {
	if e := mxerr.As(err); e != nil {
		return e.Status()
	}
	return 0
}
