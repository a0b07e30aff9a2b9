package route_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/mxerr"
	"github.com/myelin-hs/myelin/pkg/route"
)

// directory is what a test says it is.
type directory struct {
	mu        sync.Mutex
	place     route.Place
	roles     map[string][]route.Worker
	dead      map[int64]bool
	changed   chan struct{}
	refreshed func(d *directory)
	refresh   func(context.Context) error
	suspects  map[int64]route.Evidence
	refreshes int
	outdated  int
	awaited   func(role string) bool

	suspecting func()                      // called by Suspect
	reading    func(context.Context) error // called by Awaited
}

func (d *directory) Awaited(ctx context.Context, role string) (bool, error) {
	if d.reading != nil {
		return false, d.reading(ctx)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.awaited != nil && d.awaited(role), nil
}

func newDirectory() *directory {
	return &directory{roles: map[string][]route.Worker{}, dead: map[int64]bool{}, changed: make(chan struct{}), suspects: map[int64]route.Evidence{}}
}

func (d *directory) Self() int64 { return 1 }

func (d *directory) Room(id.RoomID) route.Place {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.place
}

func (d *directory) Alive(worker int64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return !d.dead[worker]
}

func (d *directory) Role(role string) []route.Worker {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.roles[role]
}

func (d *directory) Changed() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.changed
}

func (d *directory) Refresh(ctx context.Context) error {
	if d.refresh != nil {
		return d.refresh(ctx)
	}
	d.mu.Lock()
	d.refreshes++
	f := d.refreshed
	d.mu.Unlock()
	if f != nil {
		f(d)
	}
	return nil
}

func (d *directory) Outdated() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.outdated++
}

func (d *directory) Suspect(worker int64, why route.Evidence) {
	d.mu.Lock()
	d.suspects[worker] = why
	f := d.suspecting
	d.mu.Unlock()
	if f != nil {
		f()
	}
}

func (d *directory) change(f func()) {
	d.mu.Lock()
	f()
	close(d.changed)
	d.changed = make(chan struct{})
	d.mu.Unlock()
}

// worker is a server that answers as the worker with this id.
func worker(t *testing.T, id int64, h http.HandlerFunc) route.Worker {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(route.HeaderWorker, strconv.FormatInt(id, 10))
		h(w, r)
	}))
	t.Cleanup(s.Close)
	return route.Worker{ID: id, Addr: s.Listener.Addr().String()}
}

// deaf is the address of a worker that is no more.
func deaf(t *testing.T, id int64) route.Worker {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	return route.Worker{ID: id, Addr: l.Addr().String()}
}

func says(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = io.WriteString(w, text+" "+r.URL.RequestURI()+" "+string(body))
	}
}

func send() *route.Request {
	return &route.Request{Method: "PUT", URI: "/rooms/%21a/send/m.x/1?a=b", Header: http.Header{"Connection": {"close"}}, Body: []byte("{}"), Role: route.RolePersister, Room: "!a"}
}

func start(t *testing.T, d *directory) *route.Forwarder {
	t.Helper()
	f := route.New(d, route.Options{Sign: func(*http.Request, []byte) {}})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = f.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return f
}

const answer = " /rooms/%21a/send/m.x/1?a=b {}"

func TestToOwner(t *testing.T) {
	t.Parallel()
	d := newDirectory()
	d.place = route.Place{Owner: worker(t, 2, says("two")), Epoch: 1}
	w := httptest.NewRecorder()
	require.NoError(t, start(t, d).Forward(t.Context(), send(), w))
	require.Equal(t, "two"+answer, w.Body.String())
}

func TestARequestIsParkedUntilTheTakeover(t *testing.T) {
	t.Parallel()
	d := newDirectory()
	dead, heir := deaf(t, 2), worker(t, 3, says("heir"))
	d.place = route.Place{Owner: dead, Epoch: 1}
	d.roles[route.RolePersister] = []route.Worker{dead, heir}
	d.refreshed = func(d *directory) {
		d.mu.Lock()
		n := d.refreshes
		d.mu.Unlock()
		if n == 3 {
			d.change(func() { d.place = route.Place{Owner: heir, Epoch: 2} })
		}
	}
	w := httptest.NewRecorder()
	require.NoError(t, start(t, d).Forward(t.Context(), send(), w))
	require.Equal(t, "heir"+answer, w.Body.String())
	require.Equal(t, map[int64]route.Evidence{2: route.Refused}, d.suspects)
}

func TestAnotherWorkerAtTheAddress(t *testing.T) {
	t.Parallel()
	d := newDirectory()
	heir := worker(t, 3, says("heir"))
	d.place = route.Place{Owner: route.Worker{ID: 2, Addr: heir.Addr}, Epoch: 1}
	d.roles[route.RolePersister] = []route.Worker{heir}
	d.refreshed = func(d *directory) { d.change(func() { d.place = route.Place{Owner: heir, Epoch: 2} }) }
	w := httptest.NewRecorder()
	require.NoError(t, start(t, d).Forward(t.Context(), send(), w))
	require.Equal(t, "heir"+answer, w.Body.String(), "what the wrong worker says must not reach the client")
	require.Equal(t, map[int64]route.Evidence{2: route.OtherWorker}, d.suspects)
}

func TestPendingRequestsAreTakenFromAWorkerThatIsGone(t *testing.T) {
	t.Parallel()
	d := newDirectory()
	arrived := make(chan struct{})
	hung := worker(t, 2, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // or the server does not notice that the client goes
		close(arrived)
		<-r.Context().Done()
	})
	heir := worker(t, 3, says("heir"))
	d.place = route.Place{Owner: hung, Epoch: 1}
	d.roles[route.RolePersister] = []route.Worker{heir}
	f := start(t, d)
	go func() {
		<-arrived
		d.change(func() { d.dead[2] = true; d.place = route.Place{Owner: heir, Epoch: 2} })
	}()
	w := httptest.NewRecorder()
	require.NoError(t, f.Forward(t.Context(), send(), w))
	require.Equal(t, "heir"+answer, w.Body.String())
}

func TestAnAnswerThatBreaksOffIsAskedForAgain(t *testing.T) {
	t.Parallel()
	d := newDirectory()
	var once sync.Once
	d.place = route.Place{Owner: worker(t, 2, func(w http.ResponseWriter, _ *http.Request) {
		once.Do(func() {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "half")
			panic(http.ErrAbortHandler)
		})
		_, _ = io.WriteString(w, "whole")
	}), Epoch: 1}
	d.roles[route.RolePersister] = []route.Worker{d.place.Owner}
	w := httptest.NewRecorder()
	require.NoError(t, start(t, d).Forward(t.Context(), send(), w))
	require.Equal(t, "whole", w.Body.String())
}

func TestParkingIsBounded(t *testing.T) {
	t.Parallel()
	d := newDirectory()
	d.place = route.Place{Shard: 5}
	d.roles[route.RolePersister] = []route.Worker{{ID: 9, Addr: "127.0.0.1:1"}}
	f := start(t, d)
	big := send()
	big.Body = []byte(strings.Repeat("x", 3<<20))
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	results := make(chan error, 3)
	for range 3 {
		wg.Go(func() {
			_, err := f.Call(ctx, big, 1<<20)
			results <- err
		})
	}
	require.Equal(t, 429, mxerr.As(<-results).Status(), "two times 3 MiB fit into the lot, three do not")
	cancel()
	wg.Wait()
	require.ErrorIs(t, <-results, context.Canceled)
}

func TestToRole(t *testing.T) {
	t.Parallel()
	d := newDirectory()
	f := start(t, d)
	q := &route.Request{Method: "GET", URI: "/sync", Role: "sync", User: "@alice:a.example"}

	var who [3]route.Worker
	for i := range who {
		who[i] = worker(t, int64(10+i), says(strconv.Itoa(i)))
	}
	d.roles["sync"] = who[:]
	ask := func() string {
		w := httptest.NewRecorder()
		require.NoError(t, f.Forward(t.Context(), q, w))
		return w.Body.String()
	}
	first := ask()
	for range 5 {
		require.Equal(t, first, ask(), "a user stays with a worker")
	}
	// That worker dies: the next in rank serves, the same each time.
	i, err := strconv.Atoi(first[:1])
	require.NoError(t, err)
	d.roles["sync"][i] = deaf(t, who[i].ID)
	second := ask()
	require.NotEqual(t, first, second)
	require.Equal(t, second, ask())
	require.Contains(t, d.suspects, who[i].ID)

	d.roles["sync"] = nil
	err = f.Forward(t.Context(), q, httptest.NewRecorder())
	require.Equal(t, 503, mxerr.As(err).Status())
}

func TestTheLocalHandlerIsPreferredAndMayDecline(t *testing.T) {
	t.Parallel()
	d := newDirectory()
	f := start(t, d)
	f.SetLocal("client", says("here"))
	d.roles["client"] = []route.Worker{{ID: 1}, worker(t, 2, says("there"))}
	q := &route.Request{Method: "GET", URI: "/x", Role: "client"}
	r, err := f.Call(t.Context(), q, 1<<20)
	require.NoError(t, err)
	require.Equal(t, "here /x ", string(r.Body))

	f.SetLocal("client", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set(route.HeaderUnserved, "1")
		w.WriteHeader(503)
	}))
	r, err = f.Call(t.Context(), q, 1<<20)
	require.NoError(t, err)
	require.Equal(t, "there /x ", string(r.Body))
}

func TestALocalHandlerWithoutATrueAnswerIsAskedAgain(t *testing.T) {
	t.Parallel()
	d := newDirectory()
	f := start(t, d)
	d.place = route.Place{Owner: route.Worker{ID: 1}, Epoch: 1}
	d.roles[route.RolePersister] = []route.Worker{{ID: 1}}
	var once sync.Once
	f.SetLocal(route.RolePersister, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		once.Do(func() { panic(http.ErrAbortHandler) })
		says("known")(w, r)
	}))
	r, err := f.Call(t.Context(), send(), 1<<20)
	require.NoError(t, err)
	require.Equal(t, "known"+answer, string(r.Body))
}

func TestALargeAnswerThatBreaksOffBreaksTheConnection(t *testing.T) {
	t.Parallel()
	d := newDirectory()
	d.roles["client"] = []route.Worker{worker(t, 2, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, strings.Repeat("x", 1<<20))
		panic(http.ErrAbortHandler)
	})}
	_, err := start(t, d).Call(t.Context(), &route.Request{Method: "GET", URI: "/x", Role: "client"}, 8<<20)
	require.Error(t, err)
	require.False(t, errors.Is(err, context.Canceled))
}

// A worker that leaves still sends what it has begun, and what has gone to the client cannot be asked of another.
func TestALargeAnswerIsLetEndByAWorkerThatLeaves(t *testing.T) {
	t.Parallel()
	d := newDirectory()
	hanging, proceed := make(chan struct{}), make(chan struct{})
	large := strings.Repeat("x", 100<<10)
	left := worker(t, 7, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hangs" {
			close(hanging)
			<-r.Context().Done()
			return
		}
		_, _ = io.WriteString(w, large)
		_ = http.NewResponseController(w).Flush()
		<-proceed
		_, _ = io.WriteString(w, "end")
	})
	d.roles["sync"] = []route.Worker{left}
	f := start(t, d)

	began := &signalled{ResponseRecorder: httptest.NewRecorder(), written: make(chan struct{})}
	ended := make(chan any, 1)
	go func() {
		defer func() { ended <- recover() }()
		require.NoError(t, f.Forward(t.Context(), &route.Request{Method: "GET", URI: "/sync", Role: "sync"}, began))
	}()
	<-began.written
	gone := make(chan error, 1)
	go func() {
		gone <- f.Forward(t.Context(), &route.Request{Method: "GET", URI: "/hangs", Role: "sync"}, httptest.NewRecorder())
	}()
	<-hanging
	d.change(func() { d.dead[7], d.roles["sync"] = true, nil })
	require.Error(t, <-gone)
	close(proceed)
	require.Nil(t, <-ended)
	require.Equal(t, large+"end", began.Body.String())
}

// signalled closes written at the first write.
type signalled struct {
	*httptest.ResponseRecorder
	once    sync.Once
	written chan struct{}
}

func (s *signalled) Write(p []byte) (int, error) {
	defer s.once.Do(func() { close(s.written) })
	return s.ResponseRecorder.Write(p)
}
