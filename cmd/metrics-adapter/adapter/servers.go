package adapter

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/myelin-hs/myelin/cmd/metrics-adapter/certificate"
	"github.com/myelin-hs/myelin/cmd/metrics-adapter/external"
	"github.com/myelin-hs/myelin/cmd/metrics-adapter/keda"
	"github.com/myelin-hs/myelin/controllers/lagmetrics"
	"github.com/myelin-hs/myelin/pkg/telemetry"
)

// servers are what answers.
type servers struct {
	Options
	log     *slog.Logger
	direct  client.Client // no cache
	lags    *lagmetrics.Reader
	serving atomic.Bool
}

func (s *servers) ready(*http.Request) error {
	if !s.serving.Load() {
		return errors.New("it does not listen yet")
	}
	return nil
}

// NeedLeaderElection is asked by the manager: every replica answers.
func (s *servers) NeedLeaderElection() bool { return false }

// Start serves until ctx is done, or until something fails: then all of it ends.
func (s *servers) Start(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	metricsAPI, err := s.listen(ctx, s.MetricsAPIAddr, s.serveMetricsAPI, g)
	if err == nil {
		var forKEDA string
		if forKEDA, err = s.listen(ctx, s.KEDAAddr, s.serveKEDA, g); err == nil {
			s.log.Info("answering", "metrics_api", metricsAPI, "keda", forKEDA)
			s.serving.Store(true)
			if s.Listening != nil {
				s.Listening(metricsAPI, forKEDA)
			}
		}
	}
	if err != nil {
		g.Go(func() error { return err }) // ends what has started
	}
	return g.Wait()
}

// listen has serve answer at an address, unless it is off, and gives the address that it became.
func (s *servers) listen(ctx context.Context, addr string, serve func(context.Context, net.Listener, *errgroup.Group) error, g *errgroup.Group) (string, error) {
	if addr == off {
		return "", nil
	}
	var c net.ListenConfig
	l, err := c.Listen(ctx, "tcp", addr)
	if err != nil {
		return "", fmt.Errorf("listen: %w", err)
	}
	if err := serve(ctx, l, g); err != nil {
		return "", errors.Join(err, l.Close())
	}
	return l.Addr().String(), nil
}

func (s *servers) serveMetricsAPI(ctx context.Context, l net.Listener, g *errgroup.Group) error {
	keeper := certificate.New(certificate.Options{
		Client: s.direct, Secret: s.inOwnNamespace(s.Secret), Service: s.inOwnNamespace(s.Service), APIService: s.APIService,
		Now: time.Now, Log: s.log,
	})
	if err := keeper.Ensure(ctx); err != nil {
		return err
	}
	server, err := external.New(s.lags, external.Options{Listener: l, Certificate: keeper, Kubeconfig: s.Kubeconfig, Version: telemetry.Version})
	if err != nil {
		return err
	}
	g.Go(func() error { return server.Run(ctx) })
	g.Go(func() error { return keeper.Run(ctx) })
	return nil
}

func (s *servers) serveKEDA(ctx context.Context, l net.Listener, g *errgroup.Group) error {
	t, err := s.KEDATLS.config()
	if err != nil {
		return fmt.Errorf("TLS for KEDA: %w", err)
	}
	g.Go(func() error { return keda.Serve(ctx, l, s.lags, t) })
	return nil
}
