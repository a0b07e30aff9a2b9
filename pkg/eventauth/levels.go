package eventauth

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/myelin-hs/myelin/pkg/canonicaljson"
	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/id"
)

// Infinite is the power level of privileged creators: more than any that an event can hold.
const Infinite int64 = math.MaxInt64

// PowerLevels are the power levels of a room, with the defaults where nothing is set (client-server API,
// "m.room.power_levels"). They do not change.
type PowerLevels struct {
	// UsersDefault is the level of users who are not listed.
	UsersDefault int64
	// EventsDefault is required for message events that are not listed, StateDefault for state events.
	EventsDefault, StateDefault int64
	// Ban, Kick, Redact and Invite are what these actions require.
	Ban, Kick, Redact, Invite int64

	users, events, notifications map[string]int64
	creators                     []id.UserID
}

// Level of @room notifications, and of others, where nothing is set.
const defaultNotification = 50

// LevelsOf returns the power levels in a state, whose create event must be there.
func LevelsOf(v *event.Version, state State) *PowerLevels {
	if cached, ok := state.(LevelsState); ok {
		if p := cached.PowerLevels(); p != nil {
			return p
		}
	}
	var content json.RawMessage
	if ev := state.Event(typePowerLevels, ""); ev != nil {
		content = ev.Content()
	}
	p, err := ParsePowerLevels(v, content)
	if err != nil {
		// Such an event was never accepted; a state that holds one nevertheless gives nobody but creators power.
		p = defaultLevels()
	}
	create := state.Event(typeCreate, "")
	switch {
	case create == nil:
	case v.PrivilegedCreators:
		p.creators = Creators(v, create)
	case content == nil:
		p.users = map[string]int64{string(create.Sender()): 100}
	}
	return p
}

// Creators returns the creators of a room: the sender of the create event, and its additional_creators where the
// version has them.
func Creators(v *event.Version, create *event.Event) []id.UserID {
	creators := []id.UserID{create.Sender()}
	if v.PrivilegedCreators {
		additional, _ := canonicaljson.Get(create.Content(), "additional_creators")
		for value := range canonicaljson.Elements(additional) {
			if s, ok := canonicaljson.String(value); ok {
				creators = append(creators, id.UserID(s))
			}
		}
	}
	return creators
}

func defaultLevels() *PowerLevels {
	return &PowerLevels{StateDefault: 50, Ban: 50, Kick: 50, Redact: 50}
}

// ParsePowerLevels reads the content of an m.room.power_levels event; nil gives the defaults. It knows no creators: see
// [LevelsOf]. Errors are [*Rejection], by rules 10.1 to 10.3.
func ParsePowerLevels(v *event.Version, content json.RawMessage) (*PowerLevels, error) {
	p := defaultLevels()
	for key, value := range canonicaljson.Members(content) {
		var err error
		switch string(key) {
		case "events":
			p.events, err = levelMap(v, "10.2", "events", value)
		case "notifications":
			p.notifications, err = levelMap(v, "10.2", "notifications", value)
		case "users":
			p.users, err = levelMap(v, "10.3", "users", value)
			for user := range p.users {
				if _, bad := id.ParseUserID(user); bad != nil {
					err = reject("10.3", fmt.Sprintf("users has the key %q, which is not a user id", user))
				}
			}
		default:
			if field := p.single(string(key)); field != nil {
				level, ok := parseLevel(v, value)
				if !ok {
					err = reject("10.1", string(key)+" is not an integer")
				}
				*field = level
			}
		}
		if err != nil {
			return nil, err
		}
	}
	return p, nil
}

// singles are the properties of the content that are one level.
var singles = []string{"users_default", "events_default", "state_default", "ban", "redact", "kick", "invite"}

func (p *PowerLevels) single(key string) *int64 {
	switch key {
	case "users_default":
		return &p.UsersDefault
	case "events_default":
		return &p.EventsDefault
	case "state_default":
		return &p.StateDefault
	case "ban":
		return &p.Ban
	case "redact":
		return &p.Redact
	case "kick":
		return &p.Kick
	case "invite":
		return &p.Invite
	}
	return nil
}

func levelMap(v *event.Version, rule, name string, raw []byte) (map[string]int64, error) {
	if !canonicaljson.IsObject(raw) {
		return nil, reject(rule, name+" is not an object")
	}
	levels := make(map[string]int64)
	for key, value := range canonicaljson.Members(raw) {
		level, ok := parseLevel(v, value)
		if !ok {
			return nil, reject(rule, fmt.Sprintf("%s has a value for %q that is not an integer", name, canonicaljson.Key(key)))
		}
		levels[canonicaljson.Key(key)] = level
	}
	return levels, nil
}

func parseLevel(v *event.Version, raw []byte) (int64, bool) {
	if s, ok := canonicaljson.String(raw); ok && v.StringPowerLevels {
		n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
		return n, err == nil && -canonicaljson.MaxInt <= n && n <= canonicaljson.MaxInt
	}
	return canonicaljson.Int(raw)
}

// User returns the power level of a user, [Infinite] for a privileged creator.
func (p *PowerLevels) User(user id.UserID) int64 {
	if slices.Contains(p.creators, user) {
		return Infinite
	}
	if level, ok := p.users[string(user)]; ok {
		return level
	}
	return p.UsersDefault
}

// RequiredFor returns the level that sending an event of this type requires.
func (p *PowerLevels) RequiredFor(evType string, isState bool) int64 {
	if level, ok := p.events[evType]; ok {
		return level
	}
	if isState {
		return p.StateDefault
	}
	return p.EventsDefault
}

// Notification returns the level that a kind of notification, such as "room", requires.
func (p *PowerLevels) Notification(kind string) int64 {
	if level, ok := p.notifications[kind]; ok {
		return level
	}
	return defaultNotification
}

// CanRedact reports whether a redaction that sender sent applies to target, an event of that other sender (room
// version pages, "Handling redactions").
func (p *PowerLevels) CanRedact(sender, targetSender id.UserID) bool {
	return p.User(sender) >= p.Redact || sender.ServerName() == targetSender.ServerName()
}
