package route_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/mxerr"
	"github.com/myelin-hs/myelin/pkg/route"
)

// network answers requests by worker, without sockets, so that time can be the test's.
type network map[string]func(r *http.Request) (io.ReadCloser, error)

func (n network) RoundTrip(r *http.Request) (*http.Response, error) {
	sent, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r.Body = io.NopCloser(strings.NewReader(string(sent)))
	body, err := n[r.URL.Host](r)
	if err != nil {
		return nil, err
	}
	h := http.Header{}
	h.Set(route.HeaderWorker, r.Header.Get(route.HeaderTo))
	return &http.Response{StatusCode: 200, Header: h, Body: body}, nil
}

func hangs(r *http.Request) (io.ReadCloser, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func tells(text string) func(*http.Request) (io.ReadCloser, error) {
	return func(r *http.Request) (io.ReadCloser, error) {
		sent, err := io.ReadAll(r.Body)
		return io.NopCloser(strings.NewReader(text + " " + r.URL.RequestURI() + " " + string(sent))), err
	}
}

// times calls the first of the answers, then the next, and the last from then on.
func times(answers ...func(*http.Request) (io.ReadCloser, error)) func(*http.Request) (io.ReadCloser, error) {
	return func(r *http.Request) (io.ReadCloser, error) {
		next := answers[0]
		if len(answers) > 1 {
			answers = answers[1:]
		}
		return next(r)
	}
}

// after pulses as often as it is asked to until d is over, then answers.
func after(d time.Duration, answer func(*http.Request) (io.ReadCloser, error)) func(*http.Request) (io.ReadCloser, error) {
	return func(r *http.Request) (io.ReadCloser, error) {
		every, _ := strconv.Atoi(r.Header.Get(route.HeaderPulse))
		done := time.After(d)
		var tick <-chan time.Time
		if every > 0 {
			ticker := time.NewTicker(time.Duration(every) * time.Millisecond)
			defer ticker.Stop()
			tick = ticker.C
		}
		for {
			select {
			case <-r.Context().Done():
				return nil, r.Context().Err()
			case <-tick:
				pulse(r)
			case <-done:
				return answer(r)
			}
		}
	}
}

// pulse shows who sent r that it is worked on.
func pulse(r *http.Request) {
	_ = httptrace.ContextClientTrace(r.Context()).Got1xxResponse(http.StatusProcessing, textproto.MIMEHeader{})
}

// stalls sends half of an answer and no more.
func stalls(r *http.Request) (io.ReadCloser, error) {
	reader, writer := io.Pipe()
	go func() {
		_, _ = io.WriteString(writer, "half")
		<-r.Context().Done()
		_ = writer.CloseWithError(r.Context().Err())
	}()
	return reader, nil
}

// bubble runs a test whose time is its own, of a forwarder that knows two persisters, of which the first owns the room.
func bubble(t *testing.T, n network, test func(t *testing.T, d *directory, f *route.Forwarder)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDirectory()
		owner, heir := route.Worker{ID: 2, Addr: "owner", Pulses: true}, route.Worker{ID: 3, Addr: "heir", Pulses: true}
		d.place = route.Place{Owner: owner, Epoch: 1}
		d.roles[route.RolePersister] = []route.Worker{owner, heir}
		f := route.New(d, route.Options{Sign: func(*http.Request, []byte) {}, Transport: n})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); _ = f.Run(ctx) }()
		test(t, d, f)
		cancel()
		<-done
	})
}

func TestASilentConnectionIsGivenUpAndTheRequestSentAgain(t *testing.T) {
	n := network{"owner": times(hangs, tells("again"))}
	bubble(t, n, func(t *testing.T, d *directory, f *route.Forwarder) {
		began := time.Now()
		w := httptest.NewRecorder()
		require.NoError(t, f.Forward(t.Context(), send(), w))
		require.Equal(t, "again"+answer, w.Body.String())
		require.Less(t, time.Since(began), 5*time.Second)
		require.Equal(t, route.Silent, d.suspects[2])
	})
}

// It dies between being chosen and being asked, and nothing else changes after.
func TestAWorkerThatHasJustGoneIsNotWaitedFor(t *testing.T) {
	n := network{"a": hangs, "b": hangs, "c": tells("whole")}
	bubble(t, n, func(t *testing.T, d *directory, f *route.Forwarder) {
		d.dead[5], d.dead[6] = true, true
		d.roles["sync"] = []route.Worker{{ID: 5, Addr: "a", Pulses: true}, {ID: 6, Addr: "b", Pulses: true}, {ID: 7, Addr: "c", Pulses: true}}
		for range 20 {
			began, w := time.Now(), httptest.NewRecorder()
			require.NoError(t, f.Forward(t.Context(), &route.Request{Method: "GET", URI: "/x", Role: "sync"}, w))
			require.Equal(t, "whole /x ", w.Body.String())
			require.Less(t, time.Since(began), time.Second) // of the bubble
		}
	})
}

func TestAHintIsFollowedToAWorkerThatTheTableDoesNotKnow(t *testing.T) {
	t.Parallel()
	d := newDirectory()
	d.dead[3] = true // as far as known
	newcomer, asked := worker(t, 3, says("newcomer")), 0
	d.place = route.Place{Epoch: 7, Owner: worker(t, 2, func(w http.ResponseWriter, _ *http.Request) {
		asked++
		w.Header().Set(route.HeaderOwner, "3")
		w.Header().Set(route.HeaderOwnerAddr, newcomer.Addr)
		w.Header().Set(route.HeaderEpoch, "8")
		w.WriteHeader(http.StatusMisdirectedRequest)
	})}
	d.roles[route.RolePersister] = []route.Worker{d.place.Owner}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	w := httptest.NewRecorder()
	require.NoError(t, start(t, d).Forward(ctx, send(), w))
	require.Equal(t, "newcomer"+answer, w.Body.String())
	require.Equal(t, 1, asked)
}

func TestNoWorkerIsAskedForAWordBeforeTheBody(t *testing.T) {
	n := network{"owner": func(r *http.Request) (io.ReadCloser, error) {
		require.Empty(t, r.Header.Get("Expect"))
		return tells("whole")(r)
	}}
	bubble(t, n, func(t *testing.T, _ *directory, f *route.Forwarder) {
		q, w := send(), httptest.NewRecorder()
		q.Header.Set("Expect", "100-continue")
		require.NoError(t, f.Forward(t.Context(), q, w))
		require.Equal(t, "whole"+answer, w.Body.String())
	})
}

func TestAWorkerThatTakesLongButPulsesIsLeftAlone(t *testing.T) {
	asked := 0
	n := network{"owner": func(r *http.Request) (io.ReadCloser, error) {
		asked++
		return after(20*time.Second, tells("slow"))(r)
	}}
	bubble(t, n, func(t *testing.T, d *directory, f *route.Forwarder) {
		w := httptest.NewRecorder()
		require.NoError(t, f.Forward(t.Context(), send(), w))
		require.Equal(t, "slow"+answer, w.Body.String())
		require.Equal(t, 1, asked)
		require.Empty(t, d.suspects)
	})
}

func TestPulsesThatStopEndTheAttempt(t *testing.T) {
	beats := 0
	n := network{"owner": times(func(r *http.Request) (io.ReadCloser, error) {
		for range 8 {
			time.Sleep(500 * time.Millisecond) // of the bubble
			beats++
			pulse(r)
		}
		return hangs(r)
	}, tells("again"))}
	bubble(t, n, func(t *testing.T, _ *directory, f *route.Forwarder) {
		began := time.Now()
		w := httptest.NewRecorder()
		require.NoError(t, f.Forward(t.Context(), send(), w))
		require.Equal(t, "again"+answer, w.Body.String())
		require.Equal(t, 8, beats)
		require.Less(t, time.Since(began), 9*time.Second)
	})
}

// A worker of the build before sends no pulses, which says nothing about it.
func TestAWorkerThatDoesNotPulseIsWaitedFor(t *testing.T) {
	asked := 0
	n := network{"owner": func(r *http.Request) (io.ReadCloser, error) {
		asked++
		require.Empty(t, r.Header.Get(route.HeaderPulse))
		return after(20*time.Second, tells("slow"))(r)
	}}
	bubble(t, n, func(t *testing.T, d *directory, f *route.Forwarder) {
		d.change(func() { d.place.Owner.Pulses = false })
		w := httptest.NewRecorder()
		require.NoError(t, f.Forward(t.Context(), send(), w))
		require.Equal(t, "slow"+answer, w.Body.String())
		require.Equal(t, 1, asked)
	})
}

func TestAnAnswerThatStopsHalfWayIsAskedForAgain(t *testing.T) {
	n := network{"owner": times(stalls, tells("whole"))}
	bubble(t, n, func(t *testing.T, _ *directory, f *route.Forwarder) {
		began := time.Now()
		w := httptest.NewRecorder()
		require.NoError(t, f.Forward(t.Context(), send(), w))
		require.Equal(t, "whole"+answer, w.Body.String(), "the half must not reach the client")
		require.Less(t, time.Since(began), 5*time.Second)
	})
}

func TestAStalledAnswerGoesToTheHeirOnceTheWorkerIsDead(t *testing.T) {
	n := network{"owner": stalls, "heir": tells("heir")}
	bubble(t, n, func(t *testing.T, d *directory, f *route.Forwarder) {
		go func() {
			time.Sleep(time.Second) // of the bubble
			d.change(func() {
				d.dead[2] = true
				d.place = route.Place{Owner: d.roles[route.RolePersister][1], Epoch: 2}
			})
		}()
		began := time.Now()
		w := httptest.NewRecorder()
		require.NoError(t, f.Forward(t.Context(), send(), w))
		require.Equal(t, "heir"+answer, w.Body.String())
		require.Less(t, time.Since(began), 2*time.Second)
	})
}

// A shard can move without its old owner's death, when that left it unclaimed.
func TestARequestFollowsItsShardFromAWorkerThatLives(t *testing.T) {
	n := network{"owner": after(time.Hour, tells("late")), "heir": tells("heir")}
	bubble(t, n, func(t *testing.T, d *directory, f *route.Forwarder) {
		go func() {
			time.Sleep(time.Second) // of the bubble
			d.change(func() { d.place = route.Place{Owner: d.roles[route.RolePersister][1], Epoch: 2} })
		}()
		began := time.Now()
		w := httptest.NewRecorder()
		require.NoError(t, f.Forward(t.Context(), send(), w))
		require.Equal(t, "heir"+answer, w.Body.String())
		require.Less(t, time.Since(began), 3*time.Second)
	})
}

// In a planned move the old owner answers what it has done, and passes on the rest by itself.
func TestAMoveLeavesTheOldOwnerTimeToAnswer(t *testing.T) {
	n := network{"owner": after(1200*time.Millisecond, tells("owner")), "heir": tells("heir")}
	bubble(t, n, func(t *testing.T, d *directory, f *route.Forwarder) {
		go func() {
			time.Sleep(time.Second) // of the bubble
			d.change(func() { d.place = route.Place{Owner: d.roles[route.RolePersister][1], Epoch: 2} })
		}()
		w := httptest.NewRecorder()
		require.NoError(t, f.Forward(t.Context(), send(), w))
		require.Equal(t, "owner"+answer, w.Body.String())
	})
}

func TestAWorkerThatNeverAnswersIsGivenUpInTheEnd(t *testing.T) {
	bubble(t, network{"owner": hangs}, func(t *testing.T, _ *directory, f *route.Forwarder) {
		err := f.Forward(t.Context(), send(), httptest.NewRecorder())
		require.Equal(t, 503, mxerr.As(err).Status())
		require.Positive(t, mxerr.As(err).RetryAfter)
	})
}

// The worker begins to answer while the forwarder still says that it is silent, and a last pulse is late.
func TestAnAnswerThatComesAtTheLastMomentIsWaitedForNoLess(t *testing.T) {
	large := strings.Repeat("x", 200<<10)
	n := network{"client": func(r *http.Request) (io.ReadCloser, error) {
		time.Sleep(6250*time.Millisecond + 5*time.Millisecond) // of the bubble; half of the limit and a little
		time.AfterFunc(time.Second, func() {
			pulse(r)
		})
		return io.NopCloser(&untilDone{r.Context(), strings.NewReader(large)}), nil
	}}
	bubble(t, n, func(t *testing.T, d *directory, f *route.Forwarder) {
		d.roles["client"] = []route.Worker{{ID: 5, Addr: "client", Pulses: true}}
		d.suspecting = func() { time.Sleep(10 * time.Millisecond) } // of the bubble
		w := &slowClient{httptest.NewRecorder()}
		require.NotPanics(t, func() {
			require.NoError(t, f.Forward(t.Context(), &route.Request{Method: "GET", URI: "/x", Role: "client"}, w))
		})
		require.Equal(t, large, w.Body.String())
		d.change(func() { require.Contains(t, d.suspects, int64(5), "or nothing was tested") })
	})
}

func TestAClientMayReadAnAnswerSlowly(t *testing.T) {
	large := strings.Repeat("x", 200<<10)
	n := network{"client": func(r *http.Request) (io.ReadCloser, error) {
		return io.NopCloser(&untilDone{r.Context(), strings.NewReader(large)}), nil
	}}
	bubble(t, n, func(t *testing.T, d *directory, f *route.Forwarder) {
		d.roles["client"] = []route.Worker{{ID: 5, Addr: "client", Pulses: true}}
		w := &slowClient{httptest.NewRecorder()}
		require.NotPanics(t, func() {
			require.NoError(t, f.Forward(t.Context(), &route.Request{Method: "GET", URI: "/x", Role: "client"}, w))
		})
		require.Equal(t, large, w.Body.String())
	})
}

// untilDone is a body that ends with its request, as one from a connection does.
type untilDone struct {
	ctx context.Context
	io.Reader
}

func (u *untilDone) Read(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.Reader.Read(p)
}

type slowClient struct{ *httptest.ResponseRecorder }

func (s *slowClient) Write(p []byte) (int, error) {
	time.Sleep(time.Minute) // of the bubble
	return s.ResponseRecorder.Write(p)
}

func TestPulsesAreSentUntilTheAnswerBegins(t *testing.T) {
	t.Parallel()
	enough := make(chan struct{})
	s := httptest.NewServer(route.Pulse(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Before", "1")
		if r.URL.Path == "/slow" {
			<-enough
		}
		w.Header().Set("After", "1")
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.WriteString(w, "whole")
	})))
	t.Cleanup(s.Close)
	get := func(path, pulse string, pulsed func(header textproto.MIMEHeader)) {
		r, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
			Got1xxResponse: func(_ int, header textproto.MIMEHeader) error { pulsed(header); return nil },
		}), "GET", s.URL+path, nil)
		require.NoError(t, err)
		if pulse != "" {
			r.Header.Set(route.HeaderPulse, pulse)
		}
		resp, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.Equal(t, "whole", string(body))
		require.Equal(t, http.StatusTeapot, resp.StatusCode)
		require.Equal(t, "1", resp.Header.Get("Before")+resp.Header.Get("After")[1:])
	}
	pulses := 0
	get("/slow", "1", func(header textproto.MIMEHeader) {
		require.Empty(t, header.Get("Before"), "the answer's headers are the answer's")
		if pulses++; pulses == 3 {
			close(enough)
		}
	})
	require.GreaterOrEqual(t, pulses, 3)
	get("/quick", "60000", func(textproto.MIMEHeader) { t.Error("it was not slow") })
	get("/quick", "", func(textproto.MIMEHeader) { t.Error("nobody asked") })
}
