package command_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// homeserver is as much of one as a load needs, in memory, and as bad as a test wants it.
type homeserver struct {
	mu      sync.Mutex
	rooms   int
	joined  map[string][]string // rooms by the token of who joined them
	events  []stored
	changed chan struct{} // closed when there is another event
	sends   int
	extra   bool // receipts and account data are served, too
	deaf    bool // sends after the first are not answered

	forgets int // so many rooms of each user are not in the first answer of /sync

	refuse func(n int) int     // status of the nth send, 0: it is taken
	syncs  func(since int) int // status of a /sync, 0: it is answered
	lose   func(n int) bool
	twice  func(n int) bool
}

type stored struct {
	room string
	json map[string]any
}

func (h *homeserver) start(t *testing.T) string {
	t.Helper()
	h.changed, h.joined = make(chan struct{}), map[string][]string{}
	mux := http.NewServeMux()
	const v3 = "/_matrix/client/v3"
	mux.HandleFunc("POST "+v3+"/register", h.register)
	mux.HandleFunc("GET "+v3+"/account/whoami", func(w http.ResponseWriter, r *http.Request) {
		answer(w, 200, map[string]any{"user_id": "@" + strings.TrimSuffix(token(r), "'") + ":test", "device_id": "D"})
	})
	mux.HandleFunc("POST "+v3+"/createRoom", func(w http.ResponseWriter, r *http.Request) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.rooms++
		room := fmt.Sprint("!room", h.rooms, ":test")
		h.joined[token(r)] = append(h.joined[token(r)], room)
		answer(w, 200, map[string]any{"room_id": room})
	})
	mux.HandleFunc("POST "+v3+"/rooms/{room}/join", func(w http.ResponseWriter, r *http.Request) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.joined[token(r)] = append(h.joined[token(r)], r.PathValue("room"))
		answer(w, 200, map[string]any{})
	})
	mux.HandleFunc("PUT "+v3+"/rooms/{room}/send/m.room.message/{txn}", h.send)
	mux.HandleFunc("GET "+v3+"/sync", h.sync)
	if h.extra {
		mux.HandleFunc("POST "+v3+"/rooms/{room}/receipt/m.read/{event}", func(w http.ResponseWriter, r *http.Request) { answer(w, 200, map[string]any{}) })
		mux.HandleFunc("PUT "+v3+"/user/{user}/account_data/{type}", func(w http.ResponseWriter, r *http.Request) { answer(w, 200, map[string]any{}) })
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		answer(w, 404, map[string]any{"errcode": "M_UNRECOGNIZED"})
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

func token(r *http.Request) string {
	return strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
}

func answer(w http.ResponseWriter, status int, body map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// register wants its session named, as some servers do.
func (h *homeserver) register(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Username string
		Auth     struct{ Session string }
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil || body.Auth.Session != "s" {
		answer(w, 401, map[string]any{"session": "s", "flows": []any{}})
		return
	}
	answer(w, 200, map[string]any{"user_id": "@" + body.Username + ":test", "device_id": "D", "access_token": body.Username})
}

func (h *homeserver) send(w http.ResponseWriter, r *http.Request) {
	var content map[string]any
	if err := json.NewDecoder(r.Body).Decode(&content); err != nil {
		answer(w, 400, map[string]any{"errcode": "M_NOT_JSON"})
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sends++
	n := h.sends
	if h.deaf && n > 1 {
		h.mu.Unlock()
		<-r.Context().Done()
		h.mu.Lock()
		return
	}
	if h.refuse != nil {
		if status := h.refuse(n); status != 0 {
			answer(w, status, map[string]any{"errcode": "M_UNKNOWN"})
			return
		}
	}
	id := fmt.Sprint("$", n)
	event := stored{r.PathValue("room"), map[string]any{"event_id": id, "type": "m.room.message", "content": content}}
	if h.lose == nil || !h.lose(n) {
		h.events = append(h.events, event)
	}
	if h.twice != nil && h.twice(n) {
		h.events = append(h.events, event)
	}
	close(h.changed)
	h.changed = make(chan struct{})
	answer(w, 200, map[string]any{"event_id": id})
}

func (h *homeserver) sync(w http.ResponseWriter, r *http.Request) {
	since, _ := strconv.Atoi(r.URL.Query().Get("since"))
	wait, _ := strconv.Atoi(r.URL.Query().Get("timeout"))
	if h.syncs != nil {
		if status := h.syncs(since); status != 0 {
			answer(w, status, map[string]any{"errcode": "M_FORBIDDEN", "error": "no more"})
			return
		}
	}
	late := time.NewTimer(time.Duration(wait) * time.Millisecond)
	defer late.Stop()
	for {
		h.mu.Lock()
		events, changed, joined := h.events[since:], h.changed, h.joined[token(r)]
		h.mu.Unlock()
		if len(events) == 0 && wait > 0 && r.URL.Query().Has("since") {
			select {
			case <-changed:
				continue
			case <-late.C:
			case <-r.Context().Done():
				return
			}
		}
		timelines := map[string][]any{}
		if !r.URL.Query().Has("since") {
			for _, room := range joined[min(len(joined), h.forgets):] {
				timelines[room] = []any{}
			}
		}
		for _, e := range events {
			timelines[e.room] = append(timelines[e.room], e.json)
		}
		join := map[string]any{}
		for room, all := range timelines {
			join[room] = map[string]any{"timeline": map[string]any{"events": all}}
		}
		answer(w, 200, map[string]any{"next_batch": strconv.Itoa(since + len(events)), "rooms": map[string]any{"join": join}})
		return
	}
}
