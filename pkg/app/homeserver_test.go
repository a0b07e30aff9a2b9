package app

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/postgres/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// A homeserver is a worker of all roles, in this process. A process can have one: there is one registry of metrics.
type homeserver struct {
	base     string
	database string
	n        int
}

func newHomeserver(t *testing.T) *homeserver {
	t.Helper()
	dir := t.TempDir()
	h := &homeserver{database: pgtest.New(t)}
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	var key bytes.Buffer
	require.Zero(t, Main(t.Context(), Process{Args: []string{"generate-signing-key"}, Stdout: &key, Stderr: os.Stderr}))
	public, internal, probe := freeAddr(t), freeAddr(t), freeAddr(t)
	h.base = "http://" + public
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	exited := make(chan int, 1)
	var log bytes.Buffer
	go func() {
		exited <- Main(ctx, Process{Stdout: io.Discard, Stderr: &log, Args: []string{
			"run", "--roles=all", "--registration=open", "--stop-delay=0s", "--server-name=" + pgtest.ServerName,
			"--public-addr=" + public, "--internal-addr=" + internal, "--probe-addr=" + probe, "--advertise-addr=" + internal,
			"--postgres-uri-file=" + file("uri", h.database), "--signing-key-file=" + file("key", key.String()),
			"--internal-credential-file=" + file("credential", "a credential that only this test knows, and no other"),
		}})
	}()
	t.Cleanup(func() {
		cancel()
		code := <-exited
		if code != 0 || t.Failed() {
			t.Logf("the worker ended with %d:\n%s", code, &log)
		}
	})
	require.Eventually(t, func() bool {
		resp, err := http.Get("http://" + probe + "/ready")
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	}, 2*time.Minute, 20*time.Millisecond)
	return h
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

// A person has an account and a device.
type person struct {
	t     *testing.T
	h     *homeserver
	id    id.UserID
	token string
}

func (h *homeserver) register(t *testing.T, name string) *person {
	t.Helper()
	p := &person{t: t, h: h}
	got := p.ok("POST", "/register", object{"username": name, "password": "correct horse", "auth": object{"type": "m.login.dummy"}})
	p.id, p.token = id.UserID(got["user_id"].(string)), got["access_token"].(string)
	return p
}

// of returns the person for a subtest.
func (p *person) of(t *testing.T) *person {
	q := *p
	q.t = t
	return &q
}

type object = map[string]any

// call makes a request of the client-server API below v3; path is escaped.
func (p *person) call(method, path string, body any) (int, object) {
	p.t.Helper()
	raw, err := json.Marshal(body)
	require.NoError(p.t, err)
	r, err := http.NewRequestWithContext(p.t.Context(), method, p.h.base+"/_matrix/client/v3"+path, bytes.NewReader(raw))
	require.NoError(p.t, err)
	if p.token != "" {
		r.Header.Set("Authorization", "Bearer "+p.token)
	}
	resp, err := http.DefaultClient.Do(r)
	require.NoError(p.t, err)
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	require.NoError(p.t, err)
	var got object
	if json.Unmarshal(answer, &got) != nil {
		got = object{"list": json.RawMessage(answer)}
	}
	return resp.StatusCode, got
}

func (p *person) ok(method, path string, body any) object {
	p.t.Helper()
	status, got := p.call(method, path, body)
	require.Equal(p.t, http.StatusOK, status, "%s %s: %v", method, path, got)
	return got
}

func (p *person) refused(status int, code, method, path string, body any) {
	p.t.Helper()
	is, got := p.call(method, path, body)
	require.Equal(p.t, status, is, "%s %s: %v", method, path, got)
	require.Equal(p.t, code, got["errcode"], "%s %s: %v", method, path, got)
}

// send sends a message event and returns its id.
func (p *person) send(room, evType string, content object) string {
	p.t.Helper()
	return p.ok("PUT", in(room, "send", evType, p.txn()), content)["event_id"].(string)
}

// set sets state and returns the event's id.
func (p *person) set(room, evType string, content object) string {
	p.t.Helper()
	return p.ok("PUT", in(room, "state", evType), content)["event_id"].(string)
}

// get returns the content of state with the empty key.
func (p *person) get(room, evType string) object {
	p.t.Helper()
	return p.ok("GET", in(room, "state", evType), nil)
}

func (p *person) txn() string {
	p.h.n++
	return "txn" + string(rune('a'+p.h.n%26)) + time.Now().Format("150405.000000000")
}

// in is a path within a room, each part escaped.
func in(room string, parts ...string) string {
	path := "/rooms/" + url.PathEscape(room)
	for _, part := range parts {
		path += "/" + url.PathEscape(part)
	}
	return path
}

// query runs a query on the homeserver's database.
func query[T any](t *testing.T, h *homeserver, sql string, args ...any) []T {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), h.database)
	require.NoError(t, err)
	defer conn.Close(t.Context())
	found, err := conn.Query(t.Context(), sql, args...)
	require.NoError(t, err)
	all, err := pgx.CollectRows(found, pgx.RowTo[T])
	require.NoError(t, err)
	return all
}
