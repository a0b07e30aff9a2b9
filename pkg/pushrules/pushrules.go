// Package pushrules holds the push rules that a homeserver starts every account with (client-server API, "Predefined
// Rules").
package pushrules

import (
	"encoding/json"

	"github.com/myelin-hs/myelin/pkg/id"
)

// A Ruleset is the rules of one scope, each list in the order of priority (client-server API, "Push Rules").
type Ruleset struct {
	Override  []Rule `json:"override"`
	Content   []Rule `json:"content"`
	Room      []Rule `json:"room"`
	Sender    []Rule `json:"sender"`
	Underride []Rule `json:"underride"`
}

// A Rule says what to do about the events that meet all of its conditions.
type Rule struct {
	RuleID     string      `json:"rule_id"`
	Default    bool        `json:"default"`
	Enabled    bool        `json:"enabled"`
	Conditions []Condition `json:"conditions"`
	Actions    []Action    `json:"actions"`
}

// A Condition is one test of an event. Which of the fields count depends on Kind.
type Condition struct {
	Kind    string  `json:"kind"`
	Key     string  `json:"key,omitempty"`
	Pattern *string `json:"pattern,omitempty"`
	Value   any     `json:"value,omitempty"`
	Is      string  `json:"is,omitempty"`
}

// An Action is a plain string such as "notify", or a [Tweak].
type Action any

// A Tweak is an action that says how to notify.
type Tweak struct {
	SetTweak string `json:"set_tweak"`
	Value    any    `json:"value,omitempty"`
}

// Global returns the rules of the scope "global" of an account that has changed none.
func Global(user id.UserID) Ruleset {
	return Ruleset{
		Override:  override(user),
		Content:   []Rule{},
		Room:      []Rule{},
		Sender:    []Rule{},
		Underride: underride(),
	}
}

// Default returns the rules of an account that has changed none, as the content of m.push_rules and as the answer of
// GET /pushrules/: {"global": …}.
func Default(user id.UserID) json.RawMessage {
	raw, err := json.Marshal(map[string]Ruleset{"global": Global(user)})
	if err != nil {
		panic("pushrules: " + err.Error()) // strings, booleans and lists of them always marshal
	}
	return raw
}
