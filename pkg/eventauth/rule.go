package eventauth

import (
	"iter"
	"strconv"
	"strings"

	"github.com/myelin-hs/myelin/pkg/event"
)

// A rule is the name of an authorisation rule, the same in every room version that has it. Its dots are its place in the
// outline of the rules.
type rule string

// The rules that refuse events.
const (
	createPrevEvents  rule = "create.prev_events"
	createDomain      rule = "create.domain"
	createRoomID      rule = "create.room_id"
	createVersion     rule = "create.version"
	createCreator     rule = "create.creator"
	createCreators    rule = "create.additional_creators"
	roomOfCreate      rule = "room"
	authDuplicate     rule = "auth_events.duplicate"
	authSelection     rule = "auth_events.selection"
	authRejected      rule = "auth_events.rejected"
	authCreate        rule = "auth_events.create"
	authRoom          rule = "auth_events.room"
	federation        rule = "federation"
	aliasesStateKey   rule = "aliases.state_key"
	aliasesDomain     rule = "aliases.domain"
	memberFields      rule = "member.fields"
	memberSignature   rule = "member.authorised.signature"
	joinOther         rule = "member.join.other"
	joinBanned        rule = "member.join.banned"
	joinInvited       rule = "member.join.invited"
	joinAuthorised    rule = "member.join.restricted.authorised"
	joinOtherwise     rule = "member.join.otherwise"
	thirdPartyBanned  rule = "member.invite.third_party.banned"
	thirdPartySigned  rule = "member.invite.third_party.signed"
	thirdPartyFields  rule = "member.invite.third_party.fields"
	thirdPartyUser    rule = "member.invite.third_party.user"
	thirdPartyToken   rule = "member.invite.third_party.token"
	thirdPartySender  rule = "member.invite.third_party.sender"
	thirdPartyKeys    rule = "member.invite.third_party.otherwise"
	inviteSender      rule = "member.invite.sender"
	inviteTarget      rule = "member.invite.target"
	inviteOtherwise   rule = "member.invite.otherwise"
	leaveSelf         rule = "member.leave.self"
	leaveSender       rule = "member.leave.sender"
	leaveBanned       rule = "member.leave.banned"
	leaveOtherwise    rule = "member.leave.otherwise"
	banSender         rule = "member.ban.sender"
	banOtherwise      rule = "member.ban.otherwise"
	knockJoinRule     rule = "member.knock.join_rule"
	knockOther        rule = "member.knock.other"
	knockOtherwise    rule = "member.knock.otherwise"
	memberOtherwise   rule = "member.otherwise"
	senderJoined      rule = "sender"
	thirdPartyLevel   rule = "third_party_invite.level"
	requiredLevel     rule = "required_level"
	stateKeyOfUser    rule = "state_key"
	levelsSingles     rule = "power_levels.singles"
	levelsMaps        rule = "power_levels.maps"
	levelsUsers       rule = "power_levels.users"
	levelsCreators    rule = "power_levels.creators"
	levelsSingleFrom  rule = "power_levels.single.current"
	levelsSingleTo    rule = "power_levels.single.new"
	levelsMapFrom     rule = "power_levels.map_current.level"
	levelsMapTo       rule = "power_levels.map_new.level"
	levelsUserFrom    rule = "power_levels.user_current.level"
	levelsUserTo      rule = "power_levels.user_new.level"
	redactionRejected rule = "redaction.otherwise"
)

// outline holds the rules in the order of the room versions' pages, one page laid over the other: what is on a version's
// page is what the version has, and no page has it in another order. A rule that only allows is here for its number to
// be counted.
var outline = []struct {
	rule rule
	// on says whether a version's page has the rule, and with it those below; nil is every page.
	on func(*event.Version) bool
}{
	{"create", nil},
	{createPrevEvents, nil},
	{createDomain, func(v *event.Version) bool { return !v.RoomIDFromCreate }},
	{createRoomID, func(v *event.Version) bool { return v.RoomIDFromCreate }},
	{createVersion, nil},
	{createCreator, func(v *event.Version) bool { return v.CreatorInContent }},
	{createCreators, func(v *event.Version) bool { return v.PrivilegedCreators }},
	{"create.otherwise", nil},
	{roomOfCreate, func(v *event.Version) bool { return v.RoomIDFromCreate }},
	{"auth_events", nil},
	{authDuplicate, nil},
	{authSelection, nil},
	{authRejected, nil},
	{authCreate, func(v *event.Version) bool { return v.CreateInAuthEvents }},
	{authRoom, nil},
	{federation, nil},
	{"aliases", func(v *event.Version) bool { return v.AliasesRule }},
	{aliasesStateKey, nil},
	{aliasesDomain, nil},
	{"aliases.otherwise", nil},
	{"member", nil},
	{memberFields, nil},
	{"member.authorised", func(v *event.Version) bool { return v.RestrictedJoins }},
	{memberSignature, nil},
	{"member.join", nil},
	{"member.join.creator", nil},
	{joinOther, nil},
	{joinBanned, nil},
	{joinInvited, nil},
	{"member.join.restricted", func(v *event.Version) bool { return v.RestrictedJoins }},
	{"member.join.restricted.invited", nil},
	{joinAuthorised, nil},
	{"member.join.restricted.otherwise", nil},
	{"member.join.public", nil},
	{joinOtherwise, nil},
	{"member.invite", nil},
	{"member.invite.third_party", nil},
	{thirdPartyBanned, nil},
	{thirdPartySigned, nil},
	{thirdPartyFields, nil},
	{thirdPartyUser, nil},
	{thirdPartyToken, nil},
	{thirdPartySender, nil},
	{"member.invite.third_party.signature", nil},
	{"member.invite.third_party.signature.public_key", nil},
	{"member.invite.third_party.signature.public_keys", nil},
	{thirdPartyKeys, nil},
	{inviteSender, nil},
	{inviteTarget, nil},
	{"member.invite.level", nil},
	{inviteOtherwise, nil},
	{"member.leave", nil},
	{leaveSelf, nil},
	{leaveSender, nil},
	{leaveBanned, nil},
	{"member.leave.level", nil},
	{leaveOtherwise, nil},
	{"member.ban", nil},
	{banSender, nil},
	{"member.ban.level", nil},
	{banOtherwise, nil},
	{"member.knock", func(v *event.Version) bool { return v.Knocking }},
	{knockJoinRule, nil},
	{knockOther, nil},
	{"member.knock.membership", nil},
	{knockOtherwise, nil},
	{memberOtherwise, nil},
	{senderJoined, nil},
	{"third_party_invite", nil},
	{thirdPartyLevel, nil},
	{requiredLevel, nil},
	{stateKeyOfUser, nil},
	{"power_levels", nil},
	{levelsSingles, func(v *event.Version) bool { return v.StrictPowerLevels }},
	{levelsMaps, func(v *event.Version) bool { return v.StrictPowerLevels }},
	{levelsUsers, nil},
	{levelsCreators, func(v *event.Version) bool { return v.PrivilegedCreators }},
	{"power_levels.first", nil},
	{"power_levels.single", nil},
	{levelsSingleFrom, nil},
	{levelsSingleTo, nil},
	{"power_levels.map_current", nil},
	{levelsMapFrom, nil},
	{"power_levels.map_new", nil},
	{levelsMapTo, nil},
	{"power_levels.user_current", nil},
	{levelsUserFrom, nil},
	{"power_levels.user_new", nil},
	{levelsUserTo, nil},
	{"power_levels.otherwise", nil},
	{"redaction", func(v *event.Version) bool { return v.RedactionRule }},
	{"redaction.level", nil},
	{"redaction.domain", nil},
	{redactionRejected, nil},
	{"otherwise", nil},
}

// numbered yields the rules of a version's page with their numbers, in a slice that lives until the next. They are
// counted, as the published page counts them, not as its source writes them: after a rule that was removed, that of
// version 12 skips a number.
func numbered(v *event.Version) iter.Seq2[rule, []int] {
	return func(yield func(rule, []int) bool) {
		var counts []int
		absent := ""
		for _, o := range outline {
			name := string(o.rule)
			if absent != "" && strings.HasPrefix(name, absent) {
				continue
			}
			if o.on != nil && !o.on(v) {
				absent = name + "."
				continue
			}
			depth := strings.Count(name, ".")
			counts = append(counts, 0)[:depth+1]
			counts[depth]++
			if !yield(o.rule, counts) {
				return
			}
		}
	}
}

// number returns the number of a rule on the page of a version, "" if the page does not have it.
func number(v *event.Version, r rule) string {
	for name, counts := range numbered(v) {
		if name == r {
			return dotted(counts)
		}
	}
	return ""
}

func dotted(counts []int) string {
	var b []byte
	for i, n := range counts {
		if i > 0 {
			b = append(b, '.')
		}
		b = strconv.AppendInt(b, int64(n), 10)
	}
	return string(b)
}
