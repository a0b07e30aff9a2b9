package adminapi_test

import (
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/admin"
	"github.com/myelin-hs/myelin/pkg/bus"
)

func TestTheStatusSaysWhatTheWorkerSeesOfRedis(t *testing.T) {
	t.Parallel()
	w := join(t, open(t), "only")
	for want, err := range map[string]error{
		admin.RedisReachable: nil, admin.RedisRefused: fmt.Errorf("publish: %w", bus.ErrRefused), admin.RedisUnreachable: errors.New("no route"),
	} {
		*w.redis = err
		var s admin.Status
		code, message := w.ask(t, http.MethodGet, "status", "", &s)
		require.Equal(t, http.StatusOK, code, message)
		require.Equal(t, want, s.Redis)
	}
}
