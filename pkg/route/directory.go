package route

import (
	"context"

	"github.com/myelin-hs/myelin/pkg/id"
)

// Headers between workers. An internal listener sets HeaderWorker on every response.
const (
	HeaderWorker    = "X-Myelin-Worker"     // id of the worker that answers
	HeaderTo        = "X-Myelin-To"         // id of the worker that is meant; any other must not serve the request
	HeaderOwner     = "X-Myelin-Owner"      // with 421: id of the shard's owner
	HeaderOwnerAddr = "X-Myelin-Owner-Addr" // with 421: its internal address
	HeaderEpoch     = "X-Myelin-Epoch"      // with 421: the epoch of its lease; with a request for a room: the one it was sent for
	HeaderUnserved  = "X-Myelin-Unserved"   // on an error: nothing was done, another worker may be asked
	HeaderPulse     = "X-Myelin-Pulse"      // asks for a pulse every so many milliseconds
)

// RolePersister is the role that serves rooms.
const RolePersister = "persister"

// A Worker is where a request can go.
type Worker struct {
	ID   int64
	Addr string // host:port of its internal listener
	// Pulses says that it shows that it lives, while it works on a request, to whoever asks for that.
	Pulses bool
}

// A Place is where a room is written.
type Place struct {
	Shard int
	// Owner is zero if the shard has none that is alive as far as known.
	Owner Worker
	Epoch int64
}

// Evidence says why a worker is suspected to be dead.
type Evidence int

const (
	// Refused: a dial was refused or reset.
	Refused Evidence = iota
	// OtherWorker: another worker, or something else, answers at its address.
	OtherWorker
	// Silent: a dial was not answered, or it shows no sign of life on a connection.
	Silent
)

// A Directory knows workers and leases, possibly a little late.
type Directory interface {
	// Self is the id of this worker.
	Self() int64
	// Room returns the place of a room.
	Room(room id.RoomID) Place
	// Alive reports whether the worker is live or leaving.
	Alive(worker int64) bool
	// Role returns the live workers with the role that take new requests.
	Role(role string) []Worker
	// Refresh reads the truth.
	Refresh(ctx context.Context) error
	// Outdated says that what the other methods return is known to be so. The truth is read soon; it does not block.
	Outdated()
	// Awaited asks the database whether a worker with the role died so short a while ago, without having left, that its
	// container is likely to come back.
	Awaited(ctx context.Context, role string) (bool, error)
	// Changed is closed when what the other methods return may have changed.
	Changed() <-chan struct{}
	// Suspect reports that a worker seems dead. It does not block.
	Suspect(worker int64, why Evidence)
}
