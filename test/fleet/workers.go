package main

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"strings"

	"github.com/myelin-hs/myelin/pkg/admin"
)

// Workers answers the operator's questions in place of all Homeservers' workers. It is an HTTP proxy, since the names of
// their Services are known to no one here.
type Workers struct {
	server *http.Server
	URL    string
}

// StartWorkers starts it; each Homeserver's shards are claimed by its first persister.
func StartWorkers(ctx context.Context) (*Workers, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	w := &Workers{URL: "http://" + listener.Addr().String()}
	w.server = &http.Server{Handler: http.HandlerFunc(w.answer)}
	go func() { _ = w.server.Serve(listener) }()
	return w, nil
}

// Stop ends it.
func (w *Workers) Stop() error { return w.server.Close() }

func (w *Workers) answer(out http.ResponseWriter, r *http.Request) {
	name, _, ok := strings.Cut(r.URL.Hostname(), "-internal.")
	if !ok || r.URL.Path != admin.Prefix+"status" {
		http.Error(out, `{"error":"not here"}`, http.StatusNotFound)
		return
	}
	pod := name + "-persister-0"
	s := admin.Status{
		DatabaseID: "db-" + name, Generation: 1, SchemaVersion: 3, Horizon: 1,
		Workers: []admin.Worker{{ID: 7, Pod: pod, Pool: name + "-persister", Roles: []string{"persister"}, State: admin.StateLive, Shards: mostShards}},
	}
	for i := range mostShards {
		s.Shards = append(s.Shards, admin.Shard{ID: i, Owner: 7, OwnerPod: pod, Epoch: 3, Claimed: true})
	}
	if err := json.NewEncoder(out).Encode(s); err != nil && !errors.Is(err, net.ErrClosed) {
		return // the operator has gone
	}
}

// mostShards is how many a Homeserver can have.
const mostShards = 100
