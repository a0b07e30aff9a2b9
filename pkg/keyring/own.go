package keyring

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/myelin-hs/myelin/pkg/id"
)

const (
	// Validity is for how long others may keep an answer of ours. The specification lets them keep it for seven days at
	// most; a day bounds how long a key that had to be replaced is still believed.
	Validity = 24 * time.Hour
	// Lead is how long a key is published before it is used: when it passed, no cached answer lacks the key.
	Lead = Validity
)

// Reasons of [Announce] for not starting, and of [Retire].
var (
	ErrKeyReused  = errors.New("this key id was announced with another key")
	ErrKeyMissing = errors.New("this key is in use but not in the key file: put it back, or retire it")
	ErrNoKey      = errors.New("no key of the key file may be used: they are all retired")
	ErrNoSuchKey  = errors.New("no such key")
	ErrKeyInUse   = errors.New("this key is in use")
)

// Own are this server's keys, as one worker holds them. It is safe for concurrent use.
type Own struct {
	db   *pgxpool.Pool
	keys []*Key // of the file
	key  *Key   // signs
	now  func() time.Time

	mu        sync.Mutex
	published []byte
	again     time.Time // when published is made anew
}

// An OwnKey is what Postgres knows of one of this server's keys.
type OwnKey struct {
	KeyID       string
	Public      []byte
	AnnouncedAt time.Time
	UseFrom     time.Time
	Used        bool       // by some worker, at some time
	RetiredAt   *time.Time // nil while it may sign
	Signers     int        // live workers that sign with it

	due bool // no answer that lacks it may be cached any more
}

const (
	// Starts are rare, and so are changes by hand: one at a time.
	sqlLockOwn = `LOCK TABLE signing_key IN SHARE ROW EXCLUSIVE MODE`
	sqlForget  = `DELETE FROM signing_key_holder h WHERE NOT EXISTS (SELECT FROM worker w WHERE w.worker_id = h.worker_id)`
	// The first key ever, or after all others were retired, has nothing to wait for.
	sqlAnnounce = `
INSERT INTO signing_key (key_id, public_key, use_from)
SELECT key_id, public_key, now() + CASE WHEN EXISTS (SELECT FROM signing_key WHERE used AND retired_at IS NULL)
                                        THEN $3 * interval '1 millisecond' ELSE interval '0' END
FROM unnest($1::text[], $2::bytea[]) AS k (key_id, public_key) ON CONFLICT DO NOTHING`
	// An answer without the key may be cached for Lead after the last worker that gave it: one that lives still will give
	// it, and one that ended is remembered for a day, which is Lead.
	sqlOwnKeys = `
WITH publisher AS (
    SELECT w.expires_at, array_agg(h.key_id) AS keys FROM signing_key_holder h JOIN worker w USING (worker_id)
    WHERE worker_id <> $1 GROUP BY worker_id, w.expires_at
), k AS (
    SELECT key_id, public_key, announced_at, used, retired_at, CASE WHEN used THEN use_from ELSE greatest(use_from,
        (SELECT max(expires_at) + $2 * interval '1 millisecond' FROM publisher WHERE NOT key_id = ANY (keys))) END AS use_from
    FROM signing_key
)
SELECT key_id, public_key, announced_at, use_from, used, retired_at,
       (SELECT count(*) FROM signing_key_holder h JOIN worker w USING (worker_id)
        WHERE h.key_id = k.key_id AND h.signs AND w.state IN (1, 2)),
       use_from <= clock_timestamp()
FROM k ORDER BY use_from, key_id`
	sqlHold = `
INSERT INTO signing_key_holder (worker_id, key_id, signs) SELECT $1, key_id, key_id = $3 FROM unnest($2::text[]) AS k (key_id)
ON CONFLICT (worker_id, key_id) DO UPDATE SET signs = excluded.signs`
	sqlUsed   = `UPDATE signing_key SET used = true WHERE key_id = $1 AND NOT used`
	sqlRetire = `UPDATE signing_key SET retired_at = now() WHERE key_id = $1`
)

// Announce makes the keys of the key file known to all workers, and chooses the one that this worker, which has joined
// under the id worker, signs with. The error wraps [ErrKeyReused], [ErrKeyMissing] or [ErrNoKey], and names the key, if
// the file does not fit what was announced before.
func Announce(ctx context.Context, db *pgxpool.Pool, worker int64, keys []*Key) (*Own, error) {
	o := &Own{db: db, keys: keys, now: time.Now}
	ids, publics := make([]string, len(keys)), make([][]byte, len(keys))
	for i, k := range keys {
		ids[i], publics[i] = k.KeyID(), k.Public()
	}
	err := pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
		// Alone: to prepare a statement locks its tables, too, and two such locks that grow are a deadlock.
		if _, err := tx.Exec(ctx, sqlLockOwn); err != nil {
			return err
		}
		batch := &pgx.Batch{}
		batch.Queue(sqlForget)
		batch.Queue(sqlAnnounce, ids, publics, Lead.Milliseconds())
		if err := tx.SendBatch(ctx, batch).Close(); err != nil {
			return err
		}
		announced, err := ownKeys(ctx, tx, worker)
		if err != nil {
			return err
		}
		if o.key, err = choose(keys, announced); err != nil {
			return err
		}
		batch = &pgx.Batch{}
		batch.Queue(sqlHold, worker, ids, o.key.KeyID())
		batch.Queue(sqlUsed, o.key.KeyID())
		return tx.SendBatch(ctx, batch).Close()
	})
	if err != nil {
		return nil, fmt.Errorf("announce signing keys: %w", err)
	}
	return o, nil
}

func ownKeys(ctx context.Context, tx pgx.Tx, worker int64) ([]OwnKey, error) {
	rows, err := tx.Query(ctx, sqlOwnKeys, worker, Lead.Milliseconds())
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (k OwnKey, err error) {
		err = row.Scan(&k.KeyID, &k.Public, &k.AnnouncedAt, &k.UseFrom, &k.Used, &k.RetiredAt, &k.Signers, &k.due)
		return k, err
	})
}

// choose returns the key of the file to sign with: the newest that may be used.
func choose(file []*Key, announced []OwnKey) (*Key, error) {
	inUse := slices.ContainsFunc(announced, func(k OwnKey) bool { return k.Used && k.RetiredAt == nil })
	var chosen *Key
	var since time.Time
	for _, a := range announced {
		at := slices.IndexFunc(file, func(k *Key) bool { return k.KeyID() == a.KeyID })
		switch {
		case at < 0 && a.Used && a.RetiredAt == nil:
			return nil, fmt.Errorf("%s: %w", a.KeyID, ErrKeyMissing)
		case at < 0 || a.RetiredAt != nil:
			continue
		case !bytes.Equal(a.Public, file[at].Public()):
			return nil, fmt.Errorf("%s: %w", a.KeyID, ErrKeyReused)
		}
		usable := a.Used || a.due || !inUse
		newer := chosen == nil || a.UseFrom.After(since) ||
			a.UseFrom.Equal(since) && at > slices.Index(file, chosen)
		if usable && newer {
			chosen, since = file[at], a.UseFrom
		}
	}
	if chosen == nil {
		return nil, ErrNoKey
	}
	return chosen, nil
}

// ServerName returns this server.
func (o *Own) ServerName() id.ServerName { return o.key.server }

// Key returns the key that this worker signs with.
func (o *Own) Key() *Key { return o.key }

// List returns every key that was ever announced, in the order in which they may be used.
func List(ctx context.Context, db *pgxpool.Pool) (keys []OwnKey, err error) {
	err = pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
		keys, err = ownKeys(ctx, tx, 0)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list signing keys: %w", err)
	}
	return keys, nil
}

// Retire makes a key an old one: published as such for ever, and used by no worker that starts from now on. The error
// wraps [ErrNoSuchKey], or [ErrKeyInUse] if a live worker signs with it or no other key is in use. With force, for a key
// that was lost or stolen, it is retired nevertheless: all workers have to be restarted.
func Retire(ctx context.Context, db *pgxpool.Pool, keyID string, force bool) error {
	err := pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, sqlLockOwn); err != nil {
			return err
		}
		keys, err := ownKeys(ctx, tx, 0)
		if err != nil {
			return err
		}
		at := slices.IndexFunc(keys, func(k OwnKey) bool { return k.KeyID == keyID })
		if at < 0 {
			return ErrNoSuchKey
		}
		another := slices.ContainsFunc(keys, func(k OwnKey) bool { return k.KeyID != keyID && k.Used && k.RetiredAt == nil })
		switch {
		case keys[at].RetiredAt != nil:
			return nil
		case !force && keys[at].Signers > 0:
			return fmt.Errorf("%w: %d live workers sign with it; restart them once another key may be used", ErrKeyInUse, keys[at].Signers)
		case !force && keys[at].Used && !another:
			return fmt.Errorf("%w: no other key has been used yet", ErrKeyInUse)
		}
		_, err = tx.Exec(ctx, sqlRetire, keyID)
		return err
	})
	if err != nil {
		return fmt.Errorf("retire signing key %s: %w", keyID, err)
	}
	return nil
}
