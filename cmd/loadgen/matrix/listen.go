package matrix

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Poll is how long a listener's /sync waits: well below the deadline by which a request counts as failed.
const Poll = 2 * time.Second

// pause is how long a listener waits after a request that failed, and limitedPause after one that was refused as one too
// many by an answer that names no time.
const (
	pause        = 100 * time.Millisecond
	limitedPause = time.Second
)

// maxLimited is how often in a row a listener may be told that there are too many requests.
const maxLimited = 10

// Listen long-polls /sync from the beginning until ctx ends, and tells of every event of the rooms joined, in the order in
// which they come; gaps of limited timelines are filled. ready is called once, after the first answer, which may take up to
// Beginning. Requests that fail are made again from the same token, and so are those that are too many (429), after the time
// that the answer names, up to ten in a row. Another refusal, or an answer that makes no sense, ends it with an error.
func (c *Client) Listen(ctx context.Context, ready func(), each func(room string, e Event)) error {
	since, limited := "", 0
	for ctx.Err() == nil {
		answer, err := c.poll(ctx, since)
		if err == nil {
			err = c.Deliver(ctx, answer, since, each)
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			if since == "" {
				ready()
			}
			since, limited = answer.NextBatch, 0
			continue
		case tooMany(err):
			limited++
		}
		if limited > maxLimited || !passing(err) {
			return fmt.Errorf("%s: listen: %w", c.UserID, err)
		}
		wait, wanted := pause, time.Duration(0)
		if tooMany(err) {
			wanted = asked(err)
			wait = wanted
		}
		if c.Retrying != nil {
			c.Retrying(err, wanted)
		}
		select { // a failure is counted; the next request asks from the same token
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
	return nil
}

// poll is a listener's next /sync.
func (c *Client) poll(ctx context.Context, since string) (Sync, error) {
	if since == "" {
		return c.Begin(ctx)
	}
	return c.Sync(ctx, since, Poll)
}

// tooMany reports whether an error is the answer of a server that limits how many requests are made.
func tooMany(err error) bool {
	status := (*StatusError)(nil)
	return errors.As(err, &status) && status.Status == http.StatusTooManyRequests
}

// passing reports whether the same request may be answered later: nobody answered, or a server in trouble or under a limit.
func passing(err error) bool {
	var status *StatusError
	var nonsense *NonsenseError
	if errors.As(err, &status) {
		return status.Status >= 500 || tooMany(err)
	}
	return !errors.As(err, &nonsense)
}

// asked is how long the answer to one request too many wants none.
func asked(err error) time.Duration {
	status := (*StatusError)(nil)
	if errors.As(err, &status) && status.After > 0 {
		return status.After
	}
	return limitedPause
}

// Deliver tells of the events of an answer to a /sync from since, and of those in the gap of a limited timeline; of all of
// them, or, when it fails, of none.
func (c *Client) Deliver(ctx context.Context, answer Sync, since string, each func(room string, e Event)) error {
	gaps := map[string][]Event{}
	for room, joined := range answer.Rooms.Join {
		if !joined.Timeline.Limited || since == "" {
			continue
		}
		gap, err := c.Between(ctx, room, joined.Timeline.PrevBatch, since)
		if err != nil {
			return fmt.Errorf("%s: fill the gap of a limited timeline: %w", c.UserID, err)
		}
		gaps[room] = gap
	}
	for room, joined := range answer.Rooms.Join {
		for _, e := range gaps[room] {
			each(room, e)
		}
		for _, e := range joined.Timeline.Events {
			each(room, e)
		}
	}
	return nil
}
