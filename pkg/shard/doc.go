// Package shard says which slot a room has, which user shard a user has, and which worker should own what.
//
// A slot is fixed for ever: xxh64 of the room id modulo 4096. The map from slots to shards lives in Postgres and can
// change; [Of] is what it starts as. Everything here is pure and deterministic, so that all workers agree without
// talking.
package shard

import (
	"github.com/cespare/xxhash/v2"

	"github.com/myelin-hs/myelin/pkg/id"
)

const (
	// Slots is the number of slots that rooms hash into.
	Slots = 4096
	// DefaultCount is the number of event persister shards of a new homeserver.
	DefaultCount = 64
	// UserShards is the number of user shards.
	UserShards = 64
)

// Slot returns the slot of a room, in [0, Slots).
func Slot(room id.RoomID) int { return int(xxhash.Sum64String(string(room)) % Slots) }

// UserShard returns the user shard of a user, in [0, UserShards).
func UserShard(user id.UserID) int { return int(xxhash.Sum64String(string(user)) % UserShards) }

// Of returns the shard, in [0, count), that a slot belongs to in a new homeserver with count shards: equal runs of slots.
func Of(slot, count int) int { return slot * count / Slots }
