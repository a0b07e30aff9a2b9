package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"syscall"
	"time"

	"github.com/myelin-hs/myelin/pkg/admin"
	"github.com/myelin-hs/myelin/pkg/internalauth"
	"github.com/myelin-hs/myelin/pkg/lease"
	"github.com/myelin-hs/myelin/pkg/mxerr"
	"github.com/myelin-hs/myelin/pkg/mxhttp"
	"github.com/myelin-hs/myelin/pkg/route"
)

// Paths by which workers wake and probe each other.
const (
	internalPrefix = "/_myelin/internal/v1/"
	nudgePath      = internalPrefix + "nudge"
	probePath      = internalPrefix + "probe"
)

// peer is lease.Peer over the internal port.
type peer struct {
	signer *internalauth.Signer
	client *http.Client
	limit  time.Duration // probeLimit, but for tests
}

func newPeer(signer *internalauth.Signer) *peer {
	// No kept connections: a probe is about whether a dial succeeds.
	dials := &http.Transport{DisableKeepAlives: true, DialContext: (&net.Dialer{}).DialContext}
	return &peer{signer, &http.Client{Transport: signer.Transport(dials)}, probeLimit}
}

type probeAnswer struct {
	Dead bool `json:"dead"`
}

// Nudge makes the worker at addr look at the database.
func (p *peer) Nudge(ctx context.Context, addr string) error {
	resp, err := p.do(ctx, http.MethodPost, addr, nudgePath)
	if err != nil {
		return fmt.Errorf("nudge %s: %w", addr, err)
	}
	return resp.Body.Close()
}

// Probe dials targetAddr, or lets the worker at viaAddr do so.
func (p *peer) Probe(ctx context.Context, viaAddr, targetAddr string, targetID int64) (bool, error) {
	if viaAddr == "" {
		return p.dial(ctx, targetAddr, targetID)
	}
	q := url.Values{"addr": {targetAddr}, "id": {strconv.FormatInt(targetID, 10)}}
	resp, err := p.do(ctx, http.MethodGet, viaAddr, probePath+"?"+q.Encode())
	if err != nil {
		return false, fmt.Errorf("probe %s through %s: %w", targetAddr, viaAddr, err)
	}
	defer resp.Body.Close()
	var a probeAnswer
	if resp.StatusCode == http.StatusGatewayTimeout {
		return false, fmt.Errorf("probe %s through %s: %w", targetAddr, viaAddr, lease.ErrNoAnswer)
	}
	if resp.StatusCode != http.StatusOK {
		return false, fmt.Errorf("probe %s through %s: status %d", targetAddr, viaAddr, resp.StatusCode)
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<10)).Decode(&a); err != nil {
		return false, fmt.Errorf("probe %s through %s: %w", targetAddr, viaAddr, err)
	}
	return a.Dead, nil
}

// probeLimit bounds one dial with its answer. Who has another dial waits longer.
const probeLimit = 700 * time.Millisecond

// dial says that a worker is dead if its address refuses or resets, or if another answers there. The error is
// lease.ErrNoAnswer if nothing does.
func (p *peer) dial(ctx context.Context, addr string, id int64) (bool, error) {
	bounded, cancel := context.WithTimeout(ctx, p.limit)
	defer cancel()
	resp, err := p.do(bounded, http.MethodGet, addr, admin.Prefix+"ping")
	switch {
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ECONNRESET):
		return true, nil
	case err != nil && bounded.Err() != nil && ctx.Err() == nil:
		return false, fmt.Errorf("probe %s: %w", addr, lease.ErrNoAnswer)
	case err != nil:
		return false, fmt.Errorf("probe %s: %w", addr, err)
	}
	defer resp.Body.Close()
	return resp.Header.Get(route.HeaderWorker) != strconv.FormatInt(id, 10), nil
}

func (p *peer) do(ctx context.Context, method, addr, uri string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, "http://"+addr+uri, nil)
	if err != nil {
		return nil, err
	}
	p.signer.Sign(r, nil, internalauth.Identity{})
	return p.client.Do(r)
}

// servePeers answers what peers ask.
func servePeers(mux *http.ServeMux, m *lease.Manager, p *peer) {
	mux.HandleFunc("POST "+nudgePath, func(w http.ResponseWriter, _ *http.Request) {
		m.Nudged()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.Handle("GET "+probePath, mxhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		id, err := strconv.ParseInt(r.URL.Query().Get("id"), 10, 64)
		if err != nil {
			return mxerr.InvalidParam("id: %v", err)
		}
		// Only addresses of workers are dialled, so that the credential does not open a scanner.
		worker, ok := m.Table().Worker(id)
		if addr := r.URL.Query().Get("addr"); !ok || worker.Addr != addr {
			return mxerr.NotFound("No worker %d at %s", id, addr)
		}
		dead, err := p.dial(r.Context(), worker.Addr, id)
		if errors.Is(err, lease.ErrNoAnswer) {
			return mxerr.Unknown(http.StatusGatewayTimeout, "The worker does not answer")
		}
		if err != nil {
			return mxerr.Unknown(http.StatusBadGateway, "The worker could not be probed").WithCause(err)
		}
		mxhttp.WriteJSON(w, http.StatusOK, probeAnswer{dead})
		return nil
	}))
}
