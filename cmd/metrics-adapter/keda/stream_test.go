package keda_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/myelin-hs/myelin/cmd/metrics-adapter/keda"
	"github.com/myelin-hs/myelin/cmd/metrics-adapter/keda/externalscaler"
	"github.com/myelin-hs/myelin/controllers/lagmetrics"
)

// answers is a stream that counts what it is sent.
type answers struct {
	grpc.ServerStream
	ctx  context.Context
	sent int
}

func (a *answers) Context() context.Context { return a.ctx }

func (a *answers) Send(*externalscaler.IsActiveResponse) error {
	a.sent++
	return nil
}

// deleted is a pool that is there until it is deleted.
type deleted struct{ gone atomic.Bool }

func (d *deleted) Find(context.Context, lagmetrics.Question) error {
	if d.gone.Load() {
		return lagmetrics.ErrMissing
	}
	return nil
}

func (d *deleted) Lag(context.Context, lagmetrics.Question) (lagmetrics.Answer, error) {
	return lagmetrics.Answer{}, nil
}

func TestAStreamEndsWithItsPool(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		pool, stream := &deleted{}, &answers{ctx: t.Context()}
		ended := make(chan error, 1)
		go func() { ended <- keda.New(t.Context(), pool).StreamIsActive(ref(), stream) }()
		<-time.After(time.Hour)
		synctest.Wait()
		require.Empty(t, ended, "as long as the pool is there")
		pool.gone.Store(true)
		err := <-ended
		require.Equal(t, codes.NotFound, status.Code(err))
		require.Equal(t, 1, stream.sent, "it never changes")
	})
}
