package keyring

import (
	"context"
	"encoding/base64"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/myelin-hs/myelin/pkg/canonicaljson"
)

const (
	// republish is how long an answer is served again: how late a retirement may show.
	republish = time.Minute
	// outage is how much longer it is served while the database is away.
	outage = time.Hour
)

const sqlRetired = `
SELECT key_id, public_key, floor(extract(epoch FROM retired_at) * 1000)::bigint FROM signing_key WHERE retired_at IS NOT NULL
ORDER BY retired_at DESC LIMIT 1000`

// ServerKeys returns the answer to GET /_matrix/key/v2/server (server-server API, "Publishing Keys"): every key of the
// key file, those to come included, and the retired ones; valid for [Validity] and signed with each key that is not
// retired. The error wraps [ErrNoKey] if all keys of the file were retired since this worker started.
func (o *Own) ServerKeys(ctx context.Context) ([]byte, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := o.now()
	if now.Before(o.again) {
		return o.published, nil
	}
	retired, err := o.retired(ctx)
	if err != nil && o.published != nil && now.Before(o.again.Add(outage)) {
		return o.published, nil
	}
	if err != nil {
		return nil, fmt.Errorf("server keys: read retired keys: %w", err)
	}
	body, err := serverKeys(o.keys, retired, now.Add(Validity))
	if err != nil {
		return nil, fmt.Errorf("server keys: %w", err)
	}
	o.published, o.again = body, now.Add(republish)
	return body, nil
}

type oldVerifyKey struct {
	Key       string `json:"key"`
	ExpiredTS int64  `json:"expired_ts"`
}

func (o *Own) retired(ctx context.Context) (map[string]oldVerifyKey, error) {
	rows, err := o.db.Query(ctx, sqlRetired)
	if err != nil {
		return nil, err
	}
	old := map[string]oldVerifyKey{}
	var keyID string
	var public []byte
	var at int64
	_, err = pgx.ForEachRow(rows, []any{&keyID, &public, &at}, func() error {
		old[keyID] = oldVerifyKey{base64.RawStdEncoding.EncodeToString(public), at}
		return nil
	})
	return old, err
}

func serverKeys(keys []*Key, old map[string]oldVerifyKey, validUntil time.Time) ([]byte, error) {
	verify := map[string]map[string]string{}
	var signing []*Key
	for _, k := range keys {
		if _, retired := old[k.KeyID()]; !retired {
			verify[k.KeyID()] = map[string]string{"key": base64.RawStdEncoding.EncodeToString(k.Public())}
			signing = append(signing, k)
		}
	}
	if len(signing) == 0 {
		return nil, ErrNoKey
	}
	body, err := canonicaljson.Encode(map[string]any{
		"server_name": keys[0].server, "valid_until_ts": validUntil.UnixMilli(), "verify_keys": verify, "old_verify_keys": old,
	})
	for _, k := range signing {
		if err != nil {
			return nil, err
		}
		body, err = k.SignJSON(body)
	}
	return body, err
}
