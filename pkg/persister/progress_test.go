package persister

import (
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"
)

func TestALaneIsStalledWhileNothingGetsDone(t *testing.T) {
	t.Parallel()
	const long = 7 * time.Second
	serverError := &pgconn.PgError{SeverityUnlocalized: "ERROR", Code: "53100"}
	tests := map[string]struct {
		fail    error // of every block after the room's first
		hang    bool  // blocks never come back
		quiesce bool
		stalled bool
	}{
		"a commit that hangs":                  {hang: true, stalled: true},
		"a connection that cannot be made":     {fail: errNotSent, stalled: true},
		"a database that refuses every block":  {fail: serverError},
		"a shard that waits for its handoff":   {quiesce: true, hang: true},
		"a connection that breaks, looked for": {fail: io.ErrUnexpectedEOF},
		"nothing to do":                        {},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &memoryStore{}
				l := startLane(t, s)
				p := &Persister{lanes: []*lane{l}}
				room, created := queueNewRoom(t, l)
				<-s.began
				s.proceed <- struct{}{}
				require.NoError(t, (<-created).err)
				s.mu.Lock()
				s.fail = func(*block) error { return tt.fail }
				s.mu.Unlock()
				if tt.quiesce {
					require.NoError(t, p.Quiesce(t.Context(), 0))
				}
				time.Sleep(long)
				require.Zero(t, p.Stalled(), "it had nothing to do")
				if tt.fail != nil || tt.hang {
					queueMessage(t, l, room, "x")
				}
				if tt.fail != nil {
					go s.proceedAlways()
				}
				time.Sleep(long)
				synctest.Wait()
				if tt.stalled {
					require.Equal(t, long, p.Stalled())
				} else {
					require.LessOrEqual(t, p.Stalled(), maxPause)
				}
				if tt.quiesce {
					p.Granted(0, 1)
					synctest.Wait()
					require.Zero(t, p.Stalled())
					time.Sleep(long)
					require.Equal(t, long, p.Stalled(), "it can go on now, and does not")
				}
			})
		})
	}
}
