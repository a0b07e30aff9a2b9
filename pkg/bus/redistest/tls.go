package redistest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// StartTLS starts a server that speaks TLS only, by a certificate for 127.0.0.1 that Authority signs.
func StartTLS(t testing.TB) *Server {
	t.Helper()
	dir := ownDir(t)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	write := func(name, kind string, der []byte) (path, text string) {
		path = filepath.Join(dir, name)
		text = string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		if os.Geteuid() == 0 {
			require.NoError(t, os.Chown(path, nobody, nobody))
		}
		return path, text
	}
	certFile, authority := write("tls.crt", "CERTIFICATE", certificate)
	keyFile, _ := write("tls.key", "PRIVATE KEY", secret)
	return start(t, &Server{authority: authority, config: []string{
		"--tls-cert-file", certFile, "--tls-key-file", keyFile, "--tls-ca-cert-file", certFile, "--tls-auth-clients", "no",
	}})
}

// Authority is what the server's certificate is checked with, in PEM; "": it speaks no TLS.
func (s *Server) Authority() string { return s.authority }
