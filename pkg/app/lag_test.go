package app

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/lag"
)

// tellsItsLag waits until the heartbeat has told the lag of each role that has one.
func (h *homeserver) tellsItsLag(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool {
		var told lag.Reading
		text := query[string](t, h, `SELECT coalesce(lag::text, '{}') FROM worker WHERE state = 1`)
		require.NoError(t, json.Unmarshal([]byte(text[0]), &told))
		for _, role := range lag.Roles() {
			if _, known := told[role]; !known {
				return false
			}
		}
		return true
	}, time.Minute, 20*time.Millisecond)
}
