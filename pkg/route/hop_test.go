package route_test

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/route"
)

// Whoever is asked hears for which epoch, so that it can tell whether the asker is behind; and who was behind reads the
// truth, or each of its requests until its next heartbeat would go to the former owner first.
func TestAMoveIsLearntFromOneRequest(t *testing.T) {
	t.Parallel()
	var asked []string
	noting := func(h http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			asked = append(asked, r.Header.Get(route.HeaderEpoch))
			h(w, r)
		}
	}
	d := newDirectory()
	three := worker(t, 3, noting(func(http.ResponseWriter, *http.Request) {}))
	d.place = route.Place{Owner: worker(t, 2, noting(gave(three, 8))), Epoch: 7}
	require.NoError(t, start(t, d).Forward(t.Context(), send(), httptest.NewRecorder()))
	require.Equal(t, []string{"7", "8"}, asked)
	require.Equal(t, 1, d.outdated)
}

func TestAHintIsFollowedOnlyIfItIsNewer(t *testing.T) {
	t.Parallel()
	d := newDirectory()
	three := worker(t, 3, says("three"))
	d.place = route.Place{Owner: worker(t, 2, gave(three, 8)), Epoch: 7}
	w := httptest.NewRecorder()
	f := start(t, d)
	require.NoError(t, f.Forward(t.Context(), send(), w))
	require.Equal(t, "three"+answer, w.Body.String())
	require.Zero(t, d.refreshes)

	// A worker that was away for long sends us to a former owner: the directory is right.
	four := worker(t, 4, says("four"))
	d.place = route.Place{Owner: worker(t, 2, gave(three, 6)), Epoch: 7}
	d.roles[route.RolePersister] = []route.Worker{four}
	d.refreshed = func(d *directory) { d.change(func() { d.place = route.Place{Owner: four, Epoch: 8} }) }
	w = httptest.NewRecorder()
	require.NoError(t, f.Forward(t.Context(), send(), w))
	require.Equal(t, "four"+answer, w.Body.String())
}

// gave is a worker that gave the shard away.
func gave(to route.Worker, epoch int64) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set(route.HeaderOwner, strconv.FormatInt(to.ID, 10))
		w.Header().Set(route.HeaderOwnerAddr, to.Addr)
		w.Header().Set(route.HeaderEpoch, strconv.FormatInt(epoch, 10))
		w.WriteHeader(http.StatusMisdirectedRequest)
	}
}

// A gateway that stops tells its clients so on every answer; what a worker says of its own connection is no client's
// concern.
func TestHeadersOfAHopStayOnIt(t *testing.T) {
	t.Parallel()
	d := newDirectory()
	d.place = route.Place{Owner: worker(t, 2, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Keep-Alive", "timeout=5")
		w.Header().Set("Retry-After", "5")
	}), Epoch: 1}
	w := httptest.NewRecorder()
	w.Header().Set("Connection", "close")
	require.NoError(t, start(t, d).Forward(t.Context(), send(), w))
	require.Equal(t, "close", w.Header().Get("Connection"))
	require.Empty(t, w.Header().Get("Keep-Alive"))
	require.Equal(t, "5", w.Header().Get("Retry-After"))
}
