package keyring

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/id"
)

// maxSignatures bounds the signatures of one server that are tried: one is enough.
const maxSignatures = 4

// VerifyEvent checks that every server that has to sign the event did so, with a key that was valid when the event says
// that it was made, if the room version wants that. One valid signature a server is enough. Errors are [*KeyError], or of
// ctx or the database.
func (v *Verifier) VerifyEvent(ctx context.Context, ev *event.Event) error {
	purpose := ForOldEvent
	if ev.Version().EnforceKeyValidity {
		purpose = ForEvent
	}
	for _, server := range ev.RequiredSigners() {
		keyIDs := slices.DeleteFunc(ev.SigningKeys(server), func(keyID string) bool { return !supported(keyID) })
		if len(keyIDs) == 0 {
			return &KeyError{Server: server, Err: ErrNoSignature}
		}
		err := first(keyIDs[:min(len(keyIDs), maxSignatures)], func(keyID string) error {
			public, err := v.Key(ctx, Lookup{Server: server, KeyID: keyID, For: purpose, At: ev.OriginServerTS()})
			if err != nil {
				return err
			}
			if err := event.VerifySignature(ev, server, keyID, public); err != nil {
				return &KeyError{server, keyID, err}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("verify %s: %w", ev.ID(), err)
		}
	}
	return nil
}

// VerifyRequest checks that server signed the object with the key keyID, which has to be valid now (server-server API,
// "Request Authentication"). Errors are [*KeyError], or of package canonicaljson, ctx or the database.
func (v *Verifier) VerifyRequest(ctx context.Context, object []byte, server id.ServerName, keyID string) error {
	public, err := v.Key(ctx, Lookup{Server: server, KeyID: keyID, For: ForRequest})
	if err != nil {
		return err
	}
	err = VerifyJSON(object, server, keyID, public)
	if errors.Is(err, ErrSignature) || errors.Is(err, ErrNoSignature) {
		return &KeyError{server, keyID, err}
	}
	return err
}

// first returns nil once check does, else its most hopeful error: one that may pass before one that is final.
func first(keyIDs []string, check func(string) error) error {
	var worst error
	for _, keyID := range keyIDs {
		err := check(keyID)
		if err == nil {
			return nil
		}
		final := errors.Is(err, ErrSignature) || errors.Is(err, event.ErrSignature) || errors.Is(err, ErrUnknownKey) ||
			errors.Is(err, ErrKeyNotValid) && !errors.Is(err, ErrUnavailable)
		if worst == nil || !final {
			worst = err
		}
	}
	return worst
}

const sqlOwnPublic = `
SELECT key_id, public_key, coalesce(floor(extract(epoch FROM retired_at) * 1000)::bigint, 0) FROM signing_key`

// ownKey answers l about this server, which needs nobody's word.
func (v *Verifier) ownKey(ctx context.Context, l Lookup) (ed25519.PublicKey, error) {
	s := v.server(l.Server)
	key, verdict := s.find(l, v.now())
	if verdict == missing {
		if err := v.once(ctx, "own", func(ctx context.Context) error { return v.loadOwn(ctx, s) }); err != nil {
			return nil, err
		}
		key, verdict = s.find(l, v.now())
	}
	if err := refusal(l, verdict); err != nil {
		return nil, err
	}
	return key, nil
}

func (v *Verifier) loadOwn(ctx context.Context, s *server) error {
	found, err := v.rows.db.Query(ctx, sqlOwnPublic)
	if err != nil {
		return fmt.Errorf("read own keys: %w", err)
	}
	keys := map[string]remoteKey{}
	_, err = pgx.CollectRows(found, func(row pgx.CollectableRow) (struct{}, error) {
		k := remoteKey{asOf: math.MaxInt64, fetched: v.now().UnixMilli()}
		err := row.Scan(&k.keyID, &k.public, &k.expired)
		keys[k.keyID] = k
		return struct{}{}, err
	})
	if err != nil {
		return fmt.Errorf("read own keys: %w", err)
	}
	s.set(keys)
	return nil
}
