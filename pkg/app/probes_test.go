package app

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAWorkerThatLostTheDatabaseForLongIsNotReadyUntilItIsBack(t *testing.T) {
	t.Parallel()
	var r readiness
	h := probes(&r)
	get := func() (int, string) {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/ready", nil))
		return w.Code, w.Body.String()
	}
	code, why := get()
	require.Equal(t, http.StatusServiceUnavailable, code)
	require.Contains(t, why, "starting")

	var silence time.Duration
	r.watch(func() time.Duration { return silence })
	r.set("")
	for _, c := range []struct {
		silence time.Duration
		code    int
	}{{time.Second, 200}, {8 * time.Second, 200}, {12 * time.Second, 503}, {time.Hour, 503}, {0, 200}} {
		silence = c.silence
		code, _ = get()
		require.Equal(t, c.code, code, "%v", c.silence)
	}
	r.set("drained")
	code, why = get()
	require.Equal(t, http.StatusServiceUnavailable, code)
	require.Contains(t, why, "drained")
}
