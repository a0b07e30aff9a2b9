package bus

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/myelin-hs/myelin/pkg/network"
)

const dialTimeout = time.Second

// dialer connects to servers and Sentinels alike. What a server's certificate is checked with is read for each connection,
// so that a replaced authority needs no restart.
type dialer struct {
	tls bool
	ca  func() ([]byte, error) // nil: the system's
}

func (d dialer) dial(ctx context.Context, kind, addr string) (net.Conn, error) {
	plain := network.Dialer(dialTimeout)
	if !d.tls {
		return plain.DialContext(ctx, kind, addr)
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if d.ca != nil {
		pem, err := d.ca()
		if err != nil {
			return nil, fmt.Errorf("read the certificates for Redis: %w", err)
		}
		if config.RootCAs = x509.NewCertPool(); !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, errors.New("the certificates for Redis: there is none, in PEM")
		}
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	return (&tls.Dialer{NetDialer: plain, Config: config}).DialContext(ctx, kind, addr)
}
