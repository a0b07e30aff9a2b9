package eventauth

import (
	"crypto/ed25519"
	"encoding/base64"
	"strings"

	"github.com/myelin-hs/myelin/pkg/canonicaljson"
)

// maxInviteKeys bounds how many signatures are tried against how many keys: both are of the sender's choosing.
const maxInviteKeys = 16

// thirdPartyInvite holds the rules about invites that an m.room.third_party_invite allows; raw is
// content.third_party_invite.
func (c *change) thirdPartyInvite(raw []byte) error {
	if c.targetIs == ban {
		return reject(c.v, thirdPartyBanned, "the user is banned from the room")
	}
	signed, ok := canonicaljson.Get(raw, "signed")
	if !ok {
		return reject(c.v, thirdPartySigned, "third_party_invite has no signed")
	}
	mxid, okID := lookupText(signed, "mxid")
	token, okToken := lookupText(signed, "token")
	if !okID || !okToken {
		return reject(c.v, thirdPartyFields, "third_party_invite.signed has no mxid or no token")
	}
	if mxid != string(c.target) {
		return reject(c.v, thirdPartyUser, "third_party_invite.signed.mxid is not the invited user")
	}
	offer := c.state.Fact(typeThirdPartyInvite, token)
	if offer == nil {
		return reject(c.v, thirdPartyToken, "there is no third-party invite with this token")
	}
	if offer.Sender() != c.sender {
		return reject(c.v, thirdPartySender, "the third-party invite is of another sender")
	}
	keys := inviteKeys(offer.Content())
	message := unsigned(signed)
	signatures, _ := canonicaljson.Get(signed, "signatures")
	tried := 0
	for _, byServer := range canonicaljson.Members(signatures) {
		for keyID, value := range canonicaljson.Members(byServer) {
			if tried++; tried > maxInviteKeys {
				return reject(c.v, thirdPartyKeys, "third_party_invite.signed has too many signatures")
			}
			s, _ := canonicaljson.String(value)
			signature, err := decodeBase64(s)
			if err != nil || !strings.HasPrefix(canonicaljson.Key(keyID), "ed25519:") {
				continue
			}
			for _, key := range keys {
				if ed25519.Verify(key, message, signature) {
					return nil // member.invite.third_party.signature
				}
			}
		}
	}
	return reject(c.v, thirdPartyKeys, "third_party_invite.signed is signed with none of the invite's keys")
}

func inviteKeys(content []byte) []ed25519.PublicKey {
	var keys []ed25519.PublicKey
	add := func(raw []byte) {
		s, _ := canonicaljson.String(raw)
		if key, err := decodeBase64(s); err == nil && len(key) == ed25519.PublicKeySize && len(keys) < maxInviteKeys {
			keys = append(keys, key)
		}
	}
	if raw, ok := canonicaljson.Get(content, "public_key"); ok {
		add(raw)
	}
	list, _ := canonicaljson.Get(content, "public_keys")
	for entry := range canonicaljson.Elements(list) {
		raw, _ := canonicaljson.Get(entry, "public_key")
		add(raw)
	}
	return keys
}

// unsigned returns the canonical object without signatures and unsigned: what was signed.
func unsigned(object []byte) []byte {
	out := []byte{'{'}
	for key, value := range canonicaljson.Members(object) {
		if k := string(key); k == "signatures" || k == "unsigned" {
			continue
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(out, '"')
		out = append(out, key...)
		out = append(out, '"', ':')
		out = append(out, value...)
	}
	return append(out, '}')
}

// decodeBase64 takes both alphabets, with or without padding: identity servers have used each.
func decodeBase64(s string) ([]byte, error) {
	s = strings.TrimRight(s, "=")
	if strings.ContainsAny(s, "-_") {
		return base64.RawURLEncoding.DecodeString(s)
	}
	return base64.RawStdEncoding.DecodeString(s)
}
