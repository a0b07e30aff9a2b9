package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"

	"github.com/myelin-hs/myelin/pkg/keyring"
)

// signing makes this worker's signing keys known to the others and chooses one. It has joined: others see which key it
// signs with.
func (w *worker) signing(ctx context.Context) error {
	if w.keys == nil {
		return nil
	}
	own, err := keyring.Announce(ctx, w.pool, w.lease.ID(), w.keys)
	if err != nil {
		return fmt.Errorf("--signing-key-file: %w", err)
	}
	w.own = own
	w.log.InfoContext(ctx, "signing", "key", own.Key().KeyID())
	w.verifier = keyring.NewVerifier(keyring.VerifierOptions{
		DB: w.pool, Own: own, Client: newPublicClient(), BaseURL: keyring.DirectURL, Notaries: w.notaries,
	})
	return nil
}

// newPublicClient returns a client for other homeservers. It connects to public addresses only, so that no name that a
// stranger gives leads into this network.
func newPublicClient() *http.Client {
	dialer := &net.Dialer{Timeout: 10 * time.Second, Control: func(_, address string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(address)
		if err != nil {
			return err
		}
		if !isPublic(at.Addr().Unmap()) {
			return errors.New("not a public address")
		}
		return nil
	}}
	return &http.Client{Transport: &http.Transport{
		DialContext: dialer.DialContext, TLSHandshakeTimeout: 10 * time.Second, ForceAttemptHTTP2: true,
		MaxIdleConns: 100, MaxIdleConnsPerHost: 2, IdleConnTimeout: 90 * time.Second, MaxResponseHeaderBytes: 64 << 10,
	}}
}

// sharedSpace is for carriers' networks (RFC 6598), and private to them.
var sharedSpace = netip.MustParsePrefix("100.64.0.0/10")

func isPublic(ip netip.Addr) bool {
	return ip.IsGlobalUnicast() && !ip.IsPrivate() && !sharedSpace.Contains(ip)
}
