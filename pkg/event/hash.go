package event

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/myelin-hs/myelin/pkg/canonicaljson"
	"github.com/myelin-hs/myelin/pkg/id"
)

// Errors of [VerifyHash] and [VerifySignature].
var (
	ErrHash        = errors.New("content hash does not match")
	ErrNoSignature = errors.New("not signed with this key")
	ErrSignature   = errors.New("signature does not match")
)

// VerifyHash checks the content hash: that nothing was changed or redacted since the sender's server signed. An event
// that fails is to be used redacted. The error is [ErrHash].
func VerifyHash(ev *Event) error {
	raw, _ := canonicaljson.Get(ev.raw, "hashes", "sha256")
	s, _ := canonicaljson.String(raw)
	want, err := decodeBase64(s)
	if err != nil {
		return ErrHash
	}
	body := append(make([]byte, 0, len(ev.raw)), '{')
	for key, value := range canonicaljson.Members(ev.raw) {
		if k := string(key); k != "hashes" && k != "signatures" {
			body = append(appendKey(body, 1, key), value...)
		}
	}
	sum := sha256.Sum256(append(body, '}'))
	if !bytes.Equal(sum[:], want) {
		return ErrHash
	}
	return nil
}

// VerifySignature checks that server signed the event with the key called keyID, "ed25519:…", whose public half is
// pub. Errors wrap [ErrNoSignature] and [ErrSignature].
func VerifySignature(ev *Event, server id.ServerName, keyID string, pub ed25519.PublicKey) error {
	raw, ok := canonicaljson.Get(ev.raw, "signatures", string(server), keyID)
	if !ok || !strings.HasPrefix(keyID, "ed25519:") {
		return fmt.Errorf("verify %s for %s, %s: %w", ev.id, server, keyID, ErrNoSignature)
	}
	s, _ := canonicaljson.String(raw)
	signature, err := decodeBase64(s)
	if err != nil || len(pub) != ed25519.PublicKeySize || !ed25519.Verify(pub, ev.signed(), signature) {
		return fmt.Errorf("verify %s for %s, %s: %w", ev.id, server, keyID, ErrSignature)
	}
	return nil
}

// SignedBy reports whether the event carries a signature in the name of server. It does not verify it.
func (e *Event) SignedBy(server id.ServerName) bool {
	keys, _ := canonicaljson.Get(e.raw, "signatures", string(server))
	for range canonicaljson.Members(keys) {
		return true
	}
	return false
}

// Signers returns the servers in whose name the event carries signatures, sorted.
func (e *Event) Signers() []id.ServerName {
	raw, _ := canonicaljson.Get(e.raw, "signatures")
	var servers []id.ServerName
	for key := range canonicaljson.Members(raw) {
		servers = append(servers, id.ServerName(canonicaljson.Key(key)))
	}
	slices.Sort(servers)
	return servers
}

// decodeBase64 reads base64 with or without padding (appendices, "Unpadded Base64").
func decodeBase64(s string) ([]byte, error) {
	return base64.RawStdEncoding.DecodeString(strings.TrimRight(s, "="))
}
