package keyring

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/myelin-hs/myelin/pkg/canonicaljson"
	"github.com/myelin-hs/myelin/pkg/id"
)

// maxValidity is how long a key may be used without asking again, whatever its server says (room version 5, "Signing key
// validity period").
const maxValidity = 7 * 24 * time.Hour

// ErrResponse is wrapped by errors about what a server answered.
var ErrResponse = errors.New("invalid server keys")

// A response is what a server says about its keys: self-signed and checked.
type response struct {
	json  []byte // canonical
	asOf  int64  // until when its verify keys count; milliseconds since 1970
	keys  []remoteKey
	names id.ServerName
}

// A remoteKey is a key of another server. Times are milliseconds since 1970.
type remoteKey struct {
	keyID   string
	public  ed25519.PublicKey
	asOf    int64
	expired int64 // 0 while it is in verify_keys
	fetched int64
	hash    []byte // of the response that says so
}

// readResponse checks server's keys as answered at the time now by it, or by a notary. Verify keys that did not sign the
// answer are left out, for nothing shows that the server has them; there has to be one that did. Errors wrap
// [ErrResponse] and name the field.
func readResponse(raw []byte, server id.ServerName, now time.Time) (*response, error) {
	bad := func(field, format string, args ...any) error {
		return fmt.Errorf("%w of %s: %s: %w", ErrResponse, server, field, fmt.Errorf(format, args...))
	}
	canonical, err := canonicaljson.Canonicalize(raw)
	if err != nil {
		return nil, bad("body", "%w", err)
	}
	var body struct {
		ServerName    string                  `json:"server_name"`
		ValidUntilTS  *int64                  `json:"valid_until_ts"`
		VerifyKeys    map[string]verifyKey    `json:"verify_keys"`
		OldVerifyKeys map[string]oldVerifyKey `json:"old_verify_keys"`
		// Of any server: as a notary this one signs the answer, too.
		Signatures map[string]map[string]json.RawMessage `json:"signatures"`
	}
	if err := json.Unmarshal(canonical, &body); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) && wrong.Field != "" {
			return nil, bad(wrong.Field, "has the wrong type")
		}
		return nil, bad("body", "is not an object")
	}
	switch {
	case body.ServerName != string(server):
		return nil, bad("server_name", "is of another server")
	case body.ValidUntilTS == nil:
		return nil, bad("valid_until_ts", "is missing")
	case len(body.VerifyKeys)+len(body.OldVerifyKeys) > maxKeys:
		return nil, bad("verify_keys", "more than %d keys, with the old ones", maxKeys)
	}
	r := &response{json: canonical, names: server, asOf: min(*body.ValidUntilTS, now.Add(maxValidity).UnixMilli())}
	for keyID, k := range body.VerifyKeys {
		if !supported(keyID) {
			continue
		}
		public, err := decodePublic(k.Key)
		if err != nil {
			return nil, bad("verify_keys."+keyID, "%w", err)
		}
		switch err := VerifyJSON(canonical, server, keyID, public); {
		case errors.Is(err, ErrNoSignature):
			continue
		case err != nil:
			return nil, bad("signatures."+keyID, "%w", err)
		}
		r.keys = append(r.keys, remoteKey{keyID: keyID, public: public, asOf: r.asOf, fetched: now.UnixMilli()})
	}
	if len(r.keys) == 0 {
		return nil, bad("signatures", "%w: by none of the verify_keys", ErrNoSignature)
	}
	for keyID, k := range body.OldVerifyKeys {
		if _, current := body.VerifyKeys[keyID]; current || !supported(keyID) {
			continue
		}
		public, err := decodePublic(k.Key)
		if err != nil {
			return nil, bad("old_verify_keys."+keyID, "%w", err)
		}
		if k.ExpiredTS <= 0 {
			return nil, bad("old_verify_keys."+keyID+".expired_ts", "is not positive")
		}
		r.keys = append(r.keys, remoteKey{keyID: keyID, public: public, asOf: r.asOf, expired: k.ExpiredTS, fetched: now.UnixMilli()})
	}
	return r, nil
}

type verifyKey struct {
	Key string `json:"key"`
}

// supported reports whether a key may be used: others are skipped, whatever they are.
func supported(keyID string) bool {
	version, ok := strings.CutPrefix(keyID, algorithm+":")
	return ok && validVersion(version)
}

func decodePublic(s string) (ed25519.PublicKey, error) {
	public, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(s, "="))
	if err != nil || len(public) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("the key is not %d bytes in base64", ed25519.PublicKeySize)
	}
	return public, nil
}

// until is the time from which on the key is not valid.
func (k *remoteKey) until() int64 {
	if k.expired > 0 {
		return min(k.expired, k.asOf)
	}
	return k.asOf
}

// stale reports whether half of the time for which the answer counts has passed.
func (k *remoteKey) stale(now int64) bool { return now-k.fetched > (k.asOf-k.fetched)/2 }
