package eventauth_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/canonicaljson"
	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/eventauth"
)

func TestRule5_1MemberNeedsKeyAndMembership(t *testing.T) {
	t.Parallel()
	r := usual(t)
	r.refuse("5.1", r.event(bob, "m.room.member", nil, fields{"membership": "join"}))
	r.refuse("5.1", r.event(bob, "m.room.member", bob, fields{}))
	r.allow(r.change(bob, bob, "leave"))
}

func TestRule5_2AuthorisedJoinIsSigned(t *testing.T) {
	t.Parallel()
	r := usual(t)
	r.joinRule("restricted")
	joinBy := func(via any, signer string) *event.Event {
		return parse(t, r.v, fields{
			"room_id": r.create.RoomID(), "sender": remote, "type": "m.room.member", "state_key": remote,
			"content":    fields{"membership": "join", "join_authorised_via_users_server": via},
			"signatures": fields{"other.example": fields{"ed25519:x": "AA"}, signer: fields{"ed25519:y": "AA"}},
		})
	}
	r.allow(joinBy(alice, "hs.example"))
	r.refuse("5.2.1", joinBy(alice, "third.example"))
	r.refuse("5.2.1", joinBy("alice", "hs.example"))
	r.refuse("5.2.1", joinBy(3, "hs.example"))
}

func TestRule5_3Join(t *testing.T) {
	t.Parallel()
	// in is the sender's membership before; rule is what refuses the join, if anything does.
	for name, tt := range map[string]struct {
		joinRule, in, rule string
	}{
		"5.3.3 banned, invite":         {"invite", "ban", "5.3.3"},
		"5.3.3 banned, public":         {"public", "ban", "5.3.3"},
		"5.3.4 invite, invited":        {"invite", "invite", ""},
		"5.3.4 invite, joined":         {"invite", "join", ""},
		"5.3.4 invite, left":           {"invite", "leave", "5.3.4"},
		"5.3.4 invite, knocking":       {"invite", "knock", "5.3.4"},
		"5.3.4 no rule is invite":      {"", "leave", "5.3.4"},
		"5.3.4 no rule is invite, too": {"", "invite", ""},
		"5.3.4 knock, invited":         {"knock", "invite", ""},
		"5.3.4 knock, knocking":        {"knock", "knock", "5.3.4"},
		"5.3.5.1 restricted, invited":  {"restricted", "invite", ""},
		"5.3.5.1 restricted, joined":   {"restricted", "join", ""},
		"5.3.5.2 restricted, left":     {"restricted", "leave", "5.3.5.2"},
		"5.3.5.1 knock_restricted":     {"knock_restricted", "invite", ""},
		"5.3.5.2 knock_restricted":     {"knock_restricted", "knock", "5.3.5.2"},
		"5.3.6 public":                 {"public", "leave", ""},
		"5.3.7 private":                {"private", "invite", "5.3.7"},
		"5.3.7 a rule nobody knows":    {"odd", "invite", "5.3.7"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := usual(t)
			if tt.joinRule != "" {
				r.joinRule(tt.joinRule)
			}
			if tt.in != "leave" {
				r.member(carol, tt.in)
			}
			ev := r.change(carol, carol, "join")
			if tt.rule == "" {
				r.allow(ev)
			} else {
				r.refuse(tt.rule, ev)
			}
		})
	}
}

func TestRule5_3_1CreatorJoinsFirst(t *testing.T) {
	t.Parallel()
	r := newRoom(t, event.DefaultVersion, fields{"additional_creators": []string{co}})
	delete(r.state, eventauth.StateKeyTuple{Type: "m.room.member", StateKey: creator})
	first := func(user string, prev ...string) *event.Event {
		return parse(t, r.v, fields{
			"room_id": r.create.RoomID(), "sender": user, "type": "m.room.member", "state_key": user,
			"content": fields{"membership": "join"}, "prev_events": prev,
		})
	}
	createID := string(r.create.ID())
	r.allow(first(creator, createID))
	r.refuse("5.3.4", first(creator, createID, someEvent))
	r.refuse("5.3.4", first(creator, someEvent))
	r.refuse("5.3.4", first(co, createID))
	r.refuse("5.3.4", first(alice, createID))
}

func TestRule5_3_2NobodyJoinsForAnother(t *testing.T) {
	t.Parallel()
	r := usual(t)
	r.joinRule("public")
	r.refuse("5.3.2", r.change(creator, carol, "join"))
	r.allow(r.change(carol, carol, "join"))
}

func TestRule5_3_5AuthorisingUser(t *testing.T) {
	t.Parallel()
	r := usual(t)
	r.joinRule("knock_restricted")
	r.levels(fields{"invite": 50, "users": fields{alice: 50}})
	joinBy := func(via string) *event.Event {
		return parse(t, r.v, fields{
			"room_id": r.create.RoomID(), "sender": carol, "type": "m.room.member", "state_key": carol,
			"content":    fields{"membership": "join", "join_authorised_via_users_server": via},
			"signatures": fields{"hs.example": fields{"ed25519:y": "AA"}},
		})
	}
	r.allow(joinBy(alice))
	r.allow(joinBy(creator))
	r.refuse("5.3.5.2", joinBy(bob))
	r.member(alice, "leave")
	r.refuse("5.3.5.2", joinBy(alice))
}

func TestRule5_4Invite(t *testing.T) {
	t.Parallel()
	r := usual(t)
	r.allow(r.change(bob, carol, "invite"))
	r.refuse("5.4.2", r.change(carol, remote, "invite"))
	r.refuse("5.4.3", r.change(alice, bob, "invite"))
	r.member(carol, "ban")
	r.refuse("5.4.3", r.change(alice, carol, "invite"))
	r.member(carol, "knock")
	r.allow(r.change(alice, carol, "invite"))
	r.levels(fields{"invite": 50, "users": fields{alice: 50}})
	r.allow(r.change(alice, carol, "invite"))
	r.refuse("5.4.5", r.change(bob, carol, "invite"))
}

func TestRule5_4_1ThirdPartyInvite(t *testing.T) {
	t.Parallel()
	pub, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	encode := base64.RawStdEncoding.EncodeToString
	signed := func(mxid, token any) fields {
		object := fields{}
		if mxid != nil {
			object["mxid"] = mxid
		}
		if token != nil {
			object["token"] = token
		}
		message, err := canonicaljson.Encode(object)
		require.NoError(t, err)
		object["signatures"] = fields{"id.example": fields{"ed25519:0": encode(ed25519.Sign(private, message))}}
		return object
	}
	noted := signed(carol, "tok")
	noted["unsigned"] = fields{"note": "no signature covers this"}
	for name, tt := range map[string]struct {
		invite fields // content.third_party_invite
		offer  fields // content of the m.room.third_party_invite
		sender string
		target string // membership
		rule   string
	}{
		"5.4.1.7 public_key":     {fields{"signed": signed(carol, "tok")}, fields{"public_key": encode(pub)}, alice, "leave", ""},
		"5.4.1.7 public_keys":    {fields{"signed": signed(carol, "tok")}, fields{"public_key": encode(make([]byte, 32)), "public_keys": []fields{{"public_key": encode(pub)}}}, alice, "leave", ""},
		"5.4.1.7 unsigned":       {fields{"signed": noted}, fields{"public_key": encode(pub)}, alice, "leave", ""},
		"5.4.1.1 banned":         {fields{"signed": signed(carol, "tok")}, fields{"public_key": encode(pub)}, alice, "ban", "5.4.1.1"},
		"5.4.1.2 nothing signed": {fields{"display_name": "x"}, fields{"public_key": encode(pub)}, alice, "leave", "5.4.1.2"},
		"5.4.1.3 no mxid":        {fields{"signed": signed(nil, "tok")}, fields{"public_key": encode(pub)}, alice, "leave", "5.4.1.3"},
		"5.4.1.3 no token":       {fields{"signed": signed(carol, nil)}, fields{"public_key": encode(pub)}, alice, "leave", "5.4.1.3"},
		"5.4.1.4 another user":   {fields{"signed": signed(bob, "tok")}, fields{"public_key": encode(pub)}, alice, "leave", "5.4.1.4"},
		"5.4.1.5 another token":  {fields{"signed": signed(carol, "tik")}, fields{"public_key": encode(pub)}, alice, "leave", "5.4.1.5"},
		"5.4.1.6 another sender": {fields{"signed": signed(carol, "tok")}, fields{"public_key": encode(pub)}, bob, "leave", "5.4.1.6"},
		"5.4.1.8 another key":    {fields{"signed": signed(carol, "tok")}, fields{"public_key": encode(make([]byte, 32))}, alice, "leave", "5.4.1.8"},
		"5.4.1.8 no key":         {fields{"signed": signed(carol, "tok")}, fields{}, alice, "leave", "5.4.1.8"},
		"5.4.1.8 no signature":   {fields{"signed": fields{"mxid": carol, "token": "tok"}}, fields{"public_key": encode(pub)}, alice, "leave", "5.4.1.8"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := usual(t)
			r.put(r.event(alice, "m.room.third_party_invite", "tok", tt.offer))
			r.member(carol, tt.target)
			ev := r.event(tt.sender, "m.room.member", carol, fields{"membership": "invite", "third_party_invite": tt.invite})
			if tt.rule == "" {
				r.allow(ev)
			} else {
				r.refuse(tt.rule, ev)
			}
		})
	}
}

func TestRule5_5Leave(t *testing.T) {
	t.Parallel()
	r := usual(t)
	for _, membership := range []string{"invite", "join", "knock"} {
		r.member(carol, membership)
		r.allow(r.change(carol, carol, "leave"))
	}
	for _, membership := range []string{"leave", "ban"} {
		r.member(carol, membership)
		r.refuse("5.5.1", r.change(carol, carol, "leave"))
	}
	r.refuse("5.5.2", r.change(carol, bob, "leave"))

	// Kick: 5.5.4 and 5.5.5.
	r.allow(r.change(alice, bob, "leave"))
	r.refuse("5.5.5", r.change(bob, alice, "leave"))
	r.refuse("5.5.5", r.change(alice, creator, "leave"))
	r.allow(r.change(creator, alice, "leave"))
	r.levels(fields{"users": fields{alice: 50, bob: 50}})
	r.refuse("5.5.5", r.change(alice, bob, "leave"))
	r.levels(fields{"kick": 60, "users": fields{alice: 50}})
	r.refuse("5.5.5", r.change(alice, bob, "leave"))

	// Unban: 5.5.3.
	r.member(carol, "ban")
	r.levels(fields{"ban": 60, "users": fields{alice: 50}})
	r.refuse("5.5.3", r.change(alice, carol, "leave"))
	r.levels(fields{"ban": 50, "users": fields{alice: 50}})
	r.allow(r.change(alice, carol, "leave"))
}

func TestRule5_6Ban(t *testing.T) {
	t.Parallel()
	r := usual(t)
	r.refuse("5.6.1", r.change(carol, bob, "ban"))
	r.allow(r.change(alice, bob, "ban"))
	r.allow(r.change(alice, carol, "ban"))
	r.refuse("5.6.3", r.change(bob, carol, "ban"))
	r.refuse("5.6.3", r.change(alice, creator, "ban"))
	r.refuse("5.6.3", r.change(alice, alice, "ban"))
	r.levels(fields{"ban": 60, "users": fields{alice: 50}})
	r.refuse("5.6.3", r.change(alice, bob, "ban"))
}

func TestCreatorsCannotBeRemovedByCreators(t *testing.T) {
	t.Parallel()
	r := newRoom(t, event.DefaultVersion, fields{"additional_creators": []string{co}})
	r.member(co, "join")
	r.refuse("5.5.5", r.change(creator, co, "leave"))
	r.refuse("5.6.3", r.change(co, creator, "ban"))
}

func TestRule5_7Knock(t *testing.T) {
	t.Parallel()
	r := usual(t)
	r.refuse("5.7.1", r.change(carol, carol, "knock"))
	for _, rule := range []string{"public", "invite", "restricted", "private"} {
		r.joinRule(rule)
		r.refuse("5.7.1", r.change(carol, carol, "knock"))
	}
	for _, rule := range []string{"knock", "knock_restricted"} {
		r := usual(t)
		r.joinRule(rule)
		r.allow(r.change(carol, carol, "knock"))
		r.member(carol, "knock")
		r.allow(r.change(carol, carol, "knock"))
		r.refuse("5.7.2", r.change(alice, carol, "knock"))
		for _, membership := range []string{"ban", "invite", "join"} {
			r.member(carol, membership)
			r.refuse("5.7.4", r.change(carol, carol, "knock"))
		}
	}
}

func TestRule5_8UnknownMembership(t *testing.T) {
	t.Parallel()
	r := usual(t)
	r.refuse("5.8", r.change(bob, bob, "odd"))
	r.refuse("5.8", r.event(bob, "m.room.member", bob, fields{"membership": 3}))
}
