package event

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/myelin-hs/myelin/pkg/canonicaljson"
	"github.com/myelin-hs/myelin/pkg/id"
)

// Errors of [VerifySignature].
var (
	ErrNoSignature = errors.New("not signed with this key")
	ErrSignature   = errors.New("signature does not match")
)

// Sign returns ev with the signature of one more server, or one more key: that of the invited user's server, or of the one
// that authorises a restricted join. The id is the same. Errors are [*FieldError]; those about sizes wrap [ErrTooLarge].
func Sign(ev *Event, signer Signer) (*Event, error) {
	server := string(signer.ServerName())
	signature := base64.RawStdEncoding.EncodeToString(signer.Sign(ev.signed()))
	signatures, _ := canonicaljson.Get(ev.raw, "signatures")
	ofServer, _ := canonicaljson.Get(signatures, server)
	signatures = setMember(signatures, server, setString(ofServer, signer.KeyID(), signature))
	raw := setMember(ev.raw, "signatures", signatures)
	if err := checkSize("event", len(raw), MaxSize); err != nil {
		return nil, err
	}
	return Load(ev.version, ev.id, raw)
}

// algorithm is what the ids of signing keys begin with; there is no other algorithm (appendices, "Signing Details").
const algorithm = "ed25519:"

// VerifySignature checks that server signed the event with the key called keyID, "ed25519:…", whose public half is
// pub. Errors wrap [ErrNoSignature] and [ErrSignature].
func VerifySignature(ev *Event, server id.ServerName, keyID string, pub ed25519.PublicKey) error {
	raw, ok := canonicaljson.Get(ev.raw, "signatures", string(server), keyID)
	if !ok || !strings.HasPrefix(keyID, algorithm) {
		return fmt.Errorf("verify %s for %s, %s: %w", ev.id, server, keyID, ErrNoSignature)
	}
	s, _ := canonicaljson.String(raw)
	signature, err := decodeBase64(s)
	if err != nil || len(pub) != ed25519.PublicKeySize || !ed25519.Verify(pub, ev.signed(), signature) {
		return fmt.Errorf("verify %s for %s, %s: %w", ev.id, server, keyID, ErrSignature)
	}
	return nil
}

// SigningKeys returns the ids of the keys, "ed25519:…", with which the event says that server signed it.
func (e *Event) SigningKeys(server id.ServerName) []string {
	raw, _ := canonicaljson.Get(e.raw, "signatures", string(server))
	var keys []string
	for key := range canonicaljson.Members(raw) {
		if bytes.HasPrefix(key, []byte(algorithm)) {
			keys = append(keys, canonicaljson.Key(key))
		}
	}
	return keys
}

// SignedBy reports whether the event carries a signature in the name of server. It does not verify it.
func (e *Event) SignedBy(server id.ServerName) bool { return len(e.SigningKeys(server)) > 0 }

// RequiredSigners returns the servers without whose valid signature the event is to be dropped (server-server API,
// "Validating hashes and signatures on received events"): that of the sender, unless the event is a third-party invite,
// which any server may send; the one in the event's id, with EventIDInEvent; and with RestrictedJoins that of the user
// who authorised a join, because the authorisation rules take [Event.SignedBy] for its word.
func (e *Event) RequiredSigners() []id.ServerName {
	var servers []id.ServerName
	need := func(server id.ServerName) {
		if !slices.Contains(servers, server) {
			servers = append(servers, server)
		}
	}
	_, thirdParty := canonicaljson.Get(e.content, "third_party_invite")
	if !thirdParty || e.Membership() != "invite" {
		need(e.sender.ServerName())
	}
	if e.version.EventIDInEvent {
		need(e.idServer())
	}
	if e.version.RestrictedJoins && e.evType == "m.room.member" {
		raw, _ := canonicaljson.Get(e.content, "join_authorised_via_users_server")
		s, _ := canonicaljson.String(raw)
		if user, err := id.ParseUserID(s); err == nil {
			need(user.ServerName())
		}
	}
	return servers
}
