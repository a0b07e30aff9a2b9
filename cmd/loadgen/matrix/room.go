package matrix

import (
	"context"
	"errors"
	"net/http"
	"net/url"
)

// CreateRoom makes a private room and invites users to it.
func (c *Client) CreateRoom(ctx context.Context, name string, invite []string) (string, error) {
	var room struct {
		RoomID string `json:"room_id"`
	}
	err := c.Do(ctx, http.MethodPost, "/_matrix/client/v3/createRoom",
		map[string]any{"name": name, "preset": "private_chat", "invite": invite}, &room)
	return room.RoomID, named(err, "room_id", room.RoomID)
}

// Join accepts an invitation.
func (c *Client) Join(ctx context.Context, room string) error {
	return c.Do(ctx, http.MethodPost, "/_matrix/client/v3/rooms/"+url.PathEscape(room)+"/join", struct{}{}, nil)
}

// Send sends a message whose content names its key, under that key as transaction id, and returns the event's id.
func (c *Client) Send(ctx context.Context, room, key string) (string, error) {
	return c.SendText(ctx, room, key, key)
}

// SendText sends a message under a transaction id, and returns the event's id.
func (c *Client) SendText(ctx context.Context, room, txn, body string) (string, error) {
	var sent struct {
		EventID string `json:"event_id"`
	}
	path := "/_matrix/client/v3/rooms/" + url.PathEscape(room) + "/send/m.room.message/" + url.PathEscape(txn)
	err := c.Do(ctx, http.MethodPut, path, message{"m.text", body}, &sent)
	return sent.EventID, named(err, "event_id", sent.EventID)
}

// message is the content of one.
type message struct {
	MsgType string `json:"msgtype"`
	Body    string `json:"body"`
}

// SetTopic sets the room's topic to key, once, and returns the event's id.
func (c *Client) SetTopic(ctx context.Context, room, key string) (string, error) {
	var set struct {
		EventID string `json:"event_id"`
	}
	err := c.Do(ctx, http.MethodPut, c.topic(room), map[string]any{"topic": key}, &set)
	return set.EventID, named(err, "event_id", set.EventID)
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
