package lag

import (
	"cmp"
	"encoding/json"
	"slices"
	"time"
)

// The roles that have a lag.
const (
	Persister = "persister"
	Sync      = "sync"
)

// Roles are all roles that have a lag. Work of the others does not wait in a worker, so of them there is nothing to say.
func Roles() []string { return []string{Persister, Sync} }

// MaxShards is how many shards a [Lag] names at most. It bounds the size of a worker's row, and how far one worker's
// reading can make a pool grow in one step.
const MaxShards = 16

// A Reading is the lag of one worker at one moment, by role. A role that is not in it is unknown. It is written as JSON in
// milliseconds: {"persister":{"ms":650,"shards":[650,12]},"sync":{"ms":0}}.
type Reading map[string]Lag

// A Lag is how long work of one role has waited.
type Lag struct {
	// Oldest is the age of what has waited longest, 0 if nothing waits.
	Oldest time.Duration
	// Shards are the ages of the oldest work of shards that wait independently of each other, longest first, at most
	// MaxShards, without those where nothing waits. Only roles whose work belongs to shards have them.
	Shards []time.Duration
}

// Sharded makes a Lag of how long the oldest work of each of several shards has waited, in any order, 0 where nothing
// waits. Shards that wait for each other are to be one of them.
func Sharded(ages []time.Duration) Lag {
	ages = slices.DeleteFunc(slices.Clone(ages), func(a time.Duration) bool { return a <= 0 })
	if len(ages) == 0 {
		return Lag{}
	}
	slices.SortFunc(ages, func(a, b time.Duration) int { return cmp.Compare(b, a) })
	return Lag{Oldest: ages[0], Shards: ages[:min(len(ages), MaxShards)]}
}

// confirmed is the lag as far as another shard waits for as long, or the target allows it: what is beyond both is the
// trouble of one shard.
func (l Lag) confirmed(target time.Duration) time.Duration {
	second := target
	if len(l.Shards) > 1 {
		second = max(target, l.Shards[1])
	}
	return min(l.Oldest, second)
}

// Oldest returns the greatest lag of all roles; false if nothing is known.
func (r Reading) Oldest() (time.Duration, bool) {
	var oldest time.Duration
	for _, l := range r {
		oldest = max(oldest, l.Oldest)
	}
	return oldest, len(r) > 0
}

type wire struct {
	MS     int64   `json:"ms"`
	Shards []int64 `json:"shards,omitempty"`
}

// MarshalJSON rounds up to milliseconds: what waits is never written as 0.
func (l Lag) MarshalJSON() ([]byte, error) {
	w := wire{MS: ceil(l.Oldest)}
	for _, s := range l.Shards {
		w.Shards = append(w.Shards, ceil(s))
	}
	return json.Marshal(w)
}

func ceil(d time.Duration) int64 { return int64((d + time.Millisecond - 1) / time.Millisecond) }

// UnmarshalJSON is the inverse of MarshalJSON.
func (l *Lag) UnmarshalJSON(text []byte) error {
	var w wire
	if err := json.Unmarshal(text, &w); err != nil {
		return err
	}
	*l = Lag{Oldest: time.Duration(w.MS) * time.Millisecond}
	for _, s := range w.Shards {
		l.Shards = append(l.Shards, time.Duration(s)*time.Millisecond)
	}
	return nil
}
