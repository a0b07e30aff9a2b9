package eventauth

import (
	"fmt"

	"github.com/myelin-hs/myelin/pkg/canonicaljson"
	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/id"
)

// checkPowerLevels is rule 10; levels are those before the event.
func checkPowerLevels(v *event.Version, ev *event.Event, state State, levels *PowerLevels) error {
	next, err := ParsePowerLevels(v, ev.Content())
	if err != nil {
		return err
	}
	for _, creator := range levels.creators {
		if _, listed := next.users[string(creator)]; listed {
			return reject("10.4", "users lists a creator of the room, whose power level is infinite")
		}
	}
	before := state.Event(typePowerLevels, "")
	if before == nil {
		return nil // 10.5
	}
	prev, err := ParsePowerLevels(v, before.Content())
	if err != nil {
		return err
	}
	sender := levels.User(ev.Sender())
	for _, name := range singles {
		_, was := canonicaljson.Get(before.Content(), name)
		_, is := canonicaljson.Get(ev.Content(), name)
		from, to := *prev.single(name), *next.single(name)
		switch {
		case was == is && from == to:
		case was && from > sender:
			return reject("10.6.1", "the sender's power level is too low to change "+name)
		case is && to > sender:
			return reject("10.6.2", "the sender's power level is too low to set "+name+" that high")
		}
	}
	// A level of its own right: rule 10.9 guards equals too, but lets the sender step down.
	keep := func(_ string, level int64) bool { return level <= sender }
	keepUser := func(user string, level int64) bool { return id.UserID(user) == ev.Sender() || level < sender }
	for _, m := range []struct {
		name             string
		from, to         map[string]int64
		mayChange        func(key string, level int64) bool
		changing, adding string
	}{
		{"events", prev.events, next.events, keep, "10.7.1", "10.8.1"},
		{"notifications", prev.notifications, next.notifications, keep, "10.7.1", "10.8.1"},
		{"users", prev.users, next.users, keepUser, "10.9.1", "10.10.1"},
	} {
		for key, from := range m.from {
			if to, ok := m.to[key]; (!ok || to != from) && !m.mayChange(key, from) {
				return reject(m.changing, fmt.Sprintf("the sender's power level is too low to change %s for %q", m.name, key))
			}
		}
		for key, to := range m.to {
			if from, ok := m.from[key]; (!ok || to != from) && to > sender {
				return reject(m.adding, fmt.Sprintf("the sender's power level is too low to set %s for %q that high", m.name, key))
			}
		}
	}
	return nil
}
