// Package operator is the operator's process: the manager, its caches, and the three controllers. cmd/operator is its main.
package operator

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrlconfig "sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/myelin-hs/myelin/controllers/dataplane"
	"github.com/myelin-hs/myelin/controllers/homeserver"
	"github.com/myelin-hs/myelin/controllers/kubeevent"
	"github.com/myelin-hs/myelin/controllers/persistershard"
	"github.com/myelin-hs/myelin/controllers/workerpool"
	"github.com/myelin-hs/myelin/pkg/telemetry"
)

// Options of the process.
type Options struct {
	// Namespaces to work in; empty: all.
	Namespaces []string
	// LeaderElection makes one of several operators the active one. LeaderNamespace holds its Lease; empty: the pod's.
	LeaderElection  bool
	LeaderNamespace string
	// MetricsAddr and ProbeAddr are listened on; "0" is off.
	MetricsAddr, ProbeAddr string
	LogFormat              string
	LogLevel               slog.Level
	// Namespace is the operator's own; empty if it runs outside of the cluster.
	Namespace string
	// Ask asks workers for their status; nil: through the homeserver's internal Service.
	Ask dataplane.Asker
	// Drain has a worker give away what it owns; nil: through the homeserver's internal Service.
	Drain dataplane.Drainer
}

// Parse reads the command line. Usage goes to w, and the error is then flag.ErrHelp.
func Parse(args []string, w io.Writer) (Options, error) {
	var o Options
	var namespaces string
	set := flag.NewFlagSet("operator", flag.ContinueOnError)
	set.SetOutput(w)
	set.StringVar(&namespaces, "namespaces", "", "work only in these namespaces, separated by commas (default all)")
	set.BoolVar(&o.LeaderElection, "leader-elect", true, "be active only while holding the Lease")
	set.StringVar(&o.LeaderNamespace, "leader-election-namespace", "", "namespace of the Lease (default the pod's)")
	set.StringVar(&o.MetricsAddr, "metrics-addr", ":8080", "listen here for /metrics; 0 is off")
	set.StringVar(&o.ProbeAddr, "probe-addr", ":8081", "listen here for /healthz and /readyz; 0 is off")
	set.StringVar(&o.LogFormat, "log-format", "json", "text or json")
	set.TextVar(&o.LogLevel, "log-level", slog.LevelInfo, "debug, info, warn or error")
	if err := set.Parse(args); err != nil {
		return Options{}, err
	}
	if set.NArg() > 0 {
		return Options{}, fmt.Errorf("operator: unexpected argument %q", set.Arg(0))
	}
	if o.LogFormat != "text" && o.LogFormat != "json" {
		return Options{}, fmt.Errorf("operator: --log-format: %q is not text or json", o.LogFormat)
	}
	for name := range strings.SplitSeq(namespaces, ",") {
		if name = strings.TrimSpace(name); name != "" {
			o.Namespaces = append(o.Namespaces, name)
		}
	}
	return o, nil
}

// Main runs the operator that the command line describes, until ctx is done. Logs and usage go to w.
func Main(ctx context.Context, args []string, w io.Writer) error {
	o, err := Parse(args, w)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	ctrl.SetLogger(logr.FromSlogHandler(telemetry.NewLogger(w, o.LogFormat, o.LogLevel).Handler()))
	o.Namespace = os.Getenv("POD_NAMESPACE")
	config, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("operator: find the cluster: %w", err)
	}
	return Run(ctx, config, o)
}

// Run runs the controllers against the cluster until ctx is done; then the Lease is given back.
func Run(ctx context.Context, config *rest.Config, o Options) error {
	config = rest.CopyConfig(config)
	config.QPS, config.Burst = 100, 200 // the API server has its own fairness
	if config.UserAgent == "" {
		config.UserAgent = "myelin-operator"
	}
	graceful := 5 * time.Second
	several := true // operators in one process, each for its own namespaces: the tests
	m, err := manager.New(config, manager.Options{
		Scheme:                        Scheme(),
		Cache:                         cacheOptions(o.Namespaces),
		Metrics:                       server.Options{BindAddress: o.MetricsAddr},
		HealthProbeBindAddress:        o.ProbeAddr,
		LeaderElection:                o.LeaderElection,
		LeaderElectionID:              "operator.myelin.dev",
		LeaderElectionNamespace:       o.LeaderNamespace,
		LeaderElectionReleaseOnCancel: true,
		GracefulShutdownTimeout:       &graceful,
		Controller:                    ctrlconfig.Controller{SkipNameValidation: &several},
	})
	if err != nil {
		return fmt.Errorf("operator: %w", err)
	}
	if err := errors.Join(
		m.AddHealthzCheck("ping", healthz.Ping),
		m.AddReadyzCheck("ping", healthz.Ping),
	); err != nil {
		return fmt.Errorf("operator: %w", err)
	}
	ask, drain := dataplane.Service()
	if o.Ask != nil {
		ask = o.Ask
	}
	if o.Drain != nil {
		drain = o.Drain
	}
	events, stop, err := kubeevent.New(ctx, config, m.GetHTTPClient(), m.GetScheme())
	if err != nil {
		return fmt.Errorf("operator: %w", err)
	}
	defer stop()
	direct, err := client.NewWithWatch(config, client.Options{HTTPClient: m.GetHTTPClient(), Scheme: m.GetScheme(), Mapper: m.GetRESTMapper()})
	if err != nil {
		return fmt.Errorf("operator: %w", err)
	}
	if err := errors.Join(homeserver.Add(m, direct, events, o.Namespace), workerpool.Add(m, ask, drain, events), persistershard.Add(m, ask, events)); err != nil {
		return fmt.Errorf("operator: %w", err)
	}
	if o.MetricsAddr != "0" {
		told := Conditions(ctx, m.GetClient())
		if err := metrics.Registry.Register(told); err != nil {
			return fmt.Errorf("operator: %w", err)
		}
		defer metrics.Registry.Unregister(told)
	}
	if err := m.Start(ctx); err != nil {
		return fmt.Errorf("operator: %w", err)
	}
	return nil
}
