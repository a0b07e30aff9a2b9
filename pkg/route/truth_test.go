package route_test

import (
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/mxerr"
	"github.com/myelin-hs/myelin/pkg/route"
)

func TestAKilledWorkerIsWaitedFor(t *testing.T) {
	for name, q := range map[string]*route.Request{
		"the only persister": send(), "the only sync worker": {Method: "GET", URI: "/sync", Role: "sync", User: "@alice:a.example"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, network{"owner": tells("back")}, func(t *testing.T, d *directory, f *route.Forwarder) {
				back := d.place.Owner
				d.place, d.roles = route.Place{}, map[string][]route.Worker{}
				d.awaited = func(role string) bool { return role == q.Role }
				go func() {
					time.Sleep(2 * time.Second) // of the bubble
					d.change(func() { d.place.Owner, d.roles[q.Role] = back, []route.Worker{back} })
				}()
				began := time.Now()
				w := httptest.NewRecorder()
				require.NoError(t, f.Forward(t.Context(), q, w))
				require.Contains(t, w.Body.String(), "back")
				require.Less(t, time.Since(began), 3*time.Second)
			})
		})
	}
}

func TestAKilledWorkerIsNotWaitedForForEver(t *testing.T) {
	bubble(t, nil, func(t *testing.T, d *directory, f *route.Forwarder) {
		began := time.Now()
		d.place, d.roles = route.Place{}, nil
		d.awaited = func(string) bool { return time.Since(began) < 10*time.Second }
		err := f.Forward(t.Context(), send(), httptest.NewRecorder())
		require.Equal(t, 503, mxerr.As(err).Status())
		require.Positive(t, mxerr.As(err).RetryAfter)
		require.GreaterOrEqual(t, time.Since(began), 10*time.Second)
		require.Less(t, time.Since(began), 11*time.Second)
	})
}

func TestAWorkerThatLeftIsNotWaitedFor(t *testing.T) {
	bubble(t, nil, func(t *testing.T, d *directory, f *route.Forwarder) {
		d.place, d.roles = route.Place{}, nil
		began := time.Now()
		err := f.Forward(t.Context(), send(), httptest.NewRecorder())
		require.Equal(t, 503, mxerr.As(err).Status())
		require.Less(t, time.Since(began), 100*time.Millisecond)
	})
}

func TestManyThatWaitLookTogether(t *testing.T) {
	bubble(t, nil, func(t *testing.T, d *directory, f *route.Forwarder) {
		began := time.Now()
		d.place, d.roles = route.Place{}, nil
		asked := 0
		d.awaited = func(string) bool { asked++; return time.Since(began) < 5*time.Second }
		var wg sync.WaitGroup
		for range 200 {
			wg.Go(func() {
				err := f.Forward(t.Context(), send(), httptest.NewRecorder())
				require.Equal(t, 503, mxerr.As(err).Status())
			})
		}
		wg.Wait()
		require.Less(t, time.Since(began), 6*time.Second, "all hear of it")
		require.LessOrEqual(t, d.refreshes, 6*20)
		require.LessOrEqual(t, asked, d.refreshes)
	})
}

func TestNoPersisterIsSaidAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		err := start(t, newDirectory()).Forward(t.Context(), send(), httptest.NewRecorder())
		e := mxerr.As(err)
		require.NotNil(t, e, "%v", err)
		require.Equal(t, 503, e.Status())
		require.Equal(t, mxerr.CodeUnknown, e.Code)
		require.Positive(t, e.RetryAfter)
		require.Less(t, time.Since(began), time.Second, "it is not parked") // of the bubble
	})
}
