package certificate_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	apiregistration "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/myelin-hs/myelin/cmd/metrics-adapter/certificate"
)

const name = "v1beta1.external.metrics.k8s.io"

var (
	secretKey = client.ObjectKey{Namespace: "system", Name: "tls"}
	service   = client.ObjectKey{Namespace: "system", Name: "metrics"}
)

// installation is a cluster with the APIService, and its time.
type installation struct {
	t      *testing.T
	client client.Client
	now    time.Time
}

func install(t *testing.T, to *apiregistration.ServiceReference) *installation {
	t.Helper()
	s := runtime.NewScheme()
	require.NoError(t, errors.Join(corev1.AddToScheme(s), apiregistration.AddToScheme(s)))
	o := &apiregistration.APIService{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: apiregistration.APIServiceSpec{Service: to}}
	return &installation{t, fake.NewClientBuilder().WithScheme(s).WithObjects(o).Build(), time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)}
}

func ours() *apiregistration.ServiceReference {
	return &apiregistration.ServiceReference{Namespace: service.Namespace, Name: service.Name}
}

func (i *installation) replica() *certificate.Keeper {
	return certificate.New(certificate.Options{
		Client: i.client, Secret: secretKey, Service: service, APIService: name,
		Now: func() time.Time { return i.now }, Log: slog.New(slog.DiscardHandler),
	})
}

func (i *installation) ensure(k *certificate.Keeper) {
	i.t.Helper()
	require.NoError(i.t, k.Ensure(i.t.Context()))
}

func (i *installation) caBundle() []byte {
	i.t.Helper()
	var s apiregistration.APIService
	require.NoError(i.t, i.client.Get(i.t.Context(), client.ObjectKey{Name: name}, &s))
	return s.Spec.CABundle
}

func (i *installation) secret() *corev1.Secret {
	i.t.Helper()
	var s corev1.Secret
	require.NoError(i.t, i.client.Get(i.t.Context(), secretKey, &s))
	return &s
}

// trusted checks as the API server does: by the caBundle and the Service's name.
func (i *installation) trusted(k *certificate.Keeper) error {
	pair, err := tls.X509KeyPair(k.CurrentCertKeyContent())
	require.NoError(i.t, err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(i.caBundle())
	_, err = pair.Leaf.Verify(x509.VerifyOptions{DNSName: "metrics.system.svc", Roots: roots, CurrentTime: i.now})
	return err
}

func serving(k *certificate.Keeper) string {
	c, _ := k.CurrentCertKeyContent()
	return string(c)
}

func TestReplicasServeOneCertificateThatTheAPIServerTrusts(t *testing.T) {
	t.Parallel()
	i := install(t, ours())
	a, b := i.replica(), i.replica()
	c, key := a.CurrentCertKeyContent()
	require.Empty(t, c)
	require.Empty(t, key)
	i.ensure(a)
	i.ensure(b)
	require.Equal(t, serving(a), serving(b))
	require.NoError(t, i.trusted(a))
	require.Equal(t, i.secret().Data["ca.crt"], i.caBundle())
}

func TestReplicasThatStartAtOnceAgree(t *testing.T) {
	t.Parallel()
	i := install(t, ours())
	var all []*certificate.Keeper
	var g sync.WaitGroup
	for range 4 {
		k := i.replica()
		all = append(all, k)
		g.Go(func() { i.ensure(k) })
	}
	g.Wait()
	for _, k := range all {
		require.Equal(t, serving(all[0]), serving(k))
		require.NoError(t, i.trusted(k))
	}
}

// A year, looked at every five hours by two replicas, of which one sleeps at times.
func TestNoCertificateIsServedThatIsNotTrustedNorNearItsEnd(t *testing.T) {
	t.Parallel()
	i := install(t, ours())
	a, b := i.replica(), i.replica()
	i.ensure(a)
	i.ensure(b)
	changes := 0
	for hours := 0; hours < 365*24; hours += 5 {
		i.now = i.now.Add(5 * time.Hour)
		before := serving(a)
		i.ensure(a)
		if hours%35 == 0 {
			i.ensure(b)
		}
		for _, k := range []*certificate.Keeper{a, b} {
			require.NoError(t, i.trusted(k))
		}
		pair, err := tls.X509KeyPair(a.CurrentCertKeyContent())
		require.NoError(t, err)
		require.Greater(t, pair.Leaf.NotAfter.Sub(i.now), 29*24*time.Hour, "it is renewed well before")
		if serving(a) != before {
			changes++
		}
		require.LessOrEqual(t, bytes.Count(i.caBundle(), []byte("BEGIN")), 3, "what is expired goes")
	}
	require.Equal(t, 6, changes, "every sixty days")
}

func TestTheNextCertificateIsServedOnlyOnceItWasAnnouncedForAWhile(t *testing.T) {
	t.Parallel()
	i := install(t, ours())
	k := i.replica()
	i.ensure(k)
	first := serving(k)

	i.now = i.now.Add(certificate.Renew - 1)
	i.ensure(k)
	require.NotContains(t, i.secret().Data, "next.crt")
	i.now = i.now.Add(1)
	i.ensure(k)
	require.Contains(t, i.secret().Data, "next.crt")
	require.Equal(t, 2, bytes.Count(i.caBundle(), []byte("BEGIN")))

	i.now = i.now.Add(certificate.Announce - 1)
	i.ensure(k)
	require.Equal(t, first, serving(k))
	// Whoever applies the APIService anew, without a caBundle, delays it.
	var s apiregistration.APIService
	require.NoError(t, i.client.Get(t.Context(), client.ObjectKey{Name: name}, &s))
	s.Spec.CABundle = nil
	require.NoError(t, i.client.Update(t.Context(), &s))
	i.now = i.now.Add(time.Hour)
	i.ensure(k)
	require.Equal(t, first, serving(k))
	require.NoError(t, i.trusted(k), "it is put back")

	told := &listener{}
	k.AddListener(told)
	i.ensure(k)
	require.NotEqual(t, first, serving(k))
	require.Equal(t, 1, told.count)
	require.NoError(t, i.trusted(k))
	require.NotContains(t, i.secret().Data, "next.crt")
	i.ensure(k)
	require.Equal(t, 1, told.count)
}

type listener struct{ count int }

func (l *listener) Enqueue() { l.count++ }

func TestWhatIsNoCertificateIsReplaced(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*installation, *corev1.Secret){
		"no PEM":              func(_ *installation, s *corev1.Secret) { s.Data["tls.crt"] = []byte("x") },
		"another's key":       func(_ *installation, s *corev1.Secret) { s.Data["tls.key"] = []byte("x") },
		"a bundle of nothing": func(_ *installation, s *corev1.Secret) { s.Data["ca.crt"] = []byte("x") },
		"an expired one":      func(i *installation, _ *corev1.Secret) { i.now = i.now.Add(certificate.Life) },
		"more than there is":  func(_ *installation, s *corev1.Secret) { s.Data["x"] = []byte("x") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := install(t, ours())
			i.ensure(i.replica())
			s := i.secret()
			spoil(i, s)
			require.NoError(t, i.client.Update(t.Context(), s))
			k := i.replica()
			i.ensure(k)
			require.NoError(t, i.trusted(k))
			require.NotContains(t, i.secret().Data, "x")
			require.Equal(t, i.secret().Data["ca.crt"], i.caBundle())
		})
	}
}

// There is one external metrics API in a cluster. If it is another adapter's, that one's caBundle is not ours to write.
func TestAnotherAdaptersAPIServiceIsLeftAlone(t *testing.T) {
	t.Parallel()
	i := install(t, &apiregistration.ServiceReference{Namespace: "keda", Name: "keda-operator-metrics-apiserver"})
	k := i.replica()
	i.ensure(k)
	require.Empty(t, i.caBundle())
	first := serving(k)
	i.now = i.now.Add(certificate.Renew)
	i.ensure(k)
	i.now = i.now.Add(certificate.Announce)
	i.ensure(k)
	require.NotEqual(t, first, serving(k), "renewed all the same")
}

// A write that another replica was faster with is looked at anew, and not made over what that one wrote.
func TestALostRaceChangesNothing(t *testing.T) {
	t.Parallel()
	i := install(t, ours())
	fast := i.replica()
	slow := certificate.New(certificate.Options{
		Client: &meanwhile{Client: i.client, do: func() { i.ensure(fast) }}, Secret: secretKey, Service: service, APIService: name,
		Now: func() time.Time { return i.now }, Log: slog.New(slog.DiscardHandler),
	})
	i.ensure(slow)
	require.Equal(t, serving(fast), serving(slow))
	require.NoError(t, i.trusted(slow))
}

// meanwhile does something else before the first write.
type meanwhile struct {
	client.Client
	once sync.Once
	do   func()
}

func (m *meanwhile) Create(ctx context.Context, o client.Object, options ...client.CreateOption) error {
	m.once.Do(m.do)
	return m.Client.Create(ctx, o, options...)
}
