package clientapi

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/auth"
	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/internalauth"
	"github.com/myelin-hs/myelin/pkg/keyring"
	"github.com/myelin-hs/myelin/pkg/mxerr"
	"github.com/myelin-hs/myelin/pkg/postgres"
	"github.com/myelin-hs/myelin/pkg/postgres/pgtest"
	"github.com/myelin-hs/myelin/pkg/store"
	"github.com/myelin-hs/myelin/pkg/store/storetest"
)

const (
	alice id.UserID = "@alice:test.example"
	bob   id.UserID = "@bob:test.example"
	carol id.UserID = "@carol:test.example"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// A server is an API on a database of its own, with the gateway's part, whose request it is, played by the test.
type server struct {
	t     *testing.T
	db    *pgxpool.Pool
	api   *API
	rooms *createdRooms
}

// createdRooms is an owner that takes every room.
type createdRooms struct {
	mu    sync.Mutex
	rooms []NewRoom
	// retired are pairs of a room and its replacement.
	retired [][2]id.RoomID
	err     error
}

func (c *createdRooms) CreateRoom(ctx context.Context, roomID id.RoomID, room NewRoom) (id.RoomID, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return "", c.err
	}
	c.rooms = append(c.rooms, room)
	return roomID, nil
}

func (c *createdRooms) RetireRoom(_ context.Context, roomID, replacement id.RoomID) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.retired = append(c.retired, [2]id.RoomID{roomID, replacement})
	return c.err
}

func newServer(t *testing.T, policy auth.Registration) *server {
	t.Helper()
	pool, err := postgres.Open(t.Context(), pgtest.New(t), postgres.Options{ApplicationName: "clientapi test"})
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	key, err := keyring.Generate(pgtest.ServerName)
	require.NoError(t, err)
	rooms := &createdRooms{}
	return &server{t: t, db: pool, rooms: rooms, api: New(Options{
		Auth:  auth.New(auth.Options{DB: pool, ServerName: pgtest.ServerName, Keys: func() [][]byte { return [][]byte{[]byte("k")} }, Registration: policy}),
		Store: store.New(pool), ServerName: pgtest.ServerName, Signer: key, Rooms: rooms,
		PublicBaseURL: "https://matrix.test.example",
	})}
}

// do makes a request as user, "" for nobody, and returns status and body.
func (s *server) do(user id.UserID, method, path, body string) (int, string) {
	s.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body)).WithContext(s.t.Context())
	r = r.WithContext(internalauth.WithIdentity(r.Context(), internalauth.Identity{
		UserID: user, DeviceID: "DEVICE", TokenHash: []byte("hash"), RequestID: "request",
	}))
	w := httptest.NewRecorder()
	s.api.Handler().ServeHTTP(w, r)
	require.Equal(s.t, "application/json", w.Header().Get("Content-Type"), "%s %s", method, path)
	return w.Code, w.Body.String()
}

// ok makes a request that must be answered with 200, and decodes the answer.
func ok[T any](s *server, user id.UserID, method, path, body string) T {
	s.t.Helper()
	status, answer := s.do(user, method, path, body)
	require.Equal(s.t, http.StatusOK, status, "%s %s: %s", method, path, answer)
	var v T
	require.NoError(s.t, json.Unmarshal([]byte(answer), &v), answer)
	return v
}

// refused makes a request that must be answered with an error.
func (s *server) refused(user id.UserID, method, path, body string, status int, code mxerr.Code) {
	s.t.Helper()
	got, answer := s.do(user, method, path, body)
	var e struct {
		Code mxerr.Code `json:"errcode"`
	}
	require.NoError(s.t, json.Unmarshal([]byte(answer), &e), answer)
	require.Equal(s.t, status, got, "%s %s %s: %s", method, path, body, answer)
	require.Equal(s.t, code, e.Code, "%s %s %s: %s", method, path, body, answer)
}

func (s *server) accounts(users ...id.UserID) {
	s.t.Helper()
	for _, u := range users {
		storetest.Device(s.t, s.db, u, "DEVICE")
	}
}

func v3(path string) string { return "/_matrix/client/v3" + path }

type object = map[string]any

// clientEventJSON is an event as clients get it.
type clientEventJSON struct {
	EventID  id.EventID `json:"event_id"`
	RoomID   id.RoomID  `json:"room_id"`
	Type     string     `json:"type"`
	Sender   id.UserID  `json:"sender"`
	StateKey *string    `json:"state_key"`
	Content  object     `json:"content"`
	Unsigned object     `json:"unsigned"`
}

func eventIDs(events []clientEventJSON) []id.EventID {
	ids := []id.EventID{}
	for _, e := range events {
		ids = append(ids, e.EventID)
	}
	return ids
}
