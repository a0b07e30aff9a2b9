package persister

import (
	"context"

	"github.com/myelin-hs/myelin/pkg/id"
)

// A pipeline is what a lane needs of the world, as functions, so that a lane runs in tests without a database.
type pipeline struct {
	// commit writes a block in one transaction and sets its number. After nil it is durable; [judge] reads the error.
	commit func(context.Context, *block) error
	// resolve makes it impossible that the block is committed later, then reports whether it was, and sets its number.
	// An error means that this is not known yet.
	resolve func(context.Context, *block) (bool, error)
	// close ends the connection that commit and resolve use.
	close func(context.Context)
	// repeated looks up which of the keys were answered before.
	repeated func(context.Context, []dedupeKey) (map[dedupeKey]id.EventID, error)
	// load reads rooms, and looks up keys, as committed.
	load func(context.Context, []want) (loaded, error)
	// publish passes on a committed block. It does not block.
	publish func(*block)
}
