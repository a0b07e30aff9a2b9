package adapter

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/myelin-hs/myelin/controllers/dataplane"
)

// off is an address that is not listened on.
const off = "0"

// Options of the process.
type Options struct {
	// Namespaces whose pools are answered for; empty: all.
	Namespaces []string
	// MetricsAPIAddr is listened on for the external metrics API, KEDAAddr for KEDA, MetricsAddr for /metrics, ProbeAddr for
	// /healthz and /readyz; "0" is off.
	MetricsAPIAddr, KEDAAddr, MetricsAddr, ProbeAddr string
	// Service is the name of the Service in front of the adapter, Secret that of the Secret with its certificate.
	Service, Secret string
	// APIService is the name of the object that leads the API server to the Service.
	APIService string
	// KEDATLS are the files with which KEDA is answered; none: without TLS.
	KEDATLS TLSFiles
	// Kubeconfig is the path of the file that leads to the API server; empty: as pods find it.
	Kubeconfig string
	LogFormat  string
	LogLevel   slog.Level
	// Namespace is the adapter's own.
	Namespace string
	// Ask asks workers for their status; nil: through the homeserver's internal Service.
	Ask dataplane.Asker
	// Listening is told where the adapter listens, once it does; nil: nobody is.
	Listening func(metricsAPI, keda string)
}

// Parse reads the command line. Usage goes to w, and the error is then flag.ErrHelp.
func Parse(args []string, w io.Writer) (Options, error) {
	var o Options
	var namespaces string
	set := flag.NewFlagSet("metrics-adapter", flag.ContinueOnError)
	set.SetOutput(w)
	set.StringVar(&namespaces, "namespaces", "", "answer for pools of these namespaces only, separated by commas (default all)")
	set.StringVar(&o.MetricsAPIAddr, "metrics-api-addr", ":6443", "listen here for the external metrics API; 0 is off")
	set.StringVar(&o.KEDAAddr, "keda-addr", ":9443", "listen here for KEDA's external scaler protocol; 0 is off")
	set.StringVar(&o.MetricsAddr, "metrics-addr", ":8080", "listen here for /metrics; 0 is off")
	set.StringVar(&o.ProbeAddr, "probe-addr", ":8081", "listen here for /healthz and /readyz; 0 is off")
	set.StringVar(&o.Service, "service", "myelin-metrics-adapter", "name of the Service in front of the adapter, in its namespace")
	set.StringVar(&o.Secret, "secret", "myelin-metrics-adapter-tls", "name of the Secret with the serving certificate, which the adapter makes, in its namespace")
	set.StringVar(&o.APIService, "api-service", "v1beta1.external.metrics.k8s.io", "name of the APIService that is told which certificate to trust")
	set.StringVar(&o.KEDATLS.Certificate, "keda-tls-cert-file", "", "answer KEDA over TLS with this certificate; the file is read anew for each connection")
	set.StringVar(&o.KEDATLS.Key, "keda-tls-key-file", "", "its key")
	set.StringVar(&o.KEDATLS.ClientCA, "keda-client-ca-file", "", "answer only clients with a certificate by one of these authorities")
	set.StringVar(&o.LogFormat, "log-format", "json", "text or json")
	set.TextVar(&o.LogLevel, "log-level", slog.LevelInfo, "debug, info, warn or error")
	if err := set.Parse(args); err != nil {
		return Options{}, err
	}
	if set.NArg() > 0 {
		return Options{}, fmt.Errorf("metrics-adapter: unexpected argument %q", set.Arg(0))
	}
	for name := range strings.SplitSeq(namespaces, ",") {
		if name = strings.TrimSpace(name); name != "" {
			o.Namespaces = append(o.Namespaces, name)
		}
	}
	if err := o.check(); err != nil {
		return Options{}, fmt.Errorf("metrics-adapter: %w", err)
	}
	return o, nil
}

func (o Options) check() error {
	if o.LogFormat != "text" && o.LogFormat != "json" {
		return fmt.Errorf("--log-format: %q is not text or json", o.LogFormat)
	}
	if o.MetricsAPIAddr == off && o.KEDAAddr == off {
		return errors.New("--metrics-api-addr and --keda-addr are both off: there is nothing to do")
	}
	t := o.KEDATLS
	if (t.Certificate == "") != (t.Key == "") {
		return errors.New("--keda-tls-cert-file and --keda-tls-key-file: give both or none")
	}
	if t.ClientCA != "" && t.Certificate == "" {
		return errors.New("--keda-client-ca-file: clients are only known by TLS; give --keda-tls-cert-file and --keda-tls-key-file, too")
	}
	if _, err := t.config(); err != nil {
		return fmt.Errorf("TLS for KEDA: %w", err)
	}
	return nil
}

func (o Options) inOwnNamespace(name string) client.ObjectKey {
	return client.ObjectKey{Namespace: o.Namespace, Name: name}
}
