package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// server is an HTTP server on a listener that is open already.
type server struct {
	listener net.Listener
	http     http.Server
	grace    time.Duration // how long requests in flight have when it stops
}

func listen(ctx context.Context, addr string, h http.Handler, grace time.Duration) (*server, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	return &server{l, http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute, // longer than the forwarder keeps connections, so that it is who closes them
		MaxHeaderBytes:    64 << 10,
	}, grace}, nil
}

// run serves until ctx ends, then waits for requests in flight.
func (s *server) run(ctx context.Context) error {
	done := make(chan error, 1)
	go func() { done <- s.http.Serve(s.listener) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.grace)
	defer cancel()
	if s.http.Shutdown(stopping) != nil {
		_ = s.http.Close()
	}
	if err := <-done; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
