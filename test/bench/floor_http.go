package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/myelin-hs/myelin/cmd/loadgen/matrix"
	"github.com/myelin-hs/myelin/cmd/loadgen/traffic"
	"github.com/myelin-hs/myelin/pkg/network/porttest"
	"github.com/myelin-hs/myelin/pkg/service/proctest"
	"github.com/myelin-hs/myelin/test/command"
)

// serve is the first argument of a process that serves what the floor of HTTP is measured against: a handler, or with a
// target a reverse proxy to it.
const serve = "serve-floor"

// serveHTTP serves on the address until ctx ends.
func serveHTTP(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New("say the address")
	}
	handler := http.Handler(constant())
	if len(args) > 1 {
		proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: args[1]})
		proxy.Transport = matrix.Transport(600)
		handler = proxy
	}
	server := &http.Server{Addr: args[0], Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	go func() { <-ctx.Done(); _ = server.Close() }()
	if err := server.ListenAndServe(); ctx.Err() == nil {
		return err
	}
	return nil
}

// constant answers a message with an event's id that is always the same; accounts and rooms it makes up.
func constant() http.HandlerFunc {
	var rooms atomic.Int64
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		switch {
		case strings.HasSuffix(r.URL.Path, "/register"):
			_, _ = io.WriteString(w, `{"user_id":"@bench:bench.example","device_id":"D","access_token":"a_token_of_the_length_that_tokens_have"}`)
		case strings.HasSuffix(r.URL.Path, "/createRoom"):
			fmt.Fprintf(w, `{"room_id":"!room%d"}`, rooms.Add(1))
		default:
			_, _ = io.WriteString(w, `{"event_id":"$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}`)
		}
	}
}

// startFloor starts handler and proxy, each a process of its own, and prepares the load; stop ends them.
func (r *rig) startFloor(ctx context.Context, size traffic.Size) (load *traffic.Load, stop func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	var ends []func()
	stop = func() {
		for _, end := range ends {
			end()
		}
	}
	var addrs []string
	for i := range 2 {
		port, err := porttest.Reserve()
		if err != nil {
			stop()
			return nil, nil, err
		}
		addrs = append(addrs, fmt.Sprintf("127.0.0.1:%d", port))
		args := []string{serve, addrs[i]}
		if i == 1 {
			args = append(args, addrs[0])
		}
		cmd := exec.Command(self, args...)
		cmd.Stderr = os.Stderr
		exited, err := proctest.Start(cmd, syscall.SIGKILL)
		if err != nil {
			stop()
			return nil, nil, err
		}
		ends = append(ends, func() { _ = cmd.Process.Kill(); <-exited })
		if err := awaitPort(ctx, addrs[i]); err != nil {
			stop()
			return nil, nil, err
		}
	}
	transport := matrix.Transport(600)
	load, err = traffic.New(ctx, engine(size, "send", func(ctx context.Context, _ int, name string) (*matrix.Client, error) {
		return matrix.RegisterOpen(ctx, "http://"+addrs[1], name, transport, nil)
	}))
	if err != nil {
		stop()
	}
	return load, stop, err
}

// awaitPort waits until something listens there.
func awaitPort(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
		if err == nil {
			return conn.Close()
		}
		if werr := command.Wait(ctx, 10*time.Millisecond); werr != nil {
			return err
		}
	}
}
