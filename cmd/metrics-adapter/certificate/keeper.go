package certificate

import (
	"bytes"
	"context"
	"crypto/x509"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apiserver/pkg/server/dynamiccertificates"
	apiregistration "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// interval is how often a replica looks, so within about this time it serves what another one put into use.
	interval = time.Minute
	// attempts to write before it is left to the next look: each is lost to another replica.
	attempts = 5
)

// Options of a Keeper.
type Options struct {
	// Client of the Kubernetes API; no cache.
	Client client.Client
	// Secret is where the certificate is kept.
	Secret client.ObjectKey
	// Service is what is served, and what the certificate is for: <name>.<namespace>.svc.
	Service client.ObjectKey
	// APIService is the name of the one whose caBundle is kept, if it leads to the Service. Empty: none.
	APIService string
	// Now is the time.
	Now func() time.Time
	Log *slog.Logger
}

// A Keeper has the certificate that is to be served. Make it with [New] and call Ensure once before it is used.
type Keeper struct {
	Options
	names []string

	mu        sync.Mutex
	serving   *pair
	listeners []dynamiccertificates.Listener
}

var _ dynamiccertificates.CertKeyContentProvider = (*Keeper)(nil)

// New makes a Keeper.
func New(o Options) *Keeper {
	host := o.Service.Name + "." + o.Service.Namespace + ".svc"
	return &Keeper{Options: o, names: []string{host, host + ".cluster.local"}}
}

// Name says for logs what this is.
func (k *Keeper) Name() string { return "metrics adapter" }

// AddListener adds one who is told of each change.
func (k *Keeper) AddListener(l dynamiccertificates.Listener) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.listeners = append(k.listeners, l)
}

// CurrentCertKeyContent is the certificate and its key, in PEM; empty before Ensure.
func (k *Keeper) CurrentCertKeyContent() (certificate, key []byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.serving == nil {
		return nil, nil
	}
	return k.serving.certificate, k.serving.key
}

// Run calls Ensure every minute until ctx is done. A failure is logged, and what is served stays.
func (k *Keeper) Run(ctx context.Context) error {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := k.Ensure(ctx); err != nil && ctx.Err() == nil {
				k.Log.Error("keep the serving certificate", "error", err)
			}
		}
	}
}

// Ensure brings the Secret and the caBundle up to date, and takes over what is to be served.
func (k *Keeper) Ensure(ctx context.Context) error {
	var err error
	for range attempts {
		if err = k.pass(ctx); !apierrors.IsConflict(err) && !apierrors.IsAlreadyExists(err) {
			return err
		}
	}
	return err
}

func (k *Keeper) pass(ctx context.Context) error {
	service, err := k.apiService(ctx)
	if err != nil {
		return err
	}
	announced := func(c *x509.Certificate) bool {
		if service == nil {
			return true // nobody is to be told
		}
		told, err := parseBundle(service.Spec.CABundle)
		return err == nil && slices.ContainsFunc(told, c.Equal)
	}
	kept, err := k.keep(ctx, announced)
	if err != nil {
		return err
	}
	k.serve(kept.serving)
	if want := bundle(kept.trusted); service != nil && !bytes.Equal(service.Spec.CABundle, want) {
		before := service.DeepCopy()
		service.Spec.CABundle = want
		patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
		if err := k.Client.Patch(ctx, service, patch); err != nil {
			return fmt.Errorf("write the caBundle of the APIService %s: %w", k.APIService, err)
		}
		k.Log.Info("told the API server which certificates to trust", "apiservice", k.APIService, "certificates", len(kept.trusted))
	}
	return nil
}

// keep brings the Secret up to date and gives what it has then.
func (k *Keeper) keep(ctx context.Context, announced func(*x509.Certificate) bool) (state, error) {
	var secret corev1.Secret
	err := k.Client.Get(ctx, k.Secret, &secret)
	missing := apierrors.IsNotFound(err)
	if err != nil && !missing {
		return state{}, fmt.Errorf("read the serving certificate's Secret %s: %w", k.Secret, err)
	}
	now := k.Now()
	kept, reason, err := read(&secret).turn(k.names, now, announced, func() (*pair, error) { return newPair(k.names, now) })
	if err != nil {
		return state{}, err
	}
	if !kept.write(&secret) {
		return kept, nil
	}
	if missing {
		secret.Namespace, secret.Name = k.Secret.Namespace, k.Secret.Name
		err = k.Client.Create(ctx, &secret)
	} else {
		err = k.Client.Update(ctx, &secret)
	}
	if err != nil {
		return state{}, fmt.Errorf("write the serving certificate's Secret %s: %w", k.Secret, err)
	}
	if reason != "" {
		k.Log.Info("changed the serving certificate", "secret", k.Secret, "reason", reason, "good_until", kept.serving.parsed.NotAfter)
	}
	return kept, nil
}

// apiService is the one that leads to the Service; nil if there is none.
func (k *Keeper) apiService(ctx context.Context) (*apiregistration.APIService, error) {
	if k.APIService == "" {
		return nil, nil
	}
	var s apiregistration.APIService
	if err := k.Client.Get(ctx, client.ObjectKey{Name: k.APIService}, &s); apierrors.IsNotFound(err) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("read the APIService %s: %w", k.APIService, err)
	}
	if to := s.Spec.Service; to == nil || to.Name != k.Service.Name || to.Namespace != k.Service.Namespace {
		return nil, nil // another adapter's
	}
	return &s, nil
}

func (k *Keeper) serve(p *pair) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.serving != nil && bytes.Equal(k.serving.certificate, p.certificate) {
		return
	}
	k.serving = p
	for _, l := range k.listeners {
		l.Enqueue()
	}
}
