package app

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strconv"

	"github.com/myelin-hs/myelin/pkg/internalauth"
	"github.com/myelin-hs/myelin/pkg/persister"
	"github.com/myelin-hs/myelin/pkg/route"
)

// sendCopies is persister.Options.SendCopies.
func (w *worker) sendCopies(ctx context.Context, worker int64, body []byte) error {
	to, ok := w.lease.Table().Worker(worker)
	if !ok {
		return fmt.Errorf("send copies of rooms: there is no worker %d", worker)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+to.Addr+persister.CopiesPath, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("send copies of rooms: %w", err)
	}
	r.Header.Set(route.HeaderTo, strconv.FormatInt(worker, 10))
	w.signer.Sign(r, body, internalauth.Identity{})
	resp, err := w.peer.client.Do(r)
	if err != nil {
		return fmt.Errorf("send copies of rooms: %w", err)
	}
	if err := resp.Body.Close(); err != nil || resp.StatusCode != http.StatusNoContent {
		return fmt.Errorf("send copies of rooms to worker %d: status %d", worker, resp.StatusCode)
	}
	return nil
}
