package persister

import (
	"context"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/route"
)

// told is a worker's knowledge of one shard.
type told struct {
	Leases

	mu        sync.Mutex
	owner     Owner
	held      bool
	refreshed int
	truth     Owner // what Refresh reads
}

func (l *told) ID() int64 { return 1 }

func (l *told) OwnLease(int) (int64, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.owner.Epoch, l.held
}

func (l *told) OwnerOf(int) Owner {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.owner
}

func (l *told) Refresh(context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refreshed++
	l.owner = l.truth
	return nil
}

func asked(t *testing.T, epoch int64) context.Context {
	t.Helper()
	r := httptest.NewRequest("PUT", "/", nil)
	if epoch > 0 {
		r.Header.Set(route.HeaderEpoch, strconv.FormatInt(epoch, 10))
	}
	return withEpoch(r)
}

func TestWhoIsBehindIsSentOnWithoutARead(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		name  string
		asked int64
		reads int
	}{
		{"asked for an earlier epoch", 6, 0},
		{"asked for what this worker knows", 7, 1},
		{"asked for a later epoch", 8, 1},
		{"did not say", 0, 1},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			l := &told{owner: Owner{Worker: 2, Epoch: 7}, truth: Owner{Worker: 3, Epoch: 9}}
			p := &Persister{opts: Options{Leases: l}}
			var e *elsewhereError
			require.ErrorAs(t, p.mine(asked(t, x.asked), 0), &e)
			require.Equal(t, x.reads, l.refreshed)
			if x.reads > 0 {
				require.Equal(t, l.truth, e.owner)
			}
		})
	}
}

func TestWhatIsGivenIsWaitedForUntilItIsGranted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &told{owner: Owner{Worker: 2, Epoch: 7}, truth: Owner{Worker: 1, Epoch: 8}}
		p := &Persister{opts: Options{Leases: l}, lanes: []*lane{{orders: &orders{wake: make(chan struct{}, 1)}}}}
		answer := make(chan error, 1)
		go func() { answer <- p.mine(asked(t, 8), 0) }()
		synctest.Wait()
		require.Empty(t, answer, "it is this worker's, but not claimed yet")
		p.Lost(3) // of no concern
		synctest.Wait()
		require.Empty(t, answer)
		l.mu.Lock()
		l.held = true
		l.mu.Unlock()
		p.Granted(0, 8)
		require.NoError(t, <-answer)
	})
}

func TestWhatIsLostIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		mine := Owner{Worker: 1, Epoch: 8, Claimed: true} // but the worker has fenced itself, or was declared dead
		p := &Persister{opts: Options{Leases: &told{owner: mine, truth: mine}}}
		before := time.Now()
		var e *elsewhereError
		require.ErrorAs(t, p.mine(asked(t, 8), 0), &e)
		require.Equal(t, before, time.Now())
	})
}

func TestWhatIsNeverGrantedIsNotWaitedForForever(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &told{truth: Owner{Worker: 1, Epoch: 8}}
		p := &Persister{opts: Options{Leases: l}}
		before := time.Now()
		var e *elsewhereError
		require.ErrorAs(t, p.mine(asked(t, 0), 0), &e)
		require.Equal(t, time.Second, time.Since(before))
	})
}
