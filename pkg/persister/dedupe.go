package persister

import (
	"container/list"
	"crypto/sha256"
	"strings"

	"github.com/myelin-hs/myelin/pkg/id"
)

// A dedupeKey names a request: the same key twice is the same request, sent again.
type dedupeKey struct {
	user   id.UserID
	device id.DeviceID
	path   [sha256.Size]byte // of method and path without the transaction id
	txn    string            // empty: the request cannot be told from another one, and is not deduplicated
}

func pathHash(method, path string) [sha256.Size]byte {
	return sha256.Sum256([]byte(method + " " + path))
}

// memory remembers the newest keys that were answered with an event, at most size of them.
type memory struct {
	size  int
	byKey map[dedupeKey]*list.Element
	order list.List // of answered, oldest first
}

type answered struct {
	key   dedupeKey
	event id.EventID
}

func newMemory(size int) *memory {
	return &memory{size: size, byKey: make(map[dedupeKey]*list.Element)}
}

func (m *memory) get(k dedupeKey) (id.EventID, bool) {
	e, ok := m.byKey[k]
	if !ok {
		return "", false
	}
	return e.Value.(answered).event, true
}

func (m *memory) put(k dedupeKey, event id.EventID) {
	if k.txn == "" || m.byKey[k] != nil {
		return
	}
	k.txn = strings.Clone(k.txn) // which is part of a request's path
	m.byKey[k] = m.order.PushBack(answered{k, event})
	for m.order.Len() > m.size {
		delete(m.byKey, m.order.Remove(m.order.Front()).(answered).key)
	}
}
