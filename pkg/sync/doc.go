// Package sync is the role that serves GET /sync (client-server API, "Syncing").
//
// It answers from memory. A room model holds a run of the room's latest events without gaps and its current state,
// shared by all users of the process; a user model holds the user's memberships. Both are fed alike:
//
//   - The horizon's index says which rooms and user shards each block touched. A model notes the blocks that touched it.
//   - The bodies of these blocks come over the bus. A body is applied when P has covered its block, never before, and in
//     the order of the blocks.
//   - A body that has not come a few milliseconds after a request asked for it is read from Postgres.
//
// A model is registered first and read second: a block that P covered before the registration was visible to the read,
// one that P covers after is noted. A room has one writer at a time and its positions follow commit order, so what was
// read of it is complete up to its own greatest position, even where P is not there yet. A user's rooms have many
// writers; there the greatest position of each room counts, and a request waits until P covers what was read.
//
// An answer is made at one position, the P that was applied when the request looked: events above it are left out,
// state is rolled back to it, and it becomes next_batch.
package sync
