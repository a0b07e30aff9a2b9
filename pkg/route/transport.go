package route

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/myelin-hs/myelin/pkg/network"
)

// dialLimit bounds a dial: an address that swallows packets is a pod that has gone.
const dialLimit = time.Second

// NewTransport makes the HTTP transport between workers: HTTP/1.1 with kept connections, which end when the network
// between them is cut. Nothing remembers that an address failed, so one that a new pod got is dialled at once.
func NewTransport() *http.Transport {
	dialer := network.Dialer(dialLimit)
	return &http.Transport{
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, addr)
			if err != nil {
				return nil, &dialError{err}
			}
			return conn, nil
		},
		DisableCompression: true,
		// One that is busy has hundreds of requests in progress at one worker. What cannot be kept is dialled anew for each.
		MaxIdleConns:        2048,
		MaxIdleConnsPerHost: 1024,
		IdleConnTimeout:     90 * time.Second,
		ReadBufferSize:      4 << 10,
		WriteBufferSize:     4 << 10,
	}
}

// dialError marks that no connection came about, so nothing can have been sent.
type dialError struct{ err error }

func (e *dialError) Error() string { return e.err.Error() }
func (e *dialError) Unwrap() error { return e.err }

func isDialError(err error) bool {
	var d *dialError
	return errors.As(err, &d)
}
