package keyring

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/postgres"
	"github.com/myelin-hs/myelin/pkg/postgres/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

const day = 24 * time.Hour

var start = time.UnixMilli(1_700_000_000_000)

// clock is moved by tests.
type clock struct{ ms atomic.Int64 }

func (c *clock) now() time.Time       { return time.UnixMilli(c.ms.Load()) }
func (c *clock) add(by time.Duration) { c.ms.Add(by.Milliseconds()) }

// world is a homeserver's keyring, and other servers over TLS on this machine.
type world struct {
	t     *testing.T
	clock *clock
	pool  *pgxpool.Pool
	own   *Own
	tls   *httptest.Server
	*Verifier

	mu    sync.Mutex
	peers map[id.ServerName]*peer
}

func newPool(t *testing.T) *pgxpool.Pool {
	pool, err := postgres.Open(t.Context(), pgtest.New(t), postgres.Options{ApplicationName: "keyring test"})
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return pool
}

// join adds a live worker.
func join(t *testing.T, pool *pgxpool.Pool) (worker int64) {
	t.Helper()
	require.NoError(t, pool.QueryRow(t.Context(), `INSERT INTO worker (pod, addr, pool, roles, protocol, state, expires_at)
		VALUES ('p', 'a:1', 'default', '{client}', 1, 1, now() + interval '1 day') RETURNING worker_id`).Scan(&worker))
	return worker
}

func newKey(t *testing.T, server id.ServerName) *Key {
	k, err := Generate(server)
	require.NoError(t, err)
	return k
}

func newWorld(t *testing.T, notaries ...id.ServerName) *world {
	w := &world{t: t, clock: &clock{}, pool: newPool(t), peers: map[id.ServerName]*peer{}}
	w.clock.ms.Store(start.UnixMilli())
	w.tls = httptest.NewTLSServer(http.HandlerFunc(w.serve))
	t.Cleanup(w.tls.Close)
	var err error
	w.own, err = Announce(t.Context(), w.pool, join(t, w.pool), []*Key{newKey(t, pgtest.ServerName)})
	require.NoError(t, err)
	w.own.now = w.clock.now
	w.Verifier = w.another(notaries...)
	return w
}

// another is the keyring of another worker of the same homeserver.
func (w *world) another(notaries ...id.ServerName) *Verifier {
	return NewVerifier(VerifierOptions{
		DB: w.pool, Own: w.own, Client: w.tls.Client(), Notaries: notaries, Now: w.clock.now,
		BaseURL: func(_ context.Context, server id.ServerName) (string, error) {
			return w.tls.URL + "/" + string(server), nil
		},
	})
}

// serve is every other server: the first element of the path says which.
func (w *world) serve(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for name, p := range w.peers {
		if rest := "/" + string(name) + "/_matrix/key/v2/"; len(r.URL.Path) > len(rest) && r.URL.Path[:len(rest)] == rest {
			p.serve(rw, r, r.URL.Path[len(rest):])
			return
		}
	}
	http.NotFound(rw, r)
}

// peer is another server. Its fields are for tests to change through world.change.
type peer struct {
	name     id.ServerName
	keys     []*Key
	old      map[string]oldVerifyKey
	until    time.Time
	down     bool
	asked    int                                    // for its own keys
	queried  []string                               // bodies of queries to it as a notary
	answer   func(honest []byte) (int, []byte)      // what it says of itself
	notarize func(query []byte) (answers []RawJSON) // what it says of others
}

type RawJSON = json.RawMessage

func (w *world) peer(name id.ServerName) *peer {
	p := &peer{name: name, keys: []*Key{newKey(w.t, name)}, old: map[string]oldVerifyKey{}, until: start.Add(day)}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.peers[name] = p
	return p
}

func (w *world) change(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

func (p *peer) serve(w http.ResponseWriter, r *http.Request, path string) {
	if p.down {
		p.asked++
		http.Error(w, "down", http.StatusBadGateway)
		return
	}
	switch path {
	case "server":
		p.asked++
		status, body := http.StatusOK, p.says()
		if p.answer != nil {
			status, body = p.answer(body)
		}
		if status == http.StatusFound {
			w.Header().Set("Location", "/"+string(p.name)+"/_matrix/key/v2/elsewhere")
		}
		w.WriteHeader(status)
		_, _ = w.Write(body)
	case "elsewhere":
		_, _ = w.Write(p.says())
	case "query":
		body, _ := io.ReadAll(r.Body)
		p.queried = append(p.queried, string(body))
		answers := []RawJSON{}
		if p.notarize != nil {
			answers = p.notarize(body)
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"server_keys": answers})
	}
}

// says is the honest answer.
func (p *peer) says() []byte {
	body, err := serverKeys(p.keys, p.old, p.until)
	if err != nil {
		return []byte(err.Error())
	}
	return body
}

// signs adds the peer's signature, as a notary does.
func (p *peer) signs(t *testing.T, answer []byte) RawJSON {
	signed, err := p.keys[0].SignJSON(answer)
	require.NoError(t, err)
	return signed
}

func ms(at time.Time) int64 { return at.UnixMilli() }

// want asks for the key and requires the outcome; nil: the key itself.
func (w *world) want(v *Verifier, k *Key, purpose Purpose, at time.Time, outcome error) {
	w.t.Helper()
	public, err := v.Key(w.t.Context(), Lookup{Server: k.ServerName(), KeyID: k.KeyID(), For: purpose, At: ms(at)})
	if outcome != nil {
		require.ErrorIs(w.t, err, outcome)
		var named *KeyError
		require.ErrorAs(w.t, err, &named)
		require.Equal(w.t, fmt.Sprint(k.ServerName(), k.KeyID()), fmt.Sprint(named.Server, named.KeyID))
		return
	}
	require.NoError(w.t, err)
	require.Equal(w.t, k.Public(), public)
}
