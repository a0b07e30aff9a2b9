package matrix

import (
	"context"
	"net/http"
	"net/url"
)

// Receipt says that the user has read a room up to an event.
func (c *Client) Receipt(ctx context.Context, room, event string) error {
	return c.Do(ctx, http.MethodPost, "/_matrix/client/v3/rooms/"+url.PathEscape(room)+"/receipt/m.read/"+url.PathEscape(event), struct{}{}, nil)
}

// SetAccountData stores something of the user's under a type.
func (c *Client) SetAccountData(ctx context.Context, kind string, content any) error {
	return c.Do(ctx, http.MethodPut, "/_matrix/client/v3/user/"+url.PathEscape(c.UserID)+"/account_data/"+url.PathEscape(kind), content, nil)
}

// RenameDevice gives the client's device another display name, which all who share a room with the user are told.
func (c *Client) RenameDevice(ctx context.Context, name string) error {
	return c.Do(ctx, http.MethodPut, "/_matrix/client/v3/devices/"+url.PathEscape(c.DeviceID), map[string]any{"display_name": name}, nil)
}

// SendToDevice sends a message to all devices of a user, under a transaction id.
func (c *Client) SendToDevice(ctx context.Context, kind, txn, user string, content any) error {
	return c.Do(ctx, http.MethodPut, "/_matrix/client/v3/sendToDevice/"+url.PathEscape(kind)+"/"+url.PathEscape(txn),
		map[string]any{"messages": map[string]any{user: map[string]any{"*": content}}}, nil)
}
