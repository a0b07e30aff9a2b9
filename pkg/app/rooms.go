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

// roomCreator is clientapi.RoomCreator: it sends a new room to its owner as any other write goes there.
type roomCreator struct{ forwarder *route.Forwarder }

func (c roomCreator) CreateRoom(ctx context.Context, room id.RoomID, n clientapi.NewRoom) (id.RoomID, error) {
	req := persister.CreateRoomRequest{RoomVersion: n.RoomVersion, Create: n.Create, Events: make([]persister.InitialEvent, len(n.Events))}
	for i, e := range n.Events {
		req.Events[i] = persister.InitialEvent(e)
	}
	body, err := json.Marshal(req)
	if err != nil {
		return "", fmt.Errorf("create room: %w", err)
	}
	answer, err := c.forwarder.Call(ctx, &route.Request{
		Method: http.MethodPost, URI: persister.CreateRoomPath, Header: http.Header{"Content-Type": {"application/json"}}, Body: body,
		Role: RolePersister, Room: room,
	}, persister.MaxCreateRoomBytes)
	if err != nil {
		return "", fmt.Errorf("create room: %w", err)
	}
	if answer.Status != http.StatusOK {
		return "", refusal(answer)
	}
	var made persister.CreateRoomResponse
	if err := json.Unmarshal(answer.Body, &made); err != nil {
		return "", fmt.Errorf("create room: the owner's answer: %w", err)
	}
	return made.RoomID, nil
}

// refusal is the owner's error, to be answered as it is.
func refusal(answer *route.Response) error {
	var e struct {
		Code       mxerr.Code `json:"errcode"`
		Message    string     `json:"error"`
		RetryAfter int64      `json:"retry_after_ms"`
	}
	if err := json.Unmarshal(answer.Body, &e); err != nil || e.Code == "" {
		return fmt.Errorf("create room: the owner answered %d", answer.Status)
	}
	refused := mxerr.Newf(answer.Status, e.Code, "%s", e.Message)
	refused.RetryAfter = time.Duration(e.RetryAfter) * time.Millisecond
	return refused
}
