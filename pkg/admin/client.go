package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/myelin-hs/myelin/pkg/internalauth"
)

// maxResponse bounds an answer: 4096 shards and 1000 workers fit several times.
const maxResponse = 8 << 20

// A Client asks one worker, or a Service in front of several.
type Client struct {
	base   string
	signer *internalauth.Signer
	http   *http.Client
}

// NewClient makes a client for base, such as http://demo-internal:8090. A nil h means one with a limit of 30 s a
// request, which a move needs. Redirects are not followed: the API has none, so whatever answers with one is not it.
func NewClient(base, credential string, h *http.Client) *Client {
	if h == nil {
		h = &http.Client{Timeout: 30 * time.Second}
	}
	signer, transport := internalauth.NewSigner(credential), h.Transport
	if transport == nil {
		transport = http.DefaultTransport
	}
	patient := *h
	patient.Transport = signer.Transport(transport)
	patient.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Client{strings.TrimSuffix(base, "/"), signer, &patient}
}

// An Error is a refusal by the API.
type Error struct {
	HTTPStatus int
	Message    string
}

func (e *Error) Error() string { return fmt.Sprintf("%s (HTTP %d)", e.Message, e.HTTPStatus) }

// Ping asks who answers at the address.
func (c *Client) Ping(ctx context.Context) (Ping, error) {
	var p Ping
	return p, c.do(ctx, http.MethodGet, "ping", nil, &p)
}

// Status asks for the state of the data plane.
func (c *Client) Status(ctx context.Context) (Status, error) {
	var s Status
	return s, c.do(ctx, http.MethodGet, "status", nil, &s)
}

// Move moves a shard and waits until it has moved. to 0 means any other worker.
func (c *Client) Move(ctx context.Context, shard int, to int64) (MoveResult, error) {
	var m MoveResult
	return m, c.do(ctx, http.MethodPost, "shards/"+strconv.Itoa(shard)+"/move", MoveRequest{To: to}, &m)
}

// Drain tells a worker to give away what it owns and to take nothing new. It returns when the worker has been told.
func (c *Client) Drain(ctx context.Context, worker int64) error {
	return c.do(ctx, http.MethodPost, "workers/"+strconv.FormatInt(worker, 10)+"/drain", nil, nil)
}

// Cordon keeps a worker from being given shards, or allows it again.
func (c *Client) Cordon(ctx context.Context, worker int64, cordoned bool) error {
	return c.do(ctx, http.MethodPost, "workers/"+strconv.FormatInt(worker, 10)+"/cordon", CordonRequest{cordoned}, nil)
}

// Rebalance makes the balancer look at how shards are spread. It returns at once: what moves is in Status.
func (c *Client) Rebalance(ctx context.Context) (Rebalance, error) {
	var r Rebalance
	return r, c.do(ctx, http.MethodPost, "rebalance", nil, &r)
}

func (c *Client) do(ctx context.Context, method, path string, in, out any) error {
	fail := func(err error) error { return fmt.Errorf("admin %s %s: %w", method, path, err) }
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return fail(err)
		}
	}
	r, err := http.NewRequestWithContext(ctx, method, c.base+Prefix+path, bytes.NewReader(body))
	if err != nil {
		return fail(err)
	}
	r.Header.Set("Content-Type", "application/json")
	c.signer.Sign(r, body, internalauth.Identity{})
	resp, err := c.http.Do(r)
	if err != nil {
		return fail(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxResponse+1))
	if err != nil {
		return fail(err)
	}
	if len(text) > maxResponse {
		return fail(errors.New("the answer is too large"))
	}
	if resp.StatusCode/100 != 2 {
		refusal := struct {
			Error string `json:"error"`
		}{}
		if to := resp.Header.Get("Location"); to != "" {
			refusal.Error = fmt.Sprintf("what answers is no worker: it redirects to %.200q", to)
		} else if json.Unmarshal(text, &refusal) != nil || refusal.Error == "" {
			refusal.Error = strings.TrimSpace(string(text[:min(len(text), 200)]))
		}
		return fail(&Error{resp.StatusCode, refusal.Error})
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fail(err)
	}
	return nil
}
