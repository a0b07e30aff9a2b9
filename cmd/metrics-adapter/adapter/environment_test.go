package adapter_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	apiregistration "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/myelin-hs/myelin/api/v1alpha1"
)

// The API server of all tests of this package: a real one, which passes requests on as those of clusters do.
var (
	cluster       client.Client // administrator
	clusterConfig *rest.Config
	environment   *envtest.Environment
)

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	const missing = "KUBEBUILDER_ASSETS is not set: it names the directory with kube-apiserver and etcd, see hack/cluster"
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		if os.Getenv("CI") != "" {
			fmt.Fprintln(os.Stderr, missing)
			return 1
		}
		fmt.Fprintln(os.Stderr, "SKIP:", missing)
		return 0
	}
	quiet := logr.FromSlogHandler(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	ctrl.SetLogger(quiet)
	klog.SetLogger(quiet)
	environment = &envtest.Environment{CRDDirectoryPaths: []string{filepath.Join("..", "..", "..", "config", "crd", "bases")}, ErrorIfCRDPathMissing: true}
	environment.ControlPlane.Etcd = &envtest.Etcd{}
	environment.ControlPlane.Etcd.Configure().Append("unsafe-no-fsync", "true") // nothing outlives the process
	defer func() {                                                              // also after a start that failed half-way
		if err := environment.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, "stop the API server:", err)
		}
	}()
	dir, err := os.MkdirTemp("", "myelin-requestheader-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if err := start(dir); err != nil {
		fmt.Fprintln(os.Stderr, "start the API server:", err)
		return 1
	}
	return m.Run()
}

// start starts it with what it vouches by, when it passes requests on, for who made them.
func start(dir string) (err error) {
	certificate, key := filepath.Join(dir, "client.crt"), filepath.Join(dir, "client.key")
	if err := frontProxy(certificate, key); err != nil {
		return err
	}
	environment.ControlPlane.GetAPIServer().Configure().
		Set("requestheader-client-ca-file", certificate).
		Set("requestheader-allowed-names", "front-proxy").
		Set("requestheader-username-headers", "X-Remote-User").
		Set("requestheader-group-headers", "X-Remote-Group").
		Set("requestheader-extra-headers-prefix", "X-Remote-Extra-").
		Set("proxy-client-cert-file", certificate).
		Set("proxy-client-key-file", key)
	if clusterConfig, err = environment.Start(); err != nil {
		return err
	}
	clusterConfig.QPS = -1
	s := runtime.NewScheme()
	if err := errors.Join(v1alpha1.AddToScheme(s), corev1.AddToScheme(s), rbacv1.AddToScheme(s), apiregistration.AddToScheme(s)); err != nil {
		return err
	}
	cluster, err = client.New(clusterConfig, client.Options{Scheme: s})
	return err
}

// frontProxy writes a client's certificate that is its own authority.
func frontProxy(certificate, keyFile string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "front-proxy"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600),
		os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), 0o600),
	)
}

// hang is when to stop waiting. It is no statement about speed.
const hang = 3 * time.Minute

// eventually waits until check says nothing; what it last said is the failure.
func eventually(ctx context.Context, t *testing.T, check func(context.Context) string) {
	t.Helper()
	last := ""
	ok := func() bool { last = check(ctx); return last == "" }
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(hang); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("it never happened; last: %s", last)
		}
	}
}
