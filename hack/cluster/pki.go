package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// PKI is the cluster's certificates: PEM files in one folder, readable by root
// alone. It is made once and lives as long as the cluster.
type PKI struct{ dir string }

func (p PKI) cert(name string) string { return filepath.Join(p.dir, name+".crt") }
func (p PKI) key(name string) string  { return filepath.Join(p.dir, name+".key") }

// Certificates are valid for a year; a cluster that old is started anew.
const validity = 365 * 24 * time.Hour

// identity describes a certificate: for clients the name and groups are what
// RBAC sees.
type identity struct {
	file   string
	name   string
	groups []string
	hosts  []string // names and addresses, for servers
}

// make issues what is missing.
func (p PKI) make(nodes []Node, n Network) error {
	if err := os.MkdirAll(p.dir, 0o700); err != nil {
		return err
	}
	for _, authority := range []string{"ca", "front-proxy-ca"} {
		if err := p.authority(authority); err != nil {
			return err
		}
	}
	if _, err := p.keyPair("service-account"); err != nil {
		return err
	}
	identities := []identity{
		{file: "etcd", name: "etcd", hosts: []string{"127.0.0.1"}},
		{file: "etcd-client", name: "kube-apiserver"},
		{file: "kube-apiserver", name: "kube-apiserver", hosts: []string{
			"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local",
			n.kubernetesService().String(), n.Node.String(), "127.0.0.1", "localhost",
		}},
		{file: "kubelet-client", name: "kube-apiserver-kubelet-client", groups: []string{"system:masters"}},
		{file: "admin", name: "kubernetes-admin", groups: []string{"system:masters"}},
		{file: "kube-controller-manager", name: "system:kube-controller-manager"},
		{file: "kube-scheduler", name: "system:kube-scheduler"},
		{file: "kube-proxy", name: "system:kube-proxy"},
		{file: "coredns", name: "system:coredns"},
		{file: metricsServer, name: "system:" + metricsServer, hosts: []string{metricsServer + ".kube-system.svc"}},
	}
	for _, node := range nodes {
		identities = append(identities, identity{
			file: node.own("kubelet"), name: "system:node:" + node.name(), groups: []string{"system:nodes"}, hosts: []string{node.name(), node.address().String()},
		})
	}
	for _, id := range identities {
		if err := p.issue("ca", id); err != nil {
			return err
		}
	}
	return p.issue("front-proxy-ca", identity{file: "front-proxy-client", name: "front-proxy-client"})
}

func (p PKI) authority(name string) error {
	if _, err := os.Stat(p.cert(name)); err == nil {
		return nil
	}
	key, err := p.keyPair(name)
	if err != nil {
		return err
	}
	template := certificate(name)
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage |= x509.KeyUsageCertSign
	return p.sign(name, template, template, key.Public(), key)
}

func (p PKI) issue(authority string, id identity) error {
	if _, err := os.Stat(p.cert(id.file)); err == nil {
		return nil
	}
	ca, err := tls.LoadX509KeyPair(p.cert(authority), p.key(authority))
	if err != nil {
		return err
	}
	key, err := p.keyPair(id.file)
	if err != nil {
		return err
	}
	template := certificate(id.name)
	template.Subject.Organization = id.groups
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	if len(id.hosts) > 0 {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	}
	for _, h := range id.hosts {
		if ip := net.ParseIP(h); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, h)
		}
	}
	return p.sign(id.file, template, ca.Leaf, key.Public(), ca.PrivateKey)
}

func certificate(name string) *x509.Certificate {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		panic(err) // crypto/rand never fails
	}
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(validity),
		KeyUsage:     x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
	}
}

func (p PKI) sign(file string, template, parent *x509.Certificate, public, signer any) error {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, signer)
	if err != nil {
		return fmt.Errorf("sign %s: %w", file, err)
	}
	return writeFile(p.cert(file), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600)
}

// keyPair returns the file's private key, making both halves when they are
// missing; the public one is for checking service accounts' tokens.
func (p PKI) keyPair(file string) (crypto.Signer, error) {
	data, err := os.ReadFile(p.key(file))
	if err == nil {
		block, _ := pem.Decode(data)
		if block == nil {
			return nil, fmt.Errorf("%s holds no PEM", p.key(file))
		}
		return x509.ParseECPrivateKey(block.Bytes)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, err
	}
	if err := writeFile(filepath.Join(p.dir, file+".pub"), pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}), 0o600); err != nil {
		return nil, err
	}
	return key, writeFile(p.key(file), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: private}), 0o600)
}

// config is a TLS configuration of that client, trusting the cluster's authority.
func (p PKI) config(client string) (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(p.cert(client), p.key(client))
	if err != nil {
		return nil, err
	}
	ca, err := os.ReadFile(p.cert("ca"))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	return &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: roots, MinVersion: tls.VersionTLS12}, nil
}
