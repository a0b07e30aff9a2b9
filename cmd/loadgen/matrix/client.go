// Package matrix is a plain Matrix client that loads and tests a homeserver: it bounds each request in time, counts every
// failure, and never retries but where it listens, so that what a user would have noticed is noticed.
package matrix

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// Deadline is how long a request may take before it counts as failed.
const Deadline = 5 * time.Second

// Failure is a request that a user would call failed: 5xx, a transport error, or no answer within Deadline.
type Failure struct {
	At      time.Time
	Took    time.Duration
	Request string
	Outcome string
}

// Failures collects failures. It is safe for concurrent use; a nil one forgets them.
type Failures struct {
	mu  sync.Mutex
	all []Failure
}

func (f *Failures) add(x Failure) {
	if f == nil {
		return
	}
	f.mu.Lock()
	f.all = append(f.all, x)
	f.mu.Unlock()
}

// Since returns those that happened from t on.
func (f *Failures) Since(t time.Time) []Failure {
	f.mu.Lock()
	defer f.mu.Unlock()
	var since []Failure
	for _, x := range f.all {
		if !x.At.Before(t) {
			since = append(since, x)
		}
	}
	return since
}

// Client is one device of one user.
type Client struct {
	Base     string // base URL, without a slash at its end
	HTTP     *http.Client
	Failures *Failures
	Deadline time.Duration // of a request; 0: Deadline
	UserID   string
	DeviceID string
	Token    string
	// Retrying is told of each request that Listen makes again, and of how long the server wants none until then, 0 if it does
	// not say so; nil: nobody is.
	Retrying func(err error, limited time.Duration)
}

// Transport keeps so many connections while they are idle, and does not hide a failure.
func Transport(idle int) *http.Transport {
	return &http.Transport{
		DialContext:         (&net.Dialer{Timeout: Deadline}).DialContext,
		MaxIdleConnsPerHost: idle,
		IdleConnTimeout:     30 * time.Second,
	}
}

// unredirected is an HTTP client that follows no redirect.
func unredirected(transport http.RoundTripper) *http.Client {
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// Do sends a request and decodes its answer.
func (c *Client) Do(ctx context.Context, method, path string, in, out any) error {
	start := time.Now()
	err := c.do(ctx, method, path, in, out)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var status *StatusError
	if err != nil && (!errors.As(err, &status) || status.Status >= 500) {
		c.Failures.add(Failure{At: start, Took: time.Since(start), Request: method + " " + path, Outcome: err.Error()})
	}
	return err
}

func (c *Client) do(ctx context.Context, method, path string, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(c.Deadline, Deadline))
	defer cancel()
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.Base+path, body)
	if err != nil {
		return err
	}
	req.GetBody = nil // without it net/http cannot send the body again by itself
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	res, err := c.HTTP.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, 64<<20))
	if err != nil {
		return err
	}
	if res.StatusCode/100 != 2 {
		return refusal(res, text)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(text, out); err != nil {
		return &NonsenseError{"is not what Matrix has there: " + err.Error()}
	}
	return nil
}
