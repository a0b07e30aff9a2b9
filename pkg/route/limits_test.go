package route_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/mxerr"
	"github.com/myelin-hs/myelin/pkg/route"
)

// stopwatch notes the times of a bubble.
type stopwatch struct {
	mu    sync.Mutex
	began time.Time
	at    []time.Duration
}

func startWatch() *stopwatch { return &stopwatch{began: time.Now()} }

func (s *stopwatch) note() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at = append(s.at, time.Since(s.began))
}

func (s *stopwatch) noted() []time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.at)
}

func (s *stopwatch) gaps() (between []time.Duration) {
	at := s.noted()
	for i := 1; i < len(at); i++ {
		between = append(between, at[i]-at[i-1])
	}
	return between
}

func requireBetween(t *testing.T, low, high, got time.Duration) {
	t.Helper()
	require.GreaterOrEqual(t, got, low)
	require.LessOrEqual(t, got, high)
}

func requireGivenUp(t *testing.T, err error) {
	t.Helper()
	e := mxerr.As(err)
	require.NotNil(t, e, "%v", err)
	require.Equal(t, 503, e.Status())
	require.Equal(t, 2*time.Second, e.RetryAfter)
}

var requests = map[string]func() *route.Request{
	"a room": send,
	"a role": func() *route.Request { return &route.Request{Method: "GET", URI: "/x", Role: route.RolePersister} },
}

// The pauses grow from 5 to 100 ms, each a quarter more or less, so that those who wait do not come together.
func TestARequestIsTriedAgainForTwentyFiveSeconds(t *testing.T) {
	for name, request := range requests {
		t.Run(name, func(t *testing.T) {
			n := network{}
			bubble(t, n, func(t *testing.T, _ *directory, f *route.Forwarder) {
				tried := startWatch()
				n["owner"] = func(*http.Request) (io.ReadCloser, error) {
					tried.note()
					return nil, io.EOF
				}
				n["heir"] = func(*http.Request) (io.ReadCloser, error) { return nil, io.EOF }
				requireGivenUp(t, f.Forward(t.Context(), request(), httptest.NewRecorder()))
				requireBetween(t, 25*time.Second, 25*time.Second+125*time.Millisecond, time.Since(tried.began))
				var pauses []time.Duration
				for _, gap := range tried.gaps() {
					if gap > 0 { // a role's worker is asked twice in a row
						pauses = append(pauses, gap)
					}
				}
				requireBetween(t, 3750*time.Microsecond, 6250*time.Microsecond, pauses[0])
				for _, pause := range pauses[5:] {
					requireBetween(t, 75*time.Millisecond, 125*time.Millisecond, pause)
				}
			})
		})
	}
}

func TestLooksAtTheDatabaseAreFiftyMillisecondsApart(t *testing.T) {
	n := network{}
	bubble(t, n, func(t *testing.T, d *directory, f *route.Forwarder) {
		n["owner"] = func(*http.Request) (io.ReadCloser, error) {
			d.change(func() {}) // so that nobody pauses
			return nil, io.EOF
		}
		looks := startWatch()
		d.refreshed = func(*directory) { looks.note() }
		requireGivenUp(t, f.Forward(t.Context(), send(), httptest.NewRecorder()))
		require.Len(t, looks.noted(), 502)
		for _, gap := range looks.gaps() {
			require.Equal(t, 50*time.Millisecond, gap)
		}
	})
}

// Nobody is called absent by whoever cannot look.
func TestALookThatHangsIsGivenUp(t *testing.T) {
	for name, set := range map[string]func(*directory, func(context.Context) error){
		"at the workers":         func(d *directory, hang func(context.Context) error) { d.refresh = hang },
		"at those who will come": func(d *directory, hang func(context.Context) error) { d.reading = hang },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, nil, func(t *testing.T, d *directory, f *route.Forwarder) {
				d.place, d.roles = route.Place{}, nil
				looks := startWatch()
				set(d, func(ctx context.Context) error {
					looks.note()
					<-ctx.Done()
					return ctx.Err()
				})
				requireGivenUp(t, f.Forward(t.Context(), send(), httptest.NewRecorder()))
				requireBetween(t, 25*time.Second, 27200*time.Millisecond, time.Since(looks.began))
				for _, gap := range looks.gaps() {
					requireBetween(t, 2*time.Second, 2125*time.Millisecond, gap)
				}
			})
		})
	}
}

func TestAnOwnerHasThirtySecondsForItsAnswer(t *testing.T) {
	n := network{"owner": after(time.Hour, tells("late")), "heir": after(time.Hour, tells("late"))}
	bubble(t, n, func(t *testing.T, d *directory, f *route.Forwarder) {
		began := time.Now()
		requireGivenUp(t, f.Forward(t.Context(), send(), httptest.NewRecorder()))
		require.Equal(t, 30*time.Second, time.Since(began))
		require.NoError(t, f.Forward(t.Context(), requests["a role"](), httptest.NewRecorder()), "a long poll has as long as it takes")
		require.Equal(t, 30*time.Second+time.Hour, time.Since(began))
	})
}

func TestASilentWorkerIsSuspectedHalfWayAndLeftAtTheEnd(t *testing.T) {
	for name, c := range map[string]struct {
		pulse           string
		suspected, left time.Duration
		pause           time.Duration // at most
	}{
		"a room": {"500", time.Second, 2 * time.Second, 6250 * time.Microsecond},
		"a role": {"5000", 6250 * time.Millisecond, 12500 * time.Millisecond, 0},
	} {
		for pulses := range 2 {
			t.Run(name, func(t *testing.T) {
				n := network{}
				bubble(t, n, func(t *testing.T, d *directory, f *route.Forwarder) {
					d.roles[route.RolePersister] = d.roles[route.RolePersister][:1]
					began, suspected := time.Now(), startWatch()
					d.suspecting = suspected.note
					quiet := began // since when
					n["owner"] = times(func(r *http.Request) (io.ReadCloser, error) {
						require.Equal(t, c.pulse, r.Header.Get(route.HeaderPulse))
						if pulses > 0 { // one, before anybody is suspected
							quiet = began.Add(c.suspected / 2)
							time.AfterFunc(c.suspected/2, func() { pulse(r) })
						}
						return hangs(r)
					}, tells("again"))
					w := httptest.NewRecorder()
					require.NoError(t, f.Forward(t.Context(), requests[name](), w))
					require.Contains(t, w.Body.String(), "again")
					requireBetween(t, c.left, c.left+c.pause, time.Since(quiet))
					require.Equal(t, []time.Duration{quiet.Sub(began) + c.suspected}, suspected.noted())
				})
			})
		}
	}
}

// What the client has got a part of cannot be asked of another.
func TestAnAnswerThatStallsIsBrokenOffAfterThirtySeconds(t *testing.T) {
	n := network{"owner": func(r *http.Request) (io.ReadCloser, error) {
		return io.NopCloser(io.MultiReader(strings.NewReader(strings.Repeat("x", 100<<10)), &silence{r.Context()})), nil
	}}
	bubble(t, n, func(t *testing.T, d *directory, f *route.Forwarder) {
		d.roles[route.RolePersister] = d.roles[route.RolePersister][:1]
		began, w := time.Now(), httptest.NewRecorder()
		require.PanicsWithValue(t, http.ErrAbortHandler, func() { _ = f.Forward(t.Context(), requests["a role"](), w) })
		require.Equal(t, 30*time.Second, time.Since(began))
		require.Equal(t, 100<<10, w.Body.Len())
	})
}

// silence is the rest of a body that does not come.
type silence struct{ ctx context.Context }

func (s *silence) Read([]byte) (int, error) {
	<-s.ctx.Done()
	return 0, s.ctx.Err()
}

func TestARequestIsLeftHalfASecondWithWhoGaveItsShardAway(t *testing.T) {
	n := network{"owner": after(time.Hour, tells("late")), "heir": tells("heir")}
	bubble(t, n, func(t *testing.T, d *directory, f *route.Forwarder) {
		began, w := time.Now(), httptest.NewRecorder()
		time.AfterFunc(time.Second, func() {
			d.change(func() { d.place = route.Place{Owner: d.roles[route.RolePersister][1], Epoch: 2} })
		})
		require.NoError(t, f.Forward(t.Context(), send(), w))
		require.Equal(t, "heir"+answer, w.Body.String())
		require.Equal(t, 1500*time.Millisecond, time.Since(began))
	})
}

// counting counts pulses.
type counting struct {
	*httptest.ResponseRecorder
	pulses *stopwatch
}

func (c *counting) WriteHeader(status int) {
	if status == http.StatusProcessing {
		c.pulses.note()
		return
	}
	c.ResponseRecorder.WriteHeader(status)
}

func TestPulsesComeAsOftenAsAskedForWithinReason(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		asked string
		every time.Duration
	}{{"1000", time.Second}, {"1", 50 * time.Millisecond}, {"-7", 50 * time.Millisecond}, {"3600000", time.Minute}} {
		synctest.Test(t, func(t *testing.T) {
			w := &counting{httptest.NewRecorder(), startWatch()}
			r := httptest.NewRequest("GET", "/", nil)
			r.Header.Set(route.HeaderPulse, c.asked)
			route.Pulse(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				<-time.After(4*c.every + c.every/2)
				_, _ = io.WriteString(w, "begun")
				<-time.After(4 * c.every)
			})).ServeHTTP(w, r)
			require.Equal(t, []time.Duration{c.every, 2 * c.every, 3 * c.every, 4 * c.every}, w.pulses.noted())
			require.Equal(t, "begun", w.Body.String())
		})
	}
}
