package app

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/myelin-hs/myelin/pkg/clientapi"
	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/mxerr"
	"github.com/myelin-hs/myelin/pkg/persister"
	"github.com/myelin-hs/myelin/pkg/route"
)

// roomOwners is clientapi.RoomOwners: it sends what concerns a room to its owner as any other write goes there.
type roomOwners struct{ forwarder *route.Forwarder }

func (o roomOwners) CreateRoom(ctx context.Context, room id.RoomID, n clientapi.NewRoom) (id.RoomID, error) {
	req := persister.CreateRoomRequest{RoomVersion: n.RoomVersion, Create: n.Create, Events: make([]persister.InitialEvent, len(n.Events))}
	for i, e := range n.Events {
		req.Events[i] = persister.InitialEvent(e)
	}
	var made persister.CreateRoomResponse
	if err := o.post(ctx, room, persister.CreateRoomPath, req, &made); err != nil {
		return "", fmt.Errorf("create room: %w", err)
	}
	return made.RoomID, nil
}

func (o roomOwners) RetireRoom(ctx context.Context, room, replacement id.RoomID) error {
	req := persister.RetireRoomRequest{RoomID: room, ReplacementRoom: replacement}
	if err := o.post(ctx, room, persister.RetireRoomPath, req, &struct{}{}); err != nil {
		return fmt.Errorf("retire room: %w", err)
	}
	return nil
}

// post sends a request to a room's owner and decodes the answer.
func (o roomOwners) post(ctx context.Context, room id.RoomID, path string, req, answer any) error {
	body, err := json.Marshal(req)
	if err != nil {
		return err
	}
	got, err := o.forwarder.Call(ctx, &route.Request{
		Method: http.MethodPost, URI: path, Header: http.Header{"Content-Type": {"application/json"}}, Body: body,
		Role: RolePersister, Room: room,
	}, persister.MaxCreateRoomBytes)
	if err != nil {
		return err
	}
	if got.Status != http.StatusOK {
		return refusal(got)
	}
	if err := json.Unmarshal(got.Body, answer); err != nil {
		return fmt.Errorf("the owner's answer: %w", err)
	}
	return nil
}

// refusal is the owner's error, to be answered as it is.
func refusal(answer *route.Response) error {
	var e struct {
		Code       mxerr.Code `json:"errcode"`
		Message    string     `json:"error"`
		RetryAfter int64      `json:"retry_after_ms"`
	}
	if err := json.Unmarshal(answer.Body, &e); err != nil || e.Code == "" {
		return fmt.Errorf("the owner answered %d", answer.Status)
	}
	refused := mxerr.Newf(answer.Status, e.Code, "%s", e.Message)
	refused.RetryAfter = time.Duration(e.RetryAfter) * time.Millisecond
	return refused
}
