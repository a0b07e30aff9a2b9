package matrix

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Event is what is read of an event.
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

// Sync is an answer of /sync, as far as it is read.
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

// Beginning is how long the first /sync of a listener may take: a server may have much to put together for it.
const Beginning = time.Minute

// Begin is a user's first /sync, which may take up to Beginning.
func (c *Client) Begin(ctx context.Context) (Sync, error) {
	patient := *c
	patient.Deadline = max(c.Deadline, Beginning)
	return patient.Sync(ctx, "", 0)
}

// Sync waits up to timeout for what came after since.
func (c *Client) Sync(ctx context.Context, since string, timeout time.Duration) (Sync, error) {
	q := url.Values{"timeout": {strconv.FormatInt(timeout.Milliseconds(), 10)}, "filter": {`{"room":{"timeline":{"limit":100}}}`}}
	if since != "" {
		q.Set("since", since)
	}
	var s Sync
	err := c.Do(ctx, http.MethodGet, "/_matrix/client/v3/sync?"+q.Encode(), nil, &s)
	return s, named(err, "next_batch", s.NextBatch)
}

// Between returns a room's events from one pagination token to another, oldest first.
func (c *Client) Between(ctx context.Context, room, from, to string) ([]Event, error) {
	var all []Event
	asked := map[string]bool{}
	for from != "" {
		if asked[from] {
			return nil, &NonsenseError{"of /messages leads back to " + from + ": there is no end to it"}
		}
		asked[from] = true
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
