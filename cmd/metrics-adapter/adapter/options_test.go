package adapter

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAWrongCommandLineIsRefusedInWords(t *testing.T) {
	t.Parallel()
	for says, args := range map[string][]string{
		`unexpected argument "x"`:            {"x"},
		"--log-format":                       {"--log-format=xml"},
		"there is nothing to do":             {"--metrics-api-addr=0", "--keda-addr=0"},
		"give both or none":                  {"--keda-tls-cert-file=x"},
		"clients are only known by TLS":      {"--keda-client-ca-file=x"},
		"TLS for KEDA: open /does/not/exist": {"--keda-tls-cert-file=/does/not/exist", "--keda-tls-key-file=/does/not/exist"},
	} {
		_, err := Parse(args, t.Output())
		require.ErrorContains(t, err, says)
	}
	o, err := Parse([]string{"--namespaces=a, b"}, t.Output())
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b"}, o.Namespaces)
}

// written makes a certificate that is its own authority, with this serial number, and writes it over what is there.
func written(t *testing.T, f TLSFiles, serial int64) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(f.Certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	require.NoError(t, os.WriteFile(f.Key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), 0o600))
}

func TestARenewedCertificateForKEDAIsUsedWithoutARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := TLSFiles{Certificate: filepath.Join(dir, "tls.crt"), Key: filepath.Join(dir, "tls.key")}
	written(t, f, 1)
	config, err := f.config()
	require.NoError(t, err)
	for _, serial := range []int64{1, 2} {
		written(t, f, serial)
		served, err := config.GetConfigForClient(nil)
		require.NoError(t, err)
		require.Equal(t, tls.NoClientCert, served.ClientAuth)
		leaf, err := x509.ParseCertificate(served.Certificates[0].Certificate[0])
		require.NoError(t, err)
		require.Equal(t, serial, leaf.SerialNumber.Int64())
	}

	f.ClientCA = f.Certificate
	config, err = f.config()
	require.NoError(t, err)
	served, err := config.GetConfigForClient(nil)
	require.NoError(t, err)
	require.Equal(t, tls.RequireAndVerifyClientCert, served.ClientAuth)

	require.NoError(t, os.WriteFile(filepath.Join(dir, "empty"), nil, 0o600))
	f.ClientCA = filepath.Join(dir, "empty")
	_, err = f.config()
	require.ErrorContains(t, err, "has no certificate")
}
