package eventauth

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"

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

	// set is which of the levels above, in the order of singles, the content has.
	set                          [len(singles)]bool
	users, events, notifications map[string]int64
	// creators are those whose level is infinite.
	creators []id.UserID
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
	if ev := state.Fact(typePowerLevels, ""); ev != nil {
		content = ev.Content()
	}
	p, err := ParsePowerLevels(v, content)
	if err != nil {
		// Such an event was never accepted; a state that holds one nevertheless gives power to none but creators whose
		// level is infinite.
		p = defaultLevels()
	}
	create := state.Fact(typeCreate, "")
	switch {
	case create == nil:
	case v.PrivilegedCreators:
		p.creators = Creators(v, create)
	case content == nil && Creator(v, create) != "":
		p.users = map[string]int64{string(Creator(v, create)): 100}
	}
	return p
}

func defaultLevels() *PowerLevels {
	return &PowerLevels{StateDefault: 50, Ban: 50, Kick: 50, Redact: 50}
}

// ParsePowerLevels reads the content of an m.room.power_levels event, which is canonical JSON; nil gives the defaults. It knows no creators: see
// [LevelsOf]. Errors are [*Rejection], by the rules about the form of levels.
//
// Where the version is not strict about levels outside of users, one that is of the wrong form is as good as absent.
func ParsePowerLevels(v *event.Version, content json.RawMessage) (*PowerLevels, error) {
	p := defaultLevels()
	for key, value := range canonicaljson.Members(content) {
		var err error
		switch string(key) {
		case "events":
			p.events, err = levelMap(v, levelsMaps, "events", value, v.StrictPowerLevels)
		case "notifications":
			p.notifications, err = levelMap(v, levelsMaps, "notifications", value, v.StrictPowerLevels)
		case "users":
			if p.users, err = levelMap(v, levelsUsers, "users", value, true); err == nil {
				err = checkUserIDs(v, value)
			}
		default:
			err = p.readSingle(v, key, value)
		}
		if err != nil {
			return nil, err
		}
	}
	return p, nil
}

// singles are the properties of the content that are one level.
var singles = [...]string{"users_default", "events_default", "state_default", "ban", "redact", "kick", "invite"}

// single returns where p has the level that singles[i] names.
func (p *PowerLevels) single(i int) *int64 {
	return [len(singles)]*int64{&p.UsersDefault, &p.EventsDefault, &p.StateDefault, &p.Ban, &p.Redact, &p.Kick, &p.Invite}[i]
}

func (p *PowerLevels) readSingle(v *event.Version, key, raw []byte) error {
	i := slices.IndexFunc(singles[:], func(name string) bool { return name == string(key) })
	if i < 0 {
		return nil
	}
	level, err := parseLevel(v, raw)
	switch {
	case err == nil:
		*p.single(i), p.set[i] = level, true
	case v.StrictPowerLevels:
		return reject(v, levelsSingles, fmt.Sprintf("%s %v", key, err))
	case errors.Is(err, errBeyondDouble):
		return reject(v, levelsUsers, fmt.Sprintf("%s %v", key, err))
	}
	return nil
}

// levelMap reads an object of levels. If it is not strict, it leaves out what is no level.
func levelMap(v *event.Version, r rule, name string, raw []byte, strict bool) (map[string]int64, error) {
	if !canonicaljson.IsObject(raw) {
		if !strict {
			return nil, nil
		}
		return nil, reject(v, r, name+" is not an object")
	}
	levels := make(map[string]int64)
	for key, value := range canonicaljson.Members(raw) {
		level, err := parseLevel(v, value)
		switch {
		case err == nil:
			levels[canonicaljson.Key(key)] = level
		case strict:
			return nil, reject(v, r, fmt.Sprintf("%s has a value for %q that %v", name, canonicaljson.Key(key), err))
		case errors.Is(err, errBeyondDouble):
			return nil, reject(v, levelsUsers, fmt.Sprintf("%s has a value for %q that %v", name, canonicaljson.Key(key), err))
		}
	}
	return levels, nil
}

func checkUserIDs(v *event.Version, users []byte) error {
	for key := range canonicaljson.Members(users) {
		if _, err := id.ParseUserID(canonicaljson.Key(key)); err != nil {
			return reject(v, levelsUsers, fmt.Sprintf("users has the key %q, which is not a user id", canonicaljson.Key(key)))
		}
	}
	return nil
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
