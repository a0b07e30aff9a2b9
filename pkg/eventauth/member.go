package eventauth

import (
	"github.com/myelin-hs/myelin/pkg/canonicaljson"
	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/id"
)

// A change is one m.room.member event with what its rules look at.
type change struct {
	v      *event.Version
	ev     *event.Event
	create Fact
	state  State
	levels *PowerLevels

	sender, target id.UserID
	// senderIs and targetIs are their memberships before the event.
	senderIs, targetIs string
}

// checkMember holds the rules about member events.
func checkMember(v *event.Version, ev *event.Event, create Fact, state State) error {
	target, isState := ev.StateKey()
	raw, ok := canonicaljson.Get(ev.Content(), "membership")
	if !isState || !ok {
		return reject(v, memberFields, "a member event needs a state key and a membership")
	}
	membership, _ := canonicaljson.String(raw)
	if v.RestrictedJoins {
		if raw, ok := canonicaljson.Get(ev.Content(), "join_authorised_via_users_server"); ok {
			s, _ := canonicaljson.String(raw)
			user, err := id.ParseUserID(s)
			if err != nil || !ev.SignedBy(user.ServerName()) {
				return reject(v, memberSignature, "the server of the authorising user has not signed the join")
			}
		}
	}
	c := change{
		v: v, ev: ev, create: create, state: state,
		sender: ev.Sender(), target: id.UserID(target),
	}
	c.senderIs, c.targetIs = membershipOf(state, c.sender), membershipOf(state, c.target)
	// A join needs the levels only where one user vouches for another, and joins are what large rooms have most of.
	if membership != join && membership != knock {
		c.levels = LevelsOf(v, state)
	}
	switch {
	case membership == join:
		return c.join()
	case membership == invite:
		return c.invite()
	case membership == leave:
		return c.leave()
	case membership == ban:
		return c.ban()
	case membership == knock && v.Knocking:
		return c.knock()
	}
	return reject(v, memberOtherwise, "the membership is unknown")
}

// joinRule returns the join rule, "invite" where there is none, "" where it is not a string.
func (c *change) joinRule() string {
	if ev := c.state.Fact(typeJoinRules, ""); ev != nil {
		if raw, ok := canonicaljson.Get(ev.Content(), "join_rule"); ok {
			rule, _ := canonicaljson.String(raw)
			return rule
		}
	}
	return invite
}

func (c *change) join() error {
	if prev := c.ev.PrevEvents(); len(prev) == 1 && prev[0] == c.create.ID() && c.target == Creator(c.v, c.create) {
		return nil // member.join.creator
	}
	if c.sender != c.target {
		return reject(c.v, joinOther, "nobody can make another user join")
	}
	if c.senderIs == ban {
		return reject(c.v, joinBanned, "the sender is banned from the room")
	}
	invited := c.targetIs == invite || c.targetIs == join
	switch rule := c.joinRule(); {
	case rule == "invite", rule == "knock" && c.v.Knocking:
		if invited {
			return nil
		}
		return reject(c.v, joinInvited, "the sender is not invited to the room")
	case rule == "restricted" && c.v.RestrictedJoins, rule == "knock_restricted" && c.v.KnockRestricted:
		if invited {
			return nil // member.join.restricted.invited
		}
		via := id.UserID(text(c.ev.Content(), "join_authorised_via_users_server"))
		if via == "" || membershipOf(c.state, via) != join {
			return reject(c.v, joinAuthorised, "no user of the room authorises the join")
		}
		if levels := LevelsOf(c.v, c.state); levels.User(via) < levels.Invite {
			return reject(c.v, joinAuthorised, "the power level of the authorising user is too low to invite")
		}
		return nil // member.join.restricted.otherwise
	case rule == "public":
		return nil // member.join.public
	}
	return reject(c.v, joinOtherwise, "the join rule lets nobody join")
}

func (c *change) invite() error {
	if raw, ok := canonicaljson.Get(c.ev.Content(), "third_party_invite"); ok {
		return c.thirdPartyInvite(raw)
	}
	if c.senderIs != join {
		return reject(c.v, inviteSender, "the sender is not in the room")
	}
	if c.targetIs == join {
		return reject(c.v, inviteTarget, "the user is in the room already")
	}
	if c.targetIs == ban {
		return reject(c.v, inviteTarget, "the user is banned from the room")
	}
	if c.levels.User(c.sender) >= c.levels.Invite {
		return nil // member.invite.level
	}
	return reject(c.v, inviteOtherwise, "the sender's power level is too low to invite")
}

func (c *change) leave() error {
	if c.sender == c.target {
		if c.targetIs == invite || c.targetIs == join || c.targetIs == knock && c.v.Knocking {
			return nil
		}
		return reject(c.v, leaveSelf, "the sender is neither in the room nor invited nor knocking")
	}
	if c.senderIs != join {
		return reject(c.v, leaveSender, "the sender is not in the room")
	}
	sender := c.levels.User(c.sender)
	if c.targetIs == ban && sender < c.levels.Ban {
		return reject(c.v, leaveBanned, "the sender's power level is too low to unban")
	}
	if sender >= c.levels.Kick && c.levels.User(c.target) < sender {
		return nil // member.leave.level
	}
	return reject(c.v, leaveOtherwise, "the sender's power level is too low to kick this user")
}

func (c *change) ban() error {
	if c.senderIs != join {
		return reject(c.v, banSender, "the sender is not in the room")
	}
	if sender := c.levels.User(c.sender); sender >= c.levels.Ban && c.levels.User(c.target) < sender {
		return nil // member.ban.level
	}
	return reject(c.v, banOtherwise, "the sender's power level is too low to ban this user")
}

func (c *change) knock() error {
	if rule := c.joinRule(); rule != "knock" && (rule != "knock_restricted" || !c.v.KnockRestricted) {
		return reject(c.v, knockJoinRule, "the join rule does not allow knocking")
	}
	if c.sender != c.target {
		return reject(c.v, knockOther, "nobody can knock for another user")
	}
	switch c.senderIs {
	case ban, invite, join:
		return reject(c.v, knockOtherwise, "the sender is banned, invited or in the room already")
	}
	return nil // member.knock.membership
}
