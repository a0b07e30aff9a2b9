package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
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

// nat64 is how a network of IPv6 alone reaches IPv4, private addresses too (RFC 6052).
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

// special are networks that are not public, though package netip says nothing of them (IANA, "Special-Purpose Address
// Registry"): of this host, of carriers, of protocols, for benchmarks, reserved; and what wraps IPv4 addresses.
var special = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("::/96"), netip.MustParsePrefix("64:ff9b:1::/48"), netip.MustParsePrefix("2001::/32"),
	netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("fec0::/10"),
}

func isPublic(ip netip.Addr) bool {
	if nat64.Contains(ip) {
		b := ip.As16()
		ip = netip.AddrFrom4([4]byte(b[12:]))
	}
	return ip.IsGlobalUnicast() && !ip.IsPrivate() &&
		!slices.ContainsFunc(special, func(p netip.Prefix) bool { return p.Contains(ip) })
}
