package keyring

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/myelin-hs/myelin/pkg/id"
)

const (
	// fetchLimit bounds one request to another server, in time.
	fetchLimit = 10 * time.Second
	// maxResponse bounds a server's answer, and maxNotaryResponse a notary's, in bytes.
	maxResponse       = 64 << 10
	maxNotaryResponse = 256 << 10
	// maxFetches bounds the requests under way.
	maxFetches = 64
)

// DirectURL is the base URL of a server without delegation: its name, with port 8448 if it names none.
func DirectURL(_ context.Context, server id.ServerName) (string, error) {
	host := string(server)
	if i := strings.LastIndexByte(host, ':'); i < 0 || strings.HasSuffix(host, "]") {
		host = net.JoinHostPort(strings.Trim(host, "[]"), "8448")
	}
	return "https://" + host, nil
}

// A fetcher asks other servers. Redirects are not followed: the specification has them for .well-known alone.
type fetcher struct {
	client  http.Client
	baseURL func(context.Context, id.ServerName) (string, error)
	now     func() time.Time
	slots   chan struct{}
}

func newFetcher(client *http.Client, baseURL func(context.Context, id.ServerName) (string, error), now func() time.Time) *fetcher {
	f := &fetcher{client: *client, baseURL: baseURL, now: now, slots: make(chan struct{}, maxFetches)}
	f.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return f
}

// direct asks the server itself (server-server API, "Publishing Keys").
func (f *fetcher) direct(ctx context.Context, server id.ServerName) (*response, error) {
	body, err := f.do(ctx, http.MethodGet, server, "/_matrix/key/v2/server", nil, maxResponse)
	if err != nil {
		return nil, err
	}
	return readResponse(body, server, f.now())
}

// notary asks a notary about one key of server, and returns the answers that it and the server signed, which may be
// none (server-server API, "Querying Keys Through Another Server"). One that is false makes the whole an error.
func (f *fetcher) notary(ctx context.Context, notary signers, server id.ServerName, keyID string, minValidUntil int64) ([]*response, error) {
	query, err := json.Marshal(map[string]any{"server_keys": map[id.ServerName]any{
		server: map[string]any{keyID: map[string]int64{"minimum_valid_until_ts": minValidUntil}},
	}})
	if err != nil {
		return nil, err
	}
	body, err := f.do(ctx, http.MethodPost, notary.server, "/_matrix/key/v2/query", query, maxNotaryResponse)
	if err != nil {
		return nil, err
	}
	var answer struct {
		ServerKeys []json.RawMessage `json:"server_keys"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, fmt.Errorf("%w: notary %s: server_keys: %w", ErrResponse, notary.server, err)
	}
	if len(answer.ServerKeys) > maxKeys {
		return nil, fmt.Errorf("%w: notary %s: server_keys: more than %d", ErrResponse, notary.server, maxKeys)
	}
	var responses []*response
	for _, raw := range answer.ServerKeys {
		if err := notary.check(raw); err != nil {
			return nil, fmt.Errorf("%w: notary %s: %w", ErrResponse, notary.server, err)
		}
		r, err := readResponse(raw, server, f.now())
		if err != nil {
			return nil, fmt.Errorf("notary %s: %w", notary.server, err)
		}
		responses = append(responses, r)
	}
	return responses, nil
}

// do returns the body of a 200.
func (f *fetcher) do(ctx context.Context, method string, server id.ServerName, path string, body []byte, limit int64) ([]byte, error) {
	select {
	case f.slots <- struct{}{}:
		defer func() { <-f.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	ctx, cancel := context.WithTimeout(ctx, fetchLimit)
	defer cancel()
	base, err := f.baseURL(ctx, server)
	if err != nil {
		return nil, fmt.Errorf("find %s: %w", server, err)
	}
	r, err := http.NewRequestWithContext(ctx, method, base+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", server, err)
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	resp, err := f.client.Do(r)
	if err != nil {
		if failed := new(url.Error); errors.As(err, &failed) {
			err = failed.Err // without the URL, which the server's name says already
		}
		return nil, fmt.Errorf("ask %s: %w", server, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("ask %s: it answered %d", server, resp.StatusCode)
	}
	answer, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", server, err)
	}
	if int64(len(answer)) > limit {
		return nil, fmt.Errorf("ask %s: %w: body: larger than %d bytes", server, ErrResponse, limit)
	}
	return answer, nil
}

// signers are a notary's keys that count now.
type signers struct {
	server id.ServerName
	keys   []remoteKey
}

// check verifies that the notary signed the object.
func (s signers) check(object []byte) error {
	err := fmt.Errorf("%w: not signed by the notary", ErrNoSignature)
	for _, k := range s.keys {
		if err = VerifyJSON(object, s.server, k.keyID, k.public); err == nil {
			return nil
		}
	}
	return err
}
