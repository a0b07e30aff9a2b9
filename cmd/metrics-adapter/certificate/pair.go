package certificate

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"
)

const (
	// Life of a certificate from when it is made.
	Life = 90 * 24 * time.Hour
	// Renew is the age at which the next one is made.
	Renew = 60 * 24 * time.Hour
	// Announce is for how long, at least, the next one is announced before it is served.
	Announce = 10 * time.Minute
	// backdate lets those verify it whose clock is behind.
	backdate = time.Hour
)

// A pair is a certificate and its key, in PEM.
type pair struct {
	certificate, key []byte
	parsed           *x509.Certificate
}

// made is when.
func made(c *x509.Certificate) time.Time { return c.NotBefore.Add(backdate) }

// newPair makes a certificate for a server of these names.
func newPair(names []string, now time.Time) (*pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, fmt.Errorf("make a serial number: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: names[0]},
		DNSNames:              names,
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(Life),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true, // no authority: it signs nothing else
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("make a certificate: %w", err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("write a key: %w", err)
	}
	return parsePair(
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}),
	)
}

func parsePair(certificate, key []byte) (*pair, error) {
	both, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return nil, err
	}
	return &pair{certificate, key, both.Leaf}, nil
}

// serves says whether the certificate is for exactly these names, and good at that time.
func (p *pair) serves(names []string, now time.Time) bool {
	return slices.Equal(p.parsed.DNSNames, names) && now.Before(p.parsed.NotAfter)
}

// bundle writes certificates in PEM.
func bundle(all []*x509.Certificate) []byte {
	var text []byte
	for _, c := range all {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return text
}

// parseBundle reads certificates in PEM.
func parseBundle(text []byte) ([]*x509.Certificate, error) {
	var all []*x509.Certificate
	for len(text) > 0 {
		block, rest := pem.Decode(text)
		if block == nil {
			return nil, errors.New("what is there is no PEM")
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		all, text = append(all, c), rest
	}
	return all, nil
}
