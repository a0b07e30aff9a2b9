package keda

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"

	"github.com/myelin-hs/myelin/cmd/metrics-adapter/keda/externalscaler"
)

const (
	maxMessage     = 64 << 10 // a trigger's metadata is far smaller, and so is every answer
	maxConnStreams = 2 * MaxStreams
	stopDelay      = 3 * time.Second
)

// Serve answers on l until ctx is done. A nil t means without TLS. The listener is closed in any case.
func Serve(ctx context.Context, l net.Listener, lags Lags, t *tls.Config) error {
	options := []grpc.ServerOption{
		grpc.MaxRecvMsgSize(maxMessage), grpc.MaxSendMsgSize(maxMessage), grpc.MaxHeaderListSize(16 << 10),
		grpc.MaxConcurrentStreams(maxConnStreams),
		grpc.ConnectionTimeout(10 * time.Second),
		// A client that is gone without a word holds nothing for longer than this; one that pings more often is cut off.
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: time.Minute, Timeout: 20 * time.Second}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second, PermitWithoutStream: true}),
	}
	if t != nil {
		options = append(options, grpc.Creds(credentials.NewTLS(t)))
	}
	server := grpc.NewServer(options...)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	externalscaler.RegisterExternalScalerServer(server, New(ctx, lags))
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve KEDA's scaler: %w", err)
	case <-ctx.Done():
	}
	// What is asked now is still answered; who does not take the answer is cut off.
	cut := time.AfterFunc(stopDelay, server.Stop)
	defer cut.Stop()
	server.GracefulStop()
	if err := <-ended; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		return fmt.Errorf("serve KEDA's scaler: %w", err)
	}
	return nil
}
