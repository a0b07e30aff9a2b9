package matrix

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Poll is how long a listener's /sync waits: well below the deadline by which a request counts as failed.
const Poll = 2 * time.Second

// pause is how long a listener waits after a request that failed.
const pause = 100 * time.Millisecond

// Listen long-polls /sync from the beginning until ctx ends, and tells of every event of the rooms joined, in the order in
// which they come; gaps of limited timelines are filled. ready is called after the first answer. Requests that fail are
// made again from the same token; one that is refused ends it with an error.
func (c *Client) Listen(ctx context.Context, ready func(), each func(room string, e Event)) error {
	since := ""
	for ctx.Err() == nil {
		answer, err := c.Sync(ctx, since, Poll)
		if err != nil {
			if Refused(err) {
				return fmt.Errorf("%s: /sync was refused: %w", c.UserID, err)
			}
			select { // counted as failed; the next one asks from the same token
			case <-ctx.Done():
			case <-time.After(pause):
			}
			continue
		}
		if err := c.Deliver(ctx, answer, since, each); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		if since == "" {
			ready()
		}
		since = answer.NextBatch
	}
	return nil
}

// Deliver tells of the events of an answer to a /sync from since, and of those in the gap of a limited timeline.
func (c *Client) Deliver(ctx context.Context, answer Sync, since string, each func(room string, e Event)) error {
	for room, joined := range answer.Rooms.Join {
		events := joined.Timeline.Events
		if joined.Timeline.Limited && since != "" {
			gap, err := c.Between(ctx, room, joined.Timeline.PrevBatch, since)
			if err != nil {
				return fmt.Errorf("%s: fill the gap of a limited timeline: %w", c.UserID, err)
			}
			events = append(gap, events...)
		}
		for _, e := range events {
			each(room, e)
		}
	}
	return nil
}

// Refused reports whether an error is an answer that says no: 4xx.
func Refused(err error) bool {
	status := (*StatusError)(nil)
	return errors.As(err, &status) && status.Status/100 == 4
}

// Unserved reports whether an error is the answer of a server that does not know the endpoint.
func Unserved(err error) bool {
	status := (*StatusError)(nil)
	return errors.As(err, &status) && (status.Status == 404 || status.Status == 405) && status.Code == "M_UNRECOGNIZED"
}
