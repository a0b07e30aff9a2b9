package matrix_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/cmd/loadgen/matrix"
)

func client(t *testing.T, handler http.HandlerFunc) *matrix.Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return &matrix.Client{Base: server.URL, HTTP: server.Client(), UserID: "@a:test", DeviceID: "D", Token: "token"}
}

func event(n int) string {
	return fmt.Sprintf(`{"event_id":"$%d","type":"m.room.message","content":{"body":"%d"}}`, n, n)
}

func timeline(token string, limited bool, events ...string) string {
	return fmt.Sprintf(`{"next_batch":%q,"rooms":{"join":{"!a:test":{"timeline":{"limited":%t,"prev_batch":"gap","events":[%s]}}}}}`,
		token, limited, strings.Join(events, ","))
}

// A listener gets everything once and in order, whatever the server leaves out of a timeline or fails to answer.
func TestListenFillsGapsAndOutlastsFailures(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var failed atomic.Bool
	c := client(t, func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		switch {
		case r.Header.Get("Authorization") != "Bearer token":
			w.WriteHeader(401)
		case strings.HasSuffix(r.URL.Path, "/messages") && q.Get("from") == "gap":
			fmt.Fprintf(w, `{"chunk":[%s,%s],"end":"more"}`, event(5), event(4))
		case strings.HasSuffix(r.URL.Path, "/messages") && q.Get("from") == "more" && q.Get("to") == "s1":
			fmt.Fprintf(w, `{"chunk":[%s]}`, event(3))
		case q.Get("since") == "":
			fmt.Fprint(w, timeline("s1", true, event(1), event(2)))
		case q.Get("since") == "s1" && failed.CompareAndSwap(false, true):
			w.WriteHeader(503)
		case q.Get("since") == "s1":
			fmt.Fprint(w, timeline("s2", true, event(6)))
		default:
			cancel()
		}
	})
	c.Failures = &matrix.Failures{}
	var got []string
	ready := 0
	require.NoError(t, c.Listen(ctx, func() { ready++ }, func(room string, e matrix.Event) {
		require.Equal(t, "!a:test", room)
		got = append(got, e.Key())
	}))
	require.Equal(t, []string{"1", "2", "3", "4", "5", "6"}, got, "the gap before the first answer is not filled: it began there")
	require.Equal(t, 1, ready)
	failures := c.Failures.Since(time.Time{})
	require.Len(t, failures, 1)
	require.Contains(t, failures[0].Outcome, "503")
}

func TestListenEndsWhenItIsRefused(t *testing.T) {
	t.Parallel()
	c := client(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(401)
		fmt.Fprint(w, `{"errcode":"M_UNKNOWN_TOKEN","error":"gone"}`)
	})
	err := c.Listen(t.Context(), func() {}, func(string, matrix.Event) {})
	require.True(t, matrix.Refused(err))
	require.ErrorContains(t, err, "M_UNKNOWN_TOKEN")
	require.False(t, matrix.Unserved(err))
}

func TestUnservedIsWhatTheServerDoesNotKnow(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]bool{`{"errcode":"M_UNRECOGNIZED"}`: true, `{"errcode":"M_NOT_FOUND"}`: false, `no JSON`: false} {
		for _, status := range []int{404, 405, 500} {
			c := client(t, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(status)
				fmt.Fprint(w, body)
			})
			for _, err := range []error{
				c.Receipt(t.Context(), "!a:test", "$e"), c.SetAccountData(t.Context(), "x", struct{}{}), c.RenameDevice(t.Context(), "n"),
				c.SendToDevice(t.Context(), "x", "txn", "@b:test", struct{}{}),
			} {
				require.Equal(t, want && status != 500, matrix.Unserved(err), "%d %s: %v", status, body, err)
			}
		}
	}
}
