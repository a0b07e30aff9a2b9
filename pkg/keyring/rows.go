package keyring

import (
	"context"
	"crypto/sha256"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/myelin-hs/myelin/pkg/id"
)

// rows are other servers' keys in Postgres.
type rows struct{ db *pgxpool.Pool }

const (
	sqlServerKeys = `
SELECT key_id, public_key, as_of, coalesce(expired, 0), fetched_at, response FROM server_key WHERE server_name = $1`
	// Two workers that merge at once would each delete the response of the other. Locks with one key of 64 bits are the
	// horizon's.
	sqlLockServer = `SELECT pg_advisory_xact_lock(6579577, hashtext($1))`
	sqlResponse   = `
INSERT INTO server_key_response (server_name, response, json) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`
	// What the server itself says counts, the newest of it: unless the worker that wrote it lives in the future, for
	// nothing would be newer for as long. A notary prolongs what it does not change.
	sqlMerge = `
INSERT INTO server_key AS k (server_name, key_id, public_key, as_of, expired, fetched_at, response)
SELECT $1, n.key_id, n.public_key, $2, nullif(n.expired, 0), $3, $4
FROM unnest($5::text[], $6::bytea[], $7::bigint[]) AS n (key_id, public_key, expired)
ORDER BY n.key_id
ON CONFLICT (server_name, key_id) DO UPDATE SET public_key = excluded.public_key, as_of = excluded.as_of,
    expired = excluded.expired, fetched_at = excluded.fetched_at, response = excluded.response
WHERE $8 AND (k.fetched_at <= excluded.fetched_at OR k.fetched_at > extract(epoch FROM clock_timestamp()) * 1000)
   OR NOT $8 AND k.public_key = excluded.public_key AND k.expired IS NULL AND excluded.expired IS NULL AND k.as_of < excluded.as_of`
	// A server that names new keys for ever loses the oldest.
	sqlBound = `
DELETE FROM server_key WHERE server_name = $1 AND key_id IN (
    SELECT key_id FROM server_key WHERE server_name = $1 ORDER BY fetched_at DESC, key_id OFFSET $2)`
	sqlUnnamed = `
DELETE FROM server_key_response r WHERE server_name = $1
AND NOT EXISTS (SELECT FROM server_key k WHERE k.server_name = r.server_name AND k.response = r.response)`
	sqlResponses = `SELECT json FROM server_key_response WHERE server_name = $1 AND response = ANY ($2)`
)

// load returns what is known of server's keys, by key id.
func (r rows) load(ctx context.Context, server id.ServerName) (map[string]remoteKey, error) {
	found, err := r.db.Query(ctx, sqlServerKeys, server)
	if err != nil {
		return nil, fmt.Errorf("read the keys of %s: %w", server, err)
	}
	keys := map[string]remoteKey{}
	_, err = pgx.CollectRows(found, func(row pgx.CollectableRow) (k remoteKey, err error) {
		err = row.Scan(&k.keyID, &k.public, &k.asOf, &k.expired, &k.fetched, &k.hash)
		keys[k.keyID] = k
		return k, err
	})
	if err != nil {
		return nil, fmt.Errorf("read the keys of %s: %w", server, err)
	}
	return keys, nil
}

// merge adds what a response says; direct: the server itself said so.
func (r rows) merge(ctx context.Context, resp *response, direct bool) error {
	hash := sha256.Sum256(resp.json)
	ids, publics, expired := make([]string, len(resp.keys)), make([][]byte, len(resp.keys)), make([]int64, len(resp.keys))
	for i, k := range resp.keys {
		ids[i], publics[i], expired[i] = k.keyID, k.public, k.expired
	}
	err := pgx.BeginFunc(ctx, r.db, func(tx pgx.Tx) error {
		batch := &pgx.Batch{}
		batch.Queue(sqlLockServer, resp.names)
		batch.Queue(sqlResponse, resp.names, hash[:], resp.json)
		batch.Queue(sqlMerge, resp.names, resp.asOf, resp.keys[0].fetched, hash[:], ids, publics, expired, direct)
		batch.Queue(sqlBound, resp.names, maxKeys)
		batch.Queue(sqlUnnamed, resp.names)
		return tx.SendBatch(ctx, batch).Close()
	})
	if err != nil {
		return fmt.Errorf("keep the keys of %s: %w", resp.names, err)
	}
	return nil
}

// responses returns the responses with these hashes.
func (r rows) responses(ctx context.Context, server id.ServerName, hashes [][]byte) ([][]byte, error) {
	found, err := r.db.Query(ctx, sqlResponses, server, hashes)
	if err != nil {
		return nil, fmt.Errorf("read the answers of %s: %w", server, err)
	}
	answers, err := pgx.CollectRows(found, pgx.RowTo[[]byte])
	if err != nil {
		return nil, fmt.Errorf("read the answers of %s: %w", server, err)
	}
	return answers, nil
}
