package matrix_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/cmd/loadgen/matrix"
)

func nobody(string, matrix.Event) {}

func TestListenGivesUpOnAnAnswerThatMakesNoSense(t *testing.T) {
	t.Parallel()
	for _, body := range []string{`{}`, `null`, `<html>`, `{"next_batch":""}`, `{"next_batch":7}`} {
		c := client(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) })
		var nonsense *matrix.NonsenseError
		require.ErrorAs(t, c.Listen(t.Context(), func() { t.Error("it is not ready") }, nobody), &nonsense, body)
	}
}

func TestTheFirstSyncMayTakeLongerThanOtherRequests(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c := client(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, timeline("s1", false)) })
	c.Deadline = time.Nanosecond // in which nothing is answered
	ready := false
	require.NoError(t, c.Listen(ctx, func() { ready = true; cancel() }, nobody))
	require.True(t, ready)
	_, err := c.Sync(t.Context(), "s1", 0)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

// What is refused as one too many is asked for again, also in the middle of a gap, and nothing is told of twice.
func TestListenWaitsWhereRequestsAreLimited(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var refused [2]atomic.Bool
	limit := func(w http.ResponseWriter) {
		w.WriteHeader(429)
		fmt.Fprint(w, `{"errcode":"M_LIMIT_EXCEEDED","retry_after_ms":1}`)
	}
	var others []string
	for i := range 8 {
		others = append(others, fmt.Sprintf(`"!b%d:test":{"timeline":{"events":[{"event_id":"$%d"}]}}`, i, i))
	}
	c := client(t, func(w http.ResponseWriter, r *http.Request) {
		since := r.URL.Query().Get("since")
		switch {
		case strings.HasSuffix(r.URL.Path, "/messages") && refused[1].CompareAndSwap(false, true), since == "s1" && refused[0].CompareAndSwap(false, true):
			limit(w)
		case strings.HasSuffix(r.URL.Path, "/messages"):
			fmt.Fprint(w, `{"chunk":[]}`)
		case since == "":
			fmt.Fprint(w, timeline("s1", false))
		case since == "s1":
			fmt.Fprintf(w, `{"next_batch":"s2","rooms":{"join":{"!a:test":{"timeline":{"limited":true,"prev_batch":"p"}},%s}}}`, strings.Join(others, ","))
		default:
			cancel()
		}
	})
	told, again := map[string]int{}, 0
	c.Retrying = func(_ error, limited time.Duration) {
		again++
		require.Equal(t, time.Millisecond, limited)
	}
	require.NoError(t, c.Listen(ctx, func() {}, func(room string, _ matrix.Event) { told[room]++ }))
	require.Equal(t, 2, again)
	require.Len(t, told, 8)
	for room, n := range told {
		require.Equal(t, 1, n, room)
	}
}

func TestListenEndsWhereALimitDoesNotLift(t *testing.T) {
	t.Parallel()
	asked := 0
	c := client(t, func(w http.ResponseWriter, _ *http.Request) {
		asked++
		w.WriteHeader(429)
		fmt.Fprint(w, `{"errcode":"M_LIMIT_EXCEEDED","retry_after_ms":1}`)
	})
	err := c.Listen(t.Context(), func() {}, nobody)
	require.ErrorContains(t, err, "M_LIMIT_EXCEEDED")
	require.Equal(t, 11, asked)
}

func TestAnAnswerSaysHowLongToWaitWithinBounds(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		header, body string
		want         time.Duration
	}{
		{"", `{}`, 0}, {"", `{"retry_after_ms":1500}`, 1500 * time.Millisecond}, {"2", `{"retry_after_ms":1500}`, 2 * time.Second}, {"soon", `no JSON`, 0},
		{"-1", `{"retry_after_ms":-5}`, 0}, {"1e300", `{}`, 30 * time.Second}, {"", `{"retry_after_ms":1e18}`, 30 * time.Second}, {"NaN", `{}`, 0},
	} {
		c := client(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", x.header)
			w.WriteHeader(429)
			fmt.Fprint(w, x.body)
		})
		_, err := c.Sync(t.Context(), "", 0)
		var status *matrix.StatusError
		require.True(t, errors.As(err, &status))
		require.Equal(t, x.want, status.After, "%+v", x)
	}
}

// What a server says is for a terminal to show, and no more of it than helps.
func TestAnErrorIsShownAsFarAsItCanBe(t *testing.T) {
	t.Parallel()
	c := client(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(403)
		fmt.Fprintf(w, `{"errcode":"M_\u001b[31mRED","error":"a\r\nb%s"}`, strings.Repeat("x", 100_000))
	})
	_, err := c.Sync(t.Context(), "", 0)
	require.ErrorContains(t, err, "403 M_ [31mRED: a  bx")
	require.Less(t, len(err.Error()), 1000)
}

func TestPagesThatLeadBackAreAnError(t *testing.T) {
	t.Parallel()
	c := client(t, func(w http.ResponseWriter, r *http.Request) {
		end := map[string]string{"a": "b", "b": "a"}[r.URL.Query().Get("from")]
		fmt.Fprintf(w, `{"chunk":[%s],"end":%q}`, event(1), end)
	})
	_, err := c.Between(t.Context(), "!a:test", "a", "z")
	require.ErrorContains(t, err, "leads back to a")
}

func TestAnAnswerMustNameWhatItIsAskedFor(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	for body, want := range map[string][3]string{
		`{}`:                {"user_id", "user_id", "nonce"},
		`{"user_id":"@a"}`:  {"access_token", "", "nonce"},
		`{"nonce":"n"}`:     {"user_id", "user_id", "user_id"},
		`{"event_id":null}`: {"user_id", "user_id", "nonce"},
	} {
		c := client(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) })
		_, err := matrix.RegisterOpen(ctx, c.Base, "a", c.HTTP.Transport, nil)
		require.ErrorContains(t, err, "names no "+want[0], body)
		_, err = matrix.Register(ctx, c.Base, "secret", "a", c.HTTP.Transport, nil)
		require.ErrorContains(t, err, "names no "+want[2], body)
		if _, err = matrix.WithToken(ctx, c.Base, "t", c.HTTP.Transport, nil); want[1] != "" {
			require.ErrorContains(t, err, "names no "+want[1], body)
		} else {
			require.NoError(t, err)
		}
		_, err = c.CreateRoom(ctx, "a", nil)
		require.ErrorContains(t, err, "names no room_id", body)
		_, err = c.Send(ctx, "!a", "k")
		require.ErrorContains(t, err, "names no event_id", body)
		_, err = c.SetTopic(ctx, "!a", "k")
		require.ErrorContains(t, err, "names no event_id", body)
	}
}

func TestARedirectIsNotFollowed(t *testing.T) {
	t.Parallel()
	for _, status := range []int{301, 302, 307, 308} {
		var asked atomic.Int32
		c := client(t, func(w http.ResponseWriter, r *http.Request) {
			asked.Add(1)
			http.Redirect(w, r, "/elsewhere", status)
		})
		_, err := matrix.RegisterOpen(t.Context(), c.Base, "a", c.HTTP.Transport, nil)
		require.ErrorContains(t, err, fmt.Sprintf(`%d: redirects to "/elsewhere"`, status))
		_, err = matrix.WithToken(t.Context(), c.Base, "t", c.HTTP.Transport, nil)
		require.ErrorContains(t, err, "redirects to")
		_, err = matrix.Register(t.Context(), c.Base, "secret", "a", c.HTTP.Transport, nil)
		require.ErrorContains(t, err, "redirects to")
		require.Equal(t, int32(3), asked.Load())
	}
}

func TestOnlyLimitsInARowEndAListener(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	asked := 0
	c := client(t, func(w http.ResponseWriter, _ *http.Request) {
		if asked++; asked%2 == 0 {
			fmt.Fprintf(w, `{"next_batch":"s%d"}`, asked)
			return
		}
		if asked > 30 {
			cancel()
		}
		w.WriteHeader(429)
		fmt.Fprint(w, `{"retry_after_ms":1}`)
	})
	require.NoError(t, c.Listen(ctx, func() {}, nobody))
	require.Greater(t, asked, 30)
}
