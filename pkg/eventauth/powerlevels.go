package eventauth

import (
	"fmt"
	"maps"
	"slices"

	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/id"
)

// checkPowerLevels holds the rules about power levels; prev are those before the event.
func checkPowerLevels(v *event.Version, ev *event.Event, state State, prev *PowerLevels) error {
	next, err := ParsePowerLevels(v, ev.Content())
	if err != nil {
		return err
	}
	for _, creator := range prev.creators {
		if _, listed := next.users[string(creator)]; listed {
			return reject(v, levelsCreators, "users lists a creator of the room, whose power level is infinite")
		}
	}
	if state.Fact(typePowerLevels, "") == nil {
		return nil // power_levels.first
	}
	sender := prev.User(ev.Sender())
	for i, name := range singles {
		was, is, from, to := prev.set[i], next.set[i], *prev.single(i), *next.single(i)
		switch {
		case was == is && from == to:
		case was && from > sender:
			return reject(v, levelsSingleFrom, "the sender's power level is too low to change "+name)
		case is && to > sender:
			return reject(v, levelsSingleTo, "the sender's power level is too low to set "+name+" that high")
		}
	}
	maps := []levelChanges{{name: "events", from: prev.events, to: next.events}}
	if v.NotificationLevels {
		maps = append(maps, levelChanges{name: "notifications", from: prev.notifications, to: next.notifications})
	}
	for _, m := range maps {
		if err := m.check(v, sender, levelsMapFrom, levelsMapTo, func(_ string, level int64) bool { return level <= sender }); err != nil {
			return err
		}
	}
	// Other users' levels are guarded from equals too, but everybody may step down.
	users := levelChanges{name: "users", from: prev.users, to: next.users}
	return users.check(v, sender, levelsUserFrom, levelsUserTo, func(user string, level int64) bool {
		return id.UserID(user) == ev.Sender() || level < sender
	})
}

// levelChanges are the levels of an object before and after.
type levelChanges struct {
	name     string
	from, to map[string]int64
}

// check refuses, by the rule changing, a change or removal of a level that the sender mayChange not, and, by the rule
// setting, a new level above the sender's own. It looks at the keys in their order, so that the same event is refused for
// the same reason.
func (m levelChanges) check(v *event.Version, sender int64, changing, setting rule, mayChange func(key string, level int64) bool) error {
	for _, key := range slices.Sorted(maps.Keys(m.from)) {
		from := m.from[key]
		if to, ok := m.to[key]; (!ok || to != from) && !mayChange(key, from) {
			return reject(v, changing, fmt.Sprintf("the sender's power level is too low to change %s for %q", m.name, key))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(m.to)) {
		to := m.to[key]
		if from, ok := m.from[key]; (!ok || to != from) && to > sender {
			return reject(v, setting, fmt.Sprintf("the sender's power level is too low to set %s for %q that high", m.name, key))
		}
	}
	return nil
}
