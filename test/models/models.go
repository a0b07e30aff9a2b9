package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// A model is a file of Promela with the scopes in which it is searched and the rules that it must not go without.
type model struct {
	name   string
	scopes []scope // the first is that of rules which name none
	rules  []rule
}

// A scope says what a search looks at; a whole protocol at once has too many states.
type scope struct {
	name    string
	defines []string
	claim   string // the promise of progress that is looked at instead of the assertions
}

// A rule, or several, is removed by defining it. Then the search must fail by a promise whose comment contains want; with none, it
// must hold nevertheless: the rule is not needed for what the model keeps.
type rule struct {
	rule, want string
	scope      string
}

func (m model) file() string { return m.name + ".pml" }

func (m model) scope(name string) scope {
	for _, s := range m.scopes {
		if s.name == name {
			return s
		}
	}
	if name != "" {
		panic("there is no scope " + name)
	}
	return m.scopes[0]
}

// assertions lists the places of all assertions of the model, as file:line.
func (m model) assertions() []string {
	text, err := os.ReadFile(filepath.Join(folder, m.file()))
	if err != nil {
		return []string{m.file() + ": " + err.Error()}
	}
	var all []string
	for i, line := range strings.Split(string(text), "\n") {
		if strings.Contains(line, "assert(") {
			all = append(all, fmt.Sprintf("%s:%d", m.file(), i+1))
		}
	}
	return all
}

var models = []model{
	{
		name:   "fence",
		scopes: []scope{{name: "all"}},
		rules: []rule{
			{rule: "NO_FENCE", want: "I1"},
			{rule: "NO_SHARE", want: "I1"},
			{rule: "NO_EPOCH", want: "I1"},
			{rule: "NO_RAISE", want: "I3"},
			{rule: "LOOK_FIRST", want: "I3"},
			{rule: "RAISE_NO_WAIT", want: "I1"},
			{rule: "TAKEOVER_NO_WAIT", want: "I1"},
			{rule: "KEEP_EPOCH", want: "I2"},
			{rule: "KEEP_ROOM SILENT", want: "I5"},
			{rule: "STALE_ROOM", want: "refusal"},
			{rule: "NO_VERIFY", want: "refusal"},
			{rule: "EARLY_ANSWER", want: "I3"},
		},
	},
	{
		name:   "lease",
		scopes: []scope{{name: "safe"}, {name: "live", defines: []string{"PROGRESS"}, claim: "served"}},
		rules: []rule{
			{rule: "CLAIM_EARLY", want: "one holder"},
			{rule: "KEEP_EPOCH", want: "one holder"},
			{rule: "NO_QUIESCE", want: "I9"},
			{rule: "NO_RAISE", want: "I9"},
			{rule: "NO_RESUME", want: "served", scope: "live"},
			{rule: "NO_TAKEOVER", want: "served", scope: "live"},
			{rule: "NO_TERMINATE", want: "served", scope: "live"},
			{rule: "NO_ADOPT_NOBODY", want: "served", scope: "live"},
			{rule: "NO_ADOPT_SLEEPER", want: "served", scope: "live"},
		},
	},
	{
		name: "horizon",
		scopes: []scope{
			{name: "locks"},
			{name: "crash", defines: []string{"CRASH"}},
			{name: "terms", defines: []string{"TERMS"}},
			{name: "live", defines: []string{"LIVE"}, claim: "there"},
		},
		rules: []rule{
			{rule: "NO_KEY", want: "I6"},
			{rule: "KEY_LATE", want: "I6"},
			{rule: "RELEASE_EARLY", want: "I6"},
			{rule: "KEYS_FIRST", want: "I6"},
			{rule: "BLOCKS_FIRST", want: "I7"},
			{rule: "NO_CAP", want: "I6"},
			{rule: "TWO_SESSIONS", want: "I6"},
			{rule: "ROW_BACK", want: "I6", scope: "terms"},
			{rule: "NO_TERM", scope: "terms"},
			{rule: "NO_GAP_FILL", want: "I7", scope: "crash"},
			{rule: "NO_TRIM", want: "I7", scope: "crash"},
			{rule: "POLL_JUMPS", want: "I7", scope: "crash"},
			{rule: "TRUST_BODIES", want: "I6", scope: "crash"},
			{rule: "NO_READ", want: "I7", scope: "crash"},
			{rule: "PUBLISH_EARLY", want: "I10", scope: "crash"},
			{rule: "NO_KILL", want: "there", scope: "live"},
			{rule: "NO_ELECTION", want: "there", scope: "live"},
			{rule: "NO_POLL", want: "there", scope: "live"},
		},
	},
	{
		name:   "failover",
		scopes: []scope{{name: "all"}},
		rules: []rule{
			{rule: "NO_SAME", want: "I5"},
			{rule: "NO_LEAP", want: "I6"},
			{rule: "VERIFY_NO_SAME", want: "refusal"},
			{rule: "NO_GENERATION NO_EPOCH_LEAP", want: "I5"},
			{rule: "NO_GENERATION"},
			{rule: "NO_EPOCH_LEAP"},
			{rule: "KEEP_OWNERS"},
			{rule: "NO_SECOND_LOOK"},
		},
	},
	{
		name:   "map",
		scopes: []scope{{name: "order"}, {name: "back", defines: []string{"BACK"}}, {name: "raise", defines: []string{"RAISE"}}},
		rules: []rule{
			{rule: "NO_ORDER", want: "I1"},
			{rule: "KEEP_FROM", want: "I1"},
			{rule: "KEEP_TO"},
			{rule: "NO_WAIT", want: "I1"},
			{rule: "MAP_APART", want: "I1"},
			{rule: "MAP_FIRST", want: "I1"},
			{rule: "SHARD_FIRST", want: "I1"},
			{rule: "STALE_ROOM", want: "I5", scope: "back"},
			{rule: "RAISE_KEEPS_MAP", want: "I1", scope: "raise"},
		},
	},
	{
		name:   "dedupe",
		scopes: []scope{{name: "room"}, {name: "rooms", defines: []string{"ROOMS"}}},
		rules: []rule{
			{rule: "NO_INDEX", want: "I4", scope: "rooms"},
			{rule: "KEY_APART", want: "I4", scope: "rooms"},
			{rule: "GUESS_REPEATED", want: "answer", scope: "rooms"},
			{rule: "NO_LOOKUP", want: "refused"},
			{rule: "EARLY_MEMORY", want: "answer"},
			{rule: "EARLY_RIDER", want: "answer"},
			{rule: "NO_LOADED_KEYS", scope: "rooms"},
			{rule: "NO_MEMORY", scope: "rooms"},
		},
	},
}
