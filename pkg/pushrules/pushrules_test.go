package pushrules_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/pushrules"
)

func TestDefaultHasThePredefinedRulesInTheirOrder(t *testing.T) {
	t.Parallel()
	var got struct {
		Global map[string][]struct {
			RuleID  string `json:"rule_id"`
			Default bool   `json:"default"`
			Enabled bool   `json:"enabled"`
		} `json:"global"`
	}
	require.NoError(t, json.Unmarshal(pushrules.Default("@a:test.example"), &got))

	ids := map[string][]string{}
	for kind, rules := range got.Global {
		ids[kind] = []string{}
		for _, r := range rules {
			require.True(t, r.Default, r.RuleID)
			require.Equal(t, r.RuleID != ".m.rule.master", r.Enabled, r.RuleID)
			ids[kind] = append(ids[kind], r.RuleID)
		}
	}
	require.Equal(t, map[string][]string{
		"override": {
			".m.rule.master", ".m.rule.suppress_notices", ".m.rule.invite_for_me", ".m.rule.member_event",
			".m.rule.is_user_mention", ".m.rule.is_room_mention", ".m.rule.tombstone", ".m.rule.reaction",
			".m.rule.room.server_acl", ".m.rule.suppress_edits",
		},
		"content": {}, "room": {}, "sender": {},
		"underride": {
			".m.rule.call", ".m.rule.encrypted_room_one_to_one", ".m.rule.room_one_to_one", ".m.rule.message",
			".m.rule.encrypted",
		},
	}, ids)
}

// Clients read these keys blindly: a list that is null, or a pattern that vanished because it is empty, breaks them.
func TestDefaultJSON(t *testing.T) {
	t.Parallel()
	raw := string(pushrules.Default("@a:test.example"))
	require.NotContains(t, raw, "null")
	for name, want := range map[string]string{
		"an empty pattern stays": `{"kind":"event_match","key":"state_key","pattern":""}`,
		"user mention":           `{"kind":"event_property_contains","key":"content.m\\.mentions.user_ids","value":"@a:test.example"}`,
		"room mention":           `{"kind":"event_property_is","key":"content.m\\.mentions.room","value":true}`,
		"tweak":                  `"actions":["notify",{"set_tweak":"sound","value":"ring"}]`,
		"highlight has no value": `{"set_tweak":"highlight"}`,
		"no conditions, actions": `"conditions":[],"actions":[]`,
	} {
		require.Contains(t, raw, want, name)
	}
	require.Equal(t, 2, strings.Count(raw, "@a:test.example"))
}
