package processes_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A client is a Matrix client that never tries again.
type client struct {
	t     *testing.T
	base  string
	user  string
	token string
	since string
	http  *http.Client
	txn   int
}

type answer struct {
	status int
	header http.Header
	body   []byte
	last   bool // the server closes the connection after it
}

func (a answer) ok() bool { return a.status == http.StatusOK }

func (a answer) get(key string) string {
	var m map[string]any
	_ = json.Unmarshal(a.body, &m)
	s, _ := m[key].(string)
	return s
}

func register(t *testing.T, w *worker, name string) *client {
	t.Helper()
	c := &client{t: t, base: "http://" + w.Public, http: &http.Client{Timeout: 40 * time.Second, Transport: &http.Transport{}}}
	t.Cleanup(c.http.CloseIdleConnections)
	a, err := c.do(t.Context(), "POST", "/_matrix/client/v3/register", map[string]any{
		"username": name, "password": "correct horse battery", "auth": map[string]any{"type": "m.login.dummy"},
	})
	require.NoError(t, err)
	require.True(t, a.ok(), "%d %s", a.status, a.body)
	c.user, c.token = a.get("user_id"), a.get("access_token")
	return c
}

// at is the same session through another gateway.
func (c *client) at(w *worker) *client {
	d := *c
	d.base = "http://" + w.Public
	return &d
}

func (c *client) do(ctx context.Context, method, path string, body any) (answer, error) {
	var text []byte
	if body != nil {
		text, _ = json.Marshal(body)
	}
	r, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(text))
	if err != nil {
		return answer{}, err
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.http.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, got, resp.Close}, err
}

func (c *client) must(method, path string, body any) answer {
	c.t.Helper()
	a, err := c.do(c.t.Context(), method, path, body)
	require.NoError(c.t, err)
	require.True(c.t, a.ok(), "%s %s: %d %s", method, path, a.status, a.body)
	return a
}

func (c *client) createRoom(invite ...string) string {
	c.t.Helper()
	return c.must("POST", "/_matrix/client/v3/createRoom", map[string]any{"preset": "public_chat", "invite": invite}).get("room_id")
}

func (c *client) join(room string) {
	c.t.Helper()
	c.must("POST", "/_matrix/client/v3/join/"+url.PathEscape(room), map[string]any{})
}

// send sends a text; it returns the event's id or why there is none.
func (c *client) send(ctx context.Context, room, text string) (string, error) {
	c.txn++
	a, err := c.do(ctx, "PUT", fmt.Sprintf("/_matrix/client/v3/rooms/%s/send/m.room.message/%s-%d", url.PathEscape(room), url.PathEscape(text), c.txn),
		map[string]any{"msgtype": "m.text", "body": text})
	if err != nil {
		return "", err
	}
	if !a.ok() {
		return "", fmt.Errorf("status %d: %s", a.status, a.body)
	}
	return a.get("event_id"), nil
}

type syncAnswer struct {
	NextBatch string `json:"next_batch"`
	Rooms     struct {
		Join, Leave map[string]struct {
			Timeline struct {
				Events  []event
				Limited bool
			}
		}
	}
}

type event struct {
	EventID string `json:"event_id"`
	Type    string
	Content struct{ Body string }
}

// sync asks once and goes on from its answer the next time.
func (c *client) sync(ctx context.Context, timeout time.Duration) (syncAnswer, error) {
	q := url.Values{"timeout": {strconv.FormatInt(timeout.Milliseconds(), 10)}, "filter": {`{"room":{"timeline":{"limit":100}}}`}}
	if c.since != "" {
		q.Set("since", c.since)
	}
	a, err := c.do(ctx, "GET", "/_matrix/client/v3/sync?"+q.Encode(), nil)
	if err != nil {
		return syncAnswer{}, err
	}
	if !a.ok() {
		return syncAnswer{}, fmt.Errorf("status %d: %s", a.status, a.body)
	}
	var s syncAnswer
	if err := json.Unmarshal(a.body, &s); err != nil {
		return syncAnswer{}, err
	}
	c.since = s.NextBatch
	return s, nil
}
