package horizon

import (
	"context"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"
)

// newNetwork returns the URI of a database behind a network, and a function that makes the network swallow what the
// server says, without a reset: what the client says arrives.
func newNetwork(t *testing.T, uri string) (through string, deafen func()) {
	t.Helper()
	cfg, err := pgx.ParseConfig(uri)
	require.NoError(t, err)
	name, server := pgconn.NetworkAddress(cfg.Host, cfg.Port)
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var deaf atomic.Bool
	var copying sync.WaitGroup
	copying.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			copying.Go(func() {
				defer client.Close()
				up, err := (&net.Dialer{}).DialContext(ctx, name, server)
				if err != nil {
					return
				}
				defer up.Close()
				defer context.AfterFunc(ctx, func() { _, _ = client.Close(), up.Close() })()
				copying.Go(func() { _, _ = io.Copy(up, client); _ = up.Close() })
				_, _ = io.Copy(writer(func(p []byte) (int, error) {
					if deaf.Load() {
						return len(p), nil
					}
					return client.Write(p)
				}), up)
			})
		}
	})
	t.Cleanup(func() {
		cancel()
		_ = l.Close()
		copying.Wait()
	})
	u := url.URL{Scheme: "postgres", User: url.UserPassword(cfg.User, cfg.Password), Host: l.Addr().String(), Path: "/" + cfg.Database}
	u.RawQuery = "sslmode=disable"
	return u.String(), func() { deaf.Store(true) }
}

type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }
