package adapter

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
)

// TLSFiles are paths.
type TLSFiles struct {
	Certificate, Key string
	// ClientCA are the authorities by which clients have to have a certificate; empty: clients need none.
	ClientCA string
}

// config is nil if there is to be no TLS. The files are read for each connection, so that a renewed certificate is used
// without a restart.
func (f TLSFiles) config() (*tls.Config, error) {
	if f.Certificate == "" {
		return nil, nil
	}
	if _, err := f.read(); err != nil {
		return nil, err
	}
	read := func(*tls.ClientHelloInfo) (*tls.Config, error) { return f.read() }
	return &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2"}, GetConfigForClient: read}, nil
}

func (f TLSFiles) read() (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(f.Certificate, f.Key)
	if err != nil {
		return nil, err
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2"}, Certificates: []tls.Certificate{pair}}
	if f.ClientCA == "" {
		return c, nil
	}
	text, err := os.ReadFile(f.ClientCA)
	if err != nil {
		return nil, err
	}
	c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
	if !c.ClientCAs.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s has no certificate", f.ClientCA)
	}
	return c, nil
}
