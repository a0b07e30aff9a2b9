package admin

import (
	"time"

	"github.com/myelin-hs/myelin/pkg/lag"
)

// Prefix begins all paths of the API.
const Prefix = "/_myelin/admin/v1/"

// A Ping says who answered.
type Ping struct {
	WorkerID int64  `json:"worker_id"`
	Pod      string `json:"pod"`
}

// A Status is the state of the data plane, read from Postgres for this answer.
type Status struct {
	DatabaseID    string `json:"database_id"`
	ServerName    string `json:"server_name"`
	Generation    int64  `json:"generation"`
	SchemaVersion int    `json:"schema_version"`
	// Horizon is the position up to which every committed row is visible.
	Horizon int64 `json:"horizon"`
	// Redis is what the worker that answers sees of Redis: one of the constants below; empty from a build that does not tell.
	Redis   string   `json:"redis,omitempty"`
	Workers []Worker `json:"workers"`
	Shards  []Shard  `json:"shards"`
}

// What a worker sees of Redis.
const (
	RedisReachable   = "reachable"
	RedisRefused     = "refused" // it does not take the login
	RedisUnreachable = "unreachable"
)

// The states of a Worker.
const (
	StateLive    = "live"
	StateLeaving = "leaving"
	StateDead    = "dead"
)

// How a Worker ended that is dead.
const (
	// EndedDrained: it had been told to leave, gave away all that it owned, and left.
	EndedDrained = "drained"
	// EndedDied: it was declared dead, and what it owned was taken over.
	EndedDied = "died"
)

// KeepEnded is how long a Worker that ended is listed.
const KeepEnded = 10 * time.Minute

// A Worker is one process incarnation. Those that ended, at most 1,000, are listed for KeepEnded.
type Worker struct {
	ID    int64    `json:"id"`
	Pod   string   `json:"pod"`
	Addr  string   `json:"addr"` // host:port of its internal port
	Pool  string   `json:"pool"`
	Roles []string `json:"roles"`
	State string   `json:"state"`
	// Cordoned says that it keeps its shards and is given no others.
	Cordoned bool `json:"cordoned"`
	// Ended says how a dead worker ended; empty while it lives. DiedOf is why it was declared dead, such as "refused" or
	// "expired"; empty if it was not.
	Ended  string `json:"ended,omitempty"`
	DiedOf string `json:"died_of,omitempty"`
	// Shards is how many shards it owns.
	Shards    int       `json:"shards"`
	StartedAt time.Time `json:"started_at"`
	// AgeMS is how long ago it started, by the database's clock; 0 for a dead one, and from a build that does not tell.
	AgeMS int64 `json:"age_ms,omitempty"`
	// Lag is what it measured for its last heartbeat, in milliseconds by role; absent if it is not known.
	Lag lag.Reading `json:"lag,omitempty"`
	// ExpiresInMS is how long its last heartbeat is good for, by the database's clock; negative when it is overdue, 0 for a
	// dead one.
	ExpiresInMS int64 `json:"expires_in_ms"`
}

// A Shard is one event persister shard and its lease.
type Shard struct {
	ID int `json:"id"`
	// Owner is a worker id, 0 if nobody owns the shard. OwnerPod is its pod.
	Owner    int64  `json:"owner"`
	OwnerPod string `json:"owner_pod"`
	Epoch    int64  `json:"epoch"`
	// Claimed says that the owner serves the shard. Target is the worker that a planned move gives it to, 0 without one.
	Claimed bool  `json:"claimed"`
	Target  int64 `json:"target"`
}

// A MoveRequest moves a shard to a worker; To 0 means any other than its owner.
type MoveRequest struct {
	To int64 `json:"to"`
}

// A MoveResult says what a move did. From is 0 if nobody owned the shard.
type MoveResult struct {
	From  int64 `json:"from"`
	To    int64 `json:"to"`
	Epoch int64 `json:"epoch"`
}

// A CordonRequest says whether the worker is to be cordoned, or no longer.
type CordonRequest struct {
	Cordoned bool `json:"cordoned"`
}

// A Rebalance says which worker spreads the shards; 0 if none has been elected yet.
type Rebalance struct {
	Balancer int64 `json:"balancer"`
}
