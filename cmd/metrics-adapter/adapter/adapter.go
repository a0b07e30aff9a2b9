// Package adapter is the metrics adapter's process: a cache of Homeservers and WorkerPools, the servers of the external
// metrics API and of KEDA's protocol, and the keeper of the certificate of the first. cmd/metrics-adapter is its main.
//
// It holds no state: any number of replicas answer, each by itself, and none is a leader.
package adapter

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	apiregistration "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/myelin-hs/myelin/api/v1alpha1"
	"github.com/myelin-hs/myelin/controllers/dataplane"
	"github.com/myelin-hs/myelin/controllers/lagmetrics"
	"github.com/myelin-hs/myelin/pkg/telemetry"
)

// Main runs the adapter that the command line describes, until ctx is done. Logs and usage go to w.
func Main(ctx context.Context, args []string, w io.Writer) error {
	o, err := Parse(args, w)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	log := telemetry.NewLogger(w, o.LogFormat, o.LogLevel)
	sink := logr.FromSlogHandler(log.Handler())
	ctrl.SetLogger(sink)
	klog.SetLogger(sink)
	if o.Namespace = os.Getenv("POD_NAMESPACE"); o.Namespace == "" {
		return errors.New("metrics-adapter: POD_NAMESPACE is not set: it names the adapter's own namespace, where its Secret and its Service are")
	}
	return Run(ctx, o, log)
}

// Run runs the adapter until ctx is done.
func Run(ctx context.Context, o Options, log *slog.Logger) error {
	if err := run(ctx, o, log); err != nil {
		return fmt.Errorf("metrics-adapter: %w", err)
	}
	return nil
}

func scheme() *runtime.Scheme {
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{v1alpha1.AddToScheme, corev1.AddToScheme, apiregistration.AddToScheme} {
		utilruntime.Must(add(s))
	}
	return s
}

func run(ctx context.Context, o Options, log *slog.Logger) error {
	config, err := clientcmd.BuildConfigFromFlags("", o.Kubeconfig)
	if err != nil {
		return fmt.Errorf("find the cluster: %w", err)
	}
	config.UserAgent = "myelin-metrics-adapter"
	graceful := 5 * time.Second
	m, err := manager.New(config, manager.Options{
		Scheme: scheme(), Cache: cacheOptions(o.Namespaces), Metrics: server.Options{BindAddress: o.MetricsAddr},
		HealthProbeBindAddress: o.ProbeAddr, GracefulShutdownTimeout: &graceful,
	})
	if err != nil {
		return err
	}
	// Made now, so that the cache is whole before anybody is answered.
	for _, kind := range []client.Object{&v1alpha1.Homeserver{}, &v1alpha1.WorkerPool{}} {
		if _, err := m.GetCache().GetInformer(ctx, kind); err != nil {
			return fmt.Errorf("watch: %w", err)
		}
	}
	direct, err := client.New(config, client.Options{Scheme: m.GetScheme(), Mapper: m.GetRESTMapper(), HTTPClient: m.GetHTTPClient()})
	if err != nil {
		return err
	}
	ask, _ := dataplane.Service()
	if o.Ask != nil {
		ask = o.Ask
	}
	s := &servers{Options: o, log: log, direct: direct, lags: lagmetrics.New(m.GetClient(), direct, ask)}
	if err := errors.Join(
		m.AddHealthzCheck("ping", healthz.Ping),
		m.AddReadyzCheck("serving", s.ready),
		m.Add(s), // starts once the cache is whole
	); err != nil {
		return err
	}
	return m.Start(ctx)
}

func cacheOptions(namespaces []string) cache.Options {
	o := cache.Options{DefaultTransform: cache.TransformStripManagedFields()}
	if len(namespaces) > 0 {
		o.DefaultNamespaces = map[string]cache.Config{}
		for _, name := range namespaces {
			o.DefaultNamespaces[name] = cache.Config{}
		}
	}
	return o
}
