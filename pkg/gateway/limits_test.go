package gateway_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/gateway"
	"github.com/myelin-hs/myelin/pkg/route"
)

// wires is a listener without sockets, so that time can be a bubble's.
type wires struct {
	dialled chan net.Conn
	closed  chan struct{}
	once    sync.Once
}

func (l *wires) Accept() (net.Conn, error) {
	select {
	case conn := <-l.dialled:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *wires) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (*wires) Addr() net.Addr { return &net.TCPAddr{} }

// slow is a world whose requests take so long.
type slow struct {
	world
	takes time.Duration
}

func (s *slow) Forward(ctx context.Context, _ *route.Request, w http.ResponseWriter) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(s.takes):
	}
	_, err := io.WriteString(w, "{}")
	return err
}

// client is who has connected to a gateway in a bubble.
type client struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

// connected runs a test in a bubble, of a gateway whose requests take so long, with a client.
func connected(t *testing.T, takes time.Duration, test func(c *client, stop func())) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, l := &slow{takes: takes}, &wires{dialled: make(chan net.Conn), closed: make(chan struct{})}
		g := gateway.New(gateway.Options{Resolver: w, Horizon: w, Forwarder: w, Listener: l})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- g.Run(ctx) }()
		ours, theirs := net.Pipe()
		l.dialled <- theirs
		test(&client{t, ours, bufio.NewReader(ours)}, func() {
			cancel()
			require.NoError(t, <-done)
			done <- nil
		})
		_ = ours.Close()
		cancel()
		require.NoError(t, <-done)
	})
}

func (c *client) say(text string) {
	c.t.Helper()
	_, err := io.WriteString(c.conn, text)
	require.NoError(c.t, err)
}

// status reads an answer.
func (c *client) status() int {
	c.t.Helper()
	resp, err := http.ReadResponse(c.in, nil)
	require.NoError(c.t, err)
	_, err = io.Copy(io.Discard, resp.Body)
	require.NoError(c.t, err)
	return resp.StatusCode
}

// hungUp waits until the gateway has closed the connection, without another answer.
func (c *client) hungUp() {
	c.t.Helper()
	rest, err := io.ReadAll(c.in)
	require.NoError(c.t, err)
	require.Empty(c.t, rest)
}

const get = "GET /_matrix/client/versions HTTP/1.1\r\nHost: a\r\n\r\n"

func TestAClientHasTenSecondsForAHeader(t *testing.T) {
	connected(t, 0, func(c *client, _ func()) {
		began := time.Now()
		c.say("GET /_matrix/client/versions HTTP/1.1\r\n")
		<-time.After(9 * time.Second)
		c.say("Host: a\r\n")
		c.hungUp()
		require.Equal(t, 10*time.Second, time.Since(began))
	})
}

func TestAClientHasThirtySecondsForABody(t *testing.T) {
	connected(t, 0, func(c *client, _ func()) {
		began := time.Now()
		c.say("POST /_matrix/client/v3/login HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n")
		<-time.After(29 * time.Second)
		c.say("{")
		require.Equal(t, 400, c.status())
		require.Equal(t, 30*time.Second, time.Since(began))
	})
}

// The limit is of the body, not of the answer, nor of what the connection carries next.
func TestABodyThatHasComeIsNoLimitForTheAnswer(t *testing.T) {
	connected(t, time.Hour, func(c *client, _ func()) {
		began := time.Now()
		for range 2 {
			c.say("POST /_matrix/client/v3/login HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}")
			require.Equal(t, 200, c.status())
		}
		require.Equal(t, 2*time.Hour, time.Since(began))
	})
}

func TestAnIdleConnectionIsKeptForTwoMinutes(t *testing.T) {
	connected(t, 0, func(c *client, _ func()) {
		c.say(get)
		require.Equal(t, 200, c.status())
		<-time.After(2*time.Minute - 1)
		c.say(get)
		require.Equal(t, 200, c.status())
		began := time.Now()
		c.hungUp()
		require.Equal(t, 2*time.Minute, time.Since(began))
	})
}

// Long polls take thirty seconds.
func TestAGatewayThatStopsWaitsThirtyFiveSecondsForItsRequests(t *testing.T) {
	for _, takes := range []time.Duration{34 * time.Second, time.Hour} {
		t.Run(fmt.Sprint(takes), func(t *testing.T) {
			connected(t, takes, func(c *client, stop func()) {
				c.say(get)
				synctest.Wait()
				began, answer := time.Now(), make(chan string, 1)
				go func() {
					all, _ := io.ReadAll(c.in)
					answer <- string(all)
				}()
				stop()
				if takes < 35*time.Second {
					require.True(t, strings.HasPrefix(<-answer, "HTTP/1.1 200 "))
					require.Less(t, time.Since(began), 35*time.Second)
				} else {
					require.Empty(t, <-answer)
					require.Equal(t, 35*time.Second, time.Since(began))
				}
			})
		})
	}
}
