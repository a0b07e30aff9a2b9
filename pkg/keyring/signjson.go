package keyring

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/myelin-hs/myelin/pkg/canonicaljson"
	"github.com/myelin-hs/myelin/pkg/id"
)

// Errors of [VerifyJSON].
var (
	ErrNoSignature = errors.New("not signed with this key")
	ErrSignature   = errors.New("signature does not match")
)

// SignJSON returns the canonical JSON of the object with the key's signature added to those it has. "unsigned" is
// kept, and not covered. Errors are of package canonicaljson, or say that object or its signatures are no object.
func (k *Key) SignJSON(object []byte) ([]byte, error) {
	members, message, err := split(object)
	if err != nil {
		return nil, fmt.Errorf("sign JSON: %w", err)
	}
	signatures := map[string]map[string]json.RawMessage{}
	if raw, ok := members["signatures"]; ok {
		if err := json.Unmarshal(raw, &signatures); err != nil {
			return nil, fmt.Errorf("sign JSON: signatures: %w", err)
		}
	}
	own := signatures[string(k.server)]
	if own == nil {
		own = map[string]json.RawMessage{}
	}
	own[k.KeyID()] = json.RawMessage(`"` + base64.RawStdEncoding.EncodeToString(k.Sign(message)) + `"`)
	if signatures == nil { // "signatures": null
		signatures = map[string]map[string]json.RawMessage{}
	}
	signatures[string(k.server)] = own
	if members["signatures"], err = json.Marshal(signatures); err != nil {
		return nil, fmt.Errorf("sign JSON: %w", err)
	}
	return canonicaljson.Encode(members)
}

// VerifyJSON checks that server signed the object with the key keyID, "ed25519:version", whose public half is pub
// (appendices, "Checking for a Signature"). Errors wrap [ErrNoSignature] and [ErrSignature], or are of package
// canonicaljson.
func VerifyJSON(object []byte, server id.ServerName, keyID string, pub ed25519.PublicKey) error {
	members, message, err := split(object)
	if err != nil {
		return fmt.Errorf("verify JSON: %w", err)
	}
	raw, ok := canonicaljson.Get(members["signatures"], string(server), keyID)
	if !ok || !strings.HasPrefix(keyID, algorithm+":") {
		return fmt.Errorf("verify JSON of %s, %s: %w", server, keyID, ErrNoSignature)
	}
	text, _ := canonicaljson.String(raw)
	signature, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
	if err != nil || len(pub) != ed25519.PublicKeySize || !ed25519.Verify(pub, message, signature) {
		return fmt.Errorf("verify JSON of %s, %s: %w", server, keyID, ErrSignature)
	}
	return nil
}

// split returns the members of the object, and the bytes of it that signatures cover.
func split(object []byte) (members map[string]json.RawMessage, message []byte, err error) {
	canonical, err := canonicaljson.Canonicalize(object)
	if err != nil {
		return nil, nil, err
	}
	if !canonicaljson.IsObject(canonical) {
		return nil, nil, errors.New("not an object")
	}
	if err := json.Unmarshal(canonical, &members); err != nil {
		return nil, nil, err
	}
	covered := make(map[string]json.RawMessage, len(members))
	for key, value := range members {
		if key != "signatures" && key != "unsigned" {
			covered[key] = value
		}
	}
	message, err = canonicaljson.Encode(covered)
	return members, message, err
}
