// Package matrix is a plain Matrix client for the tour: it never retries, bounds each request in time, and counts every
// failure, so that what a user would have noticed is noticed.
package matrix

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha1" // what the shared-secret registration of Synapse, and so ours, is made of
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
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

// Failures collects failures. It is safe for concurrent use.
type Failures struct {
	mu  sync.Mutex
	all []Failure
}

func (f *Failures) add(x Failure) { f.mu.Lock(); f.all = append(f.all, x); f.mu.Unlock() }

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
	Token    string
}

// StatusError is an answer that is not 2xx.
type StatusError struct {
	Status  int
	Code    string `json:"errcode"`
	Message string `json:"error"`
}

func (e *StatusError) Error() string { return fmt.Sprintf("%d %s: %s", e.Status, e.Code, e.Message) }

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
		e := &StatusError{Status: res.StatusCode}
		_ = json.Unmarshal(text, e)
		return e
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(text, out)
}

// Register makes an account by the registration shared secret and logs its first device in.
func Register(ctx context.Context, base, secret, localpart string, transport http.RoundTripper, failures *Failures) (*Client, error) {
	c := &Client{Base: base, HTTP: &http.Client{Transport: transport}, Failures: failures}
	var nonce struct {
		Nonce string `json:"nonce"`
	}
	if err := c.Do(ctx, http.MethodGet, "/_synapse/admin/v1/register", nil, &nonce); err != nil {
		return nil, fmt.Errorf("ask for a registration nonce: %w", err)
	}
	password := "correct horse " + localpart
	mac := hmac.New(sha1.New, []byte(secret))
	fmt.Fprintf(mac, "%s\x00%s\x00%s\x00notadmin", nonce.Nonce, localpart, password)
	var account struct {
		UserID      string `json:"user_id"`
		AccessToken string `json:"access_token"`
	}
	err := c.Do(ctx, http.MethodPost, "/_synapse/admin/v1/register", map[string]any{
		"nonce": nonce.Nonce, "username": localpart, "password": password, "admin": false, "mac": hex.EncodeToString(mac.Sum(nil)),
	}, &account)
	if err != nil {
		return nil, fmt.Errorf("register %s: %w", localpart, err)
	}
	c.UserID, c.Token = account.UserID, account.AccessToken
	return c, nil
}

// CreateRoom makes a private room and invites users to it.
func (c *Client) CreateRoom(ctx context.Context, name string, invite []string) (string, error) {
	var room struct {
		RoomID string `json:"room_id"`
	}
	err := c.Do(ctx, http.MethodPost, "/_matrix/client/v3/createRoom",
		map[string]any{"name": name, "preset": "private_chat", "invite": invite}, &room)
	return room.RoomID, err
}

// Join accepts an invitation.
func (c *Client) Join(ctx context.Context, room string) error {
	return c.Do(ctx, http.MethodPost, "/_matrix/client/v3/rooms/"+url.PathEscape(room)+"/join", struct{}{}, nil)
}

// Send sends a message whose content names its key, under that key as transaction id, and returns the event's id.
func (c *Client) Send(ctx context.Context, room, key string) (string, error) {
	var sent struct {
		EventID string `json:"event_id"`
	}
	path := "/_matrix/client/v3/rooms/" + url.PathEscape(room) + "/send/m.room.message/" + url.PathEscape(key)
	err := c.Do(ctx, http.MethodPut, path, map[string]any{"msgtype": "m.text", "body": key}, &sent)
	if err == nil && sent.EventID == "" {
		err = errors.New("the answer names no event_id")
	}
	return sent.EventID, err
}

// SetTopic sets the room's topic to key, once, and returns the event's id.
func (c *Client) SetTopic(ctx context.Context, room, key string) (string, error) {
	var set struct {
		EventID string `json:"event_id"`
	}
	err := c.Do(ctx, http.MethodPut, c.topic(room), map[string]any{"topic": key}, &set)
	if err == nil && set.EventID == "" {
		err = errors.New("the answer names no event_id")
	}
	return set.EventID, err
}

// Topic reads the room's topic, "" while it has none.
func (c *Client) Topic(ctx context.Context, room string) (string, error) {
	var topic struct {
		Topic string `json:"topic"`
	}
	err := c.Do(ctx, http.MethodGet, c.topic(room), nil, &topic)
	var status *StatusError
	if errors.As(err, &status) && status.Status == http.StatusNotFound {
		return "", nil
	}
	return topic.Topic, err
}

func (c *Client) topic(room string) string {
	return "/_matrix/client/v3/rooms/" + url.PathEscape(room) + "/state/m.room.topic"
}

// Event is what the tour reads of an event.
type Event struct {
	EventID string `json:"event_id"`
	Type    string `json:"type"`
	Content struct {
		Body  string `json:"body"`
		Topic string `json:"topic"`
	} `json:"content"`
}

// Key returns what a message or topic of [Client.Send] or [Client.SetTopic] was named, "" for other events.
func (e Event) Key() string {
	switch e.Type {
	case "m.room.message":
		return e.Content.Body
	case "m.room.topic":
		return e.Content.Topic
	default:
		return ""
	}
}

// Sync is an answer of /sync, as far as the tour reads it.
type Sync struct {
	NextBatch string `json:"next_batch"`
	Rooms     struct {
		Join map[string]struct {
			Timeline struct {
				Events    []Event `json:"events"`
				Limited   bool    `json:"limited"`
				PrevBatch string  `json:"prev_batch"`
			} `json:"timeline"`
		} `json:"join"`
	} `json:"rooms"`
}

// Sync waits up to timeout for what came after since.
func (c *Client) Sync(ctx context.Context, since string, timeout time.Duration) (Sync, error) {
	q := url.Values{"timeout": {strconv.FormatInt(timeout.Milliseconds(), 10)}, "filter": {`{"room":{"timeline":{"limit":100}}}`}}
	if since != "" {
		q.Set("since", since)
	}
	var s Sync
	err := c.Do(ctx, http.MethodGet, "/_matrix/client/v3/sync?"+q.Encode(), nil, &s)
	return s, err
}

// Between returns a room's events from one pagination token to another, oldest first.
func (c *Client) Between(ctx context.Context, room, from, to string) ([]Event, error) {
	var all []Event
	for from != "" {
		q := url.Values{"dir": {"b"}, "from": {from}, "to": {to}, "limit": {"100"}}
		var page struct {
			Chunk []Event `json:"chunk"`
			End   string  `json:"end"`
		}
		if err := c.Do(ctx, http.MethodGet, "/_matrix/client/v3/rooms/"+url.PathEscape(room)+"/messages?"+q.Encode(), nil, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Chunk...)
		if len(page.Chunk) == 0 {
			break
		}
		from = page.End
	}
	for i, j := 0, len(all)-1; i < j; i, j = i+1, j-1 {
		all[i], all[j] = all[j], all[i]
	}
	return all, nil
}
