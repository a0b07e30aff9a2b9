package auth

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

const (
	// FOR UPDATE waits for logins under way and keeps new ones out until the tokens are gone.
	sqlLockAccount  = `SELECT FROM account WHERE user_id = $1 FOR UPDATE`
	sqlDeleteDevice = `DELETE FROM device WHERE user_id = $1 AND device_id = $2`

	sqlDeleteAllTokens  = `DELETE FROM access_token WHERE user_id = $1 RETURNING token_hash`
	sqlDeleteAllDevices = `DELETE FROM device WHERE user_id = $1`

	// A block without shards: nothing of a room is written, so there is no lease to fence with. The generation is the
	// database's own, because nothing that was read before a failover goes into this transaction.
	sqlRevocationBlock = `
SELECT block_begin(0, 'room', '{}', '{}', (SELECT generation FROM cluster_state), '{}', '{}', $1)`
)

// Logout deletes the identity's device with its tokens (client-server API, POST /logout). Once is as good as twice.
func (a *Auth) Logout(ctx context.Context, who Identity) error {
	return a.logout(ctx, who, func(tx pgx.Tx) ([][]byte, error) {
		old, err := deleteTokens(ctx, tx, sqlDeleteDeviceTokens, who.UserID, who.DeviceID)
		if err != nil {
			return nil, err
		}
		_, err = tx.Exec(ctx, sqlDeleteDevice, who.UserID, who.DeviceID)
		return old, err
	})
}

// LogoutAll deletes all devices of the identity's user with their tokens (client-server API, POST /logout/all).
func (a *Auth) LogoutAll(ctx context.Context, who Identity) error {
	return a.logout(ctx, who, func(tx pgx.Tx) ([][]byte, error) {
		old, err := deleteTokens(ctx, tx, sqlDeleteAllTokens, who.UserID)
		if err != nil {
			return nil, err
		}
		_, err = tx.Exec(ctx, sqlDeleteAllDevices, who.UserID)
		return old, err
	})
}

func (a *Auth) logout(ctx context.Context, who Identity, remove func(pgx.Tx) ([][]byte, error)) error {
	revoked := false
	err := pgx.BeginFunc(ctx, a.db, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, sqlLockAccount, who.UserID); err != nil {
			return fmt.Errorf("lock the account: %w", err)
		}
		old, err := remove(tx)
		if err != nil {
			return err
		}
		revoked = len(old) > 0
		return revoke(ctx, tx, old)
	})
	if err != nil {
		return fmt.Errorf("log out: %w", err)
	}
	if revoked {
		a.poke()
	}
	return nil
}

func deleteTokens(ctx context.Context, tx pgx.Tx, sql string, args ...any) ([][]byte, error) {
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("delete access tokens: %w", err)
	}
	hashes, err := pgx.CollectRows(rows, pgx.RowTo[[]byte])
	if err != nil {
		return nil, fmt.Errorf("delete access tokens: %w", err)
	}
	return hashes, nil
}

// revoke lets the deletion of tokens ride the stream. It comes last in its transaction, after every wait for a lock:
// from here to the commit the horizon stands still.
func revoke(ctx context.Context, tx pgx.Tx, hashes [][]byte) error {
	if len(hashes) == 0 {
		return nil
	}
	if _, err := tx.Exec(ctx, sqlRevocationBlock, hashes); err != nil {
		return fmt.Errorf("open a block for a revocation: %w", err)
	}
	return nil
}
