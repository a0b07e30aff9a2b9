package eventauth_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/canonicaljson"
	"github.com/myelin-hs/myelin/pkg/event"
)

// inviteKey is the key of the identity server.
var inviteKey = ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))

// keyText is what an m.room.third_party_invite has as the public key of inviteKey.
var keyText = base64.RawStdEncoding.EncodeToString(inviteKey.Public().(ed25519.PublicKey))

// otherKeyText is a key that signed nothing.
var otherKeyText = base64.RawStdEncoding.EncodeToString(
	ed25519.NewKeyFromSeed([]byte("another, which signs nothing here")[:ed25519.SeedSize]).Public().(ed25519.PublicKey))

// A thirdParty is alice's offer of an invite, and the invite that comes of it.
type thirdParty struct {
	sender  string
	offer   fields
	signed  fields
	without string // a member of content.third_party_invite.signed or third_party_invite itself
	before  int    // how many more signatures stand before the right one
}

// invites checks the invite of carol.
func (p thirdParty) invites(r *room) error {
	message, err := canonicaljson.Encode(p.signed)
	require.NoError(r.t, err)
	signature := base64.RawStdEncoding.EncodeToString(ed25519.Sign(inviteKey, message))
	signatures := fields{"ed25519:z": signature, "curve25519:0": signature, "ed25519:0": "no base64!"}
	for i := range p.before {
		signatures[fmt.Sprintf("ed25519:a%02d", i)] = "AAAA"
	}
	signed := fields{"signatures": fields{"id.example": signatures}}
	for key, value := range p.signed {
		signed[key] = value
	}
	delete(signed, p.without)
	invite := fields{"display_name": "c", "signed": signed}
	delete(invite, p.without)

	r.put(r.event(alice, "m.room.third_party_invite", "token", p.offer))
	return r.check(r.event(p.sender, "m.room.member", carol, fields{"membership": "invite", "third_party_invite": invite}))
}

// thirdPartyInvite is one that is in order, but for the change.
func thirdPartyInvite(change func(p *thirdParty)) func(r *room) error {
	p := thirdParty{sender: alice, offer: fields{"public_key": keyText}, signed: fields{"mxid": carol, "token": "token"}}
	if change != nil {
		change(&p)
	}
	return p.invites
}

var inviteCases = []ruleCase{
	{rule: "member.invite", says: "If `membership` is `invite`:"},
	{rule: "member.invite.third_party", says: "If `content` has a `third_party_invite` property:|If `content` has `third_party_invite` property:"},
	{
		rule: "member.invite.third_party.banned", says: "If target user is banned, reject.",
		accepts: thirdPartyInvite(nil),
		refuses: after(carol, "ban", thirdPartyInvite(nil)),
	},
	{
		rule: "member.invite.third_party.signed", says: "If `content.third_party_invite` does not have a `signed` property, reject.",
		accepts: thirdPartyInvite(nil),
		refuses: thirdPartyInvite(func(p *thirdParty) { p.without = "signed" }),
	},
	{
		rule: "member.invite.third_party.fields", says: "If `signed` does not have `mxid` and `token` properties, reject.",
		accepts: thirdPartyInvite(nil),
		refuses: thirdPartyInvite(func(p *thirdParty) { p.without = "token" }),
	},
	{
		rule: "member.invite.third_party.user", says: "If `mxid` does not match `state_key`, reject.",
		accepts: thirdPartyInvite(nil),
		refuses: thirdPartyInvite(func(p *thirdParty) { p.signed["mxid"] = bob }),
	},
	{
		rule: "member.invite.third_party.token", says: "If there is no `m.room.third_party_invite` event in the current room state with `state_key` matching `token`, reject.",
		accepts: thirdPartyInvite(nil),
		refuses: thirdPartyInvite(func(p *thirdParty) { p.signed["token"] = "another" }),
	},
	{
		rule: "member.invite.third_party.sender", says: "If `sender` does not match `sender` of the `m.room.third_party_invite`, reject.",
		accepts: thirdPartyInvite(nil),
		refuses: thirdPartyInvite(func(p *thirdParty) { p.sender = bob }),
	},
	{rule: "member.invite.third_party.signature", says: "If any signature in `signed` matches any public key in the `m.room.third_party_invite` event, allow."},
	{
		rule: "member.invite.third_party.signature.public_key", says: "A single public key in the `public_key` property.", by: "member.invite.third_party.otherwise",
		accepts: thirdPartyInvite(nil),
		refuses: thirdPartyInvite(func(p *thirdParty) { p.offer = fields{"public_key": otherKeyText} }),
	},
	{
		rule: "member.invite.third_party.signature.public_keys", says: "A list of public keys in the `public_keys` property.", by: "member.invite.third_party.otherwise",
		accepts: thirdPartyInvite(func(p *thirdParty) {
			p.offer = fields{"public_keys": []fields{{"public_key": otherKeyText}, {"public_key": keyText}}}
		}),
		refuses: thirdPartyInvite(func(p *thirdParty) { p.offer = fields{"public_keys": []fields{{"public_key": otherKeyText}}} }),
	},
	{
		// Not the rules about other invites: alice may invite carol by them.
		rule: "member.invite.third_party.otherwise", says: "Otherwise, reject.",
		accepts: thirdPartyInvite(nil),
		refuses: thirdPartyInvite(func(p *thirdParty) { p.without = "signatures" }),
	},
	{
		rule: "member.invite.sender", says: "If the `sender`'s current membership state is not `join`, reject.",
		accepts: changes(alice, carol, "invite"),
		refuses: after(alice, "leave", changes(alice, carol, "invite")),
	},
	{
		rule: "member.invite.target", says: "If target user's current membership state is `join` or `ban`, reject.",
		accepts: changes(alice, carol, "invite"),
		refuses: changes(alice, bob, "invite"),
	},
	{
		rule: "member.invite.level", says: "If the `sender`'s power level is greater than or equal to the invite level, allow.", by: "member.invite.otherwise",
		accepts: withLevels(fields{"invite": 50, "users": fields{alice: 50}}, changes(alice, carol, "invite")),
		refuses: withLevels(fields{"invite": 50, "users": fields{alice: 49}}, changes(alice, carol, "invite")),
	},
	{
		rule: "member.invite.otherwise", says: "Otherwise, reject.",
		accepts: changes(bob, carol, "invite"),
		refuses: withLevels(fields{"invite": 1}, changes(bob, carol, "invite")),
	},
}

func TestThirdPartyInvitesAreBounded(t *testing.T) {
	t.Parallel()
	for _, v := range event.Versions {
		require.NoError(t, thirdPartyInvite(func(p *thirdParty) { p.before = 13 })(usualIn(t, v)))
		requireName(t, "member.invite.third_party.otherwise", thirdPartyInvite(func(p *thirdParty) { p.before = 14 })(usualIn(t, v)))
		keys := make([]fields, 16)
		for i := range keys {
			keys[i] = fields{"public_key": otherKeyText}
		}
		offer := func(p *thirdParty) { p.offer = fields{"public_keys": append(keys, fields{"public_key": keyText})} }
		requireName(t, "member.invite.third_party.otherwise", thirdPartyInvite(offer)(usualIn(t, v)))
		keys = keys[:15]
		require.NoError(t, thirdPartyInvite(offer)(usualIn(t, v)))
	}
}
