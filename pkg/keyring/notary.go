package keyring

import (
	"context"
	"errors"
	"fmt"

	"github.com/myelin-hs/myelin/pkg/id"
)

// Notarize returns what server said about its keys, signed by this server too: the newest answers that name the keys of
// wanted, where the empty key id stands for all (server-server API, "Querying Keys Through Another Server"). The
// value of a key is until when it should be valid, in milliseconds since 1970; 0: now. A server of which more is wanted
// than is known is asked again, as for a lookup of ours; one that nothing is known of is not, so that strangers cannot
// make this server call others. It may return nothing.
func (v *Verifier) Notarize(ctx context.Context, name id.ServerName, wanted map[string]int64) ([][]byte, error) {
	if name == v.own.ServerName() {
		own, err := v.own.ServerKeys(ctx)
		if err != nil {
			return nil, err
		}
		return [][]byte{own}, nil
	}
	// Not v.server(name): the names that strangers ask for would drive out those that matter.
	s, ok := v.servers.GetIfPresent(name)
	if !ok {
		s = &server{name: name}
	}
	if err := v.load(ctx, s); err != nil {
		return nil, err
	}
	if len(s.snapshot()) == 0 {
		return nil, nil
	}
	if !ok {
		s, _ = v.servers.SetIfAbsent(name, s)
	}
	if v.lacking(s, wanted) {
		if err := v.askAgain(ctx, s); err != nil {
			return nil, err
		}
	}
	answers, err := v.rows.responses(ctx, name, hashes(s.snapshot(), wanted))
	if err != nil {
		return nil, err
	}
	for i, answer := range answers {
		if answers[i], err = v.own.Key().SignJSON(answer); err != nil {
			return nil, fmt.Errorf("notarize the keys of %s: %w", name, err)
		}
	}
	return answers, nil
}

// askAgain asks a server, however long it takes, but waits only a little: a stranger gets what is known rather than
// nothing. The errors are ctx's or the database's.
func (v *Verifier) askAgain(ctx context.Context, s *server) error {
	waits, cancel := context.WithTimeout(ctx, v.patience)
	defer cancel()
	_, err := v.direct(waits, s)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return nil
	}
	return err
}

// lacking reports whether the server should be asked again.
func (v *Verifier) lacking(s *server, wanted map[string]int64) bool {
	now, keys := v.now().UnixMilli(), s.snapshot()
	fresh := func(k remoteKey, until int64) bool { return k.asOf >= max(until, now) && !k.stale(now) }
	for keyID, until := range wanted {
		k, ok := keys[keyID]
		if ok && (k.expired > 0 || fresh(k, until)) {
			continue
		}
		any := false
		for _, k := range keys {
			any = any || keyID == allKeys && k.expired == 0 && fresh(k, until)
		}
		if !any {
			return true
		}
	}
	return false
}

// allKeys is the key id that stands for all.
const allKeys = ""

// hashes returns those of the answers to give: at least one.
func hashes(keys map[string]remoteKey, wanted map[string]int64) [][]byte {
	var newest int64
	for _, k := range keys {
		newest = max(newest, k.fetched)
	}
	named := map[string]bool{}
	for keyID := range wanted {
		if k, ok := keys[keyID]; ok {
			named[string(k.hash)] = true
		}
	}
	if len(named) == 0 {
		for _, k := range keys {
			if k.fetched == newest {
				named[string(k.hash)] = true
			}
		}
	}
	list := make([][]byte, 0, len(named))
	for hash := range named {
		list = append(list, []byte(hash))
	}
	return list
}
