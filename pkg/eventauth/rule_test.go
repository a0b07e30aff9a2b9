package eventauth_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/eventauth"
)

// A ruleCase proves one rule, in every version that has it: an event that the rule accepts, and one that it refuses.
type ruleCase struct {
	rule string
	// says is how the pages word the rule; wordings that differ are separated by "|".
	says string
	// accepts and refuses make a room and an event, and return what the rules say of it. A heading has neither.
	accepts, refuses func(r *room) error
	// by is the rule that refuses the event, where this one can only allow. A rule that can only refuse, such as
	// "otherwise, reject", has an event to accept that a rule before it allows; there accepting is letting that be.
	by string
}

// ruleCases are the rules in the order of the pages.
var ruleCases = slices.Concat(createCases, authEventsCases, roomCases, joinCases, inviteCases, leaveCases, messageCases, powerLevelsCases, lastCases)

// pageOf names the file that has the rules of a version's page: versions whose pages include the same text share one.
var pageOf = map[string]string{
	"1": "1", "2": "1", "3": "3", "4": "3", "5": "3", "6": "6", "7": "7", "8": "8", "9": "8", "10": "10", "11": "11", "12": "12",
}

// page returns the rules of a version's page: numbers, and the words of each.
func page(t *testing.T, v *event.Version) (numbers []string, says map[string]string) {
	text, err := os.ReadFile("testdata/pages/" + pageOf[v.ID] + ".txt")
	require.NoError(t, err)
	says = make(map[string]string)
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		number, words, ok := strings.Cut(strings.TrimSpace(line), " ")
		require.True(t, ok, line)
		numbers, says[number] = append(numbers, number), words
	}
	return numbers, says
}

func TestEveryRuleHasTheNumberOfItsPage(t *testing.T) {
	t.Parallel()
	for _, v := range event.Versions {
		t.Run(v.ID, func(t *testing.T) {
			t.Parallel()
			numbers, says := page(t, v)
			var got []string
			for _, r := range eventauth.Rules(v) {
				got = append(got, r.Number)
				c := caseOf(t, r.Name)
				fits := func(words string) bool { return strings.HasPrefix(says[r.Number], words) }
				require.True(t, slices.ContainsFunc(strings.Split(c.says, "|"), fits), "%s is %s, which says: %s", r.Name, r.Number, says[r.Number])
			}
			require.Equal(t, numbers, got)
		})
	}
}

func caseOf(t *testing.T, rule string) *ruleCase {
	i := slices.IndexFunc(ruleCases, func(c ruleCase) bool { return c.rule == rule })
	require.GreaterOrEqual(t, i, 0, "no case for rule %s", rule)
	return &ruleCases[i]
}

func TestEveryRuleAcceptsAndRefuses(t *testing.T) {
	t.Parallel()
	for _, v := range event.Versions {
		t.Run(v.ID, func(t *testing.T) {
			t.Parallel()
			rules := eventauth.Rules(v)
			numbers := make(map[string]string, len(rules))
			for _, r := range rules {
				numbers[r.Name] = r.Number
			}
			for i, r := range rules {
				c := caseOf(t, r.Name)
				if c.accepts == nil && c.refuses == nil {
					require.True(t, i+1 < len(rules) && strings.HasPrefix(rules[i+1].Name, r.Name+"."), "%s is no heading: it needs events", r.Name)
					continue
				}
				t.Run(r.Number+" "+r.Name, func(t *testing.T) {
					t.Parallel()
					require.NotNil(t, c.accepts)
					require.NotNil(t, c.refuses)
					require.NoError(t, c.accepts(usualIn(t, v)))

					by := c.rule
					if c.by != "" {
						by = c.by
					}
					var rejection *eventauth.Rejection
					require.ErrorAs(t, c.refuses(usualIn(t, v)), &rejection)
					require.Equal(t, by, rejection.Name, rejection.Reason)
					require.Equal(t, numbers[by], rejection.Rule)
					require.NotEmpty(t, rejection.Rule)
					require.NotEmpty(t, rejection.Reason)
				})
			}
		})
	}
}

func TestRuleCasesAreOfRules(t *testing.T) {
	t.Parallel()
	known := make(map[string]bool)
	for _, v := range event.Versions {
		for _, r := range eventauth.Rules(v) {
			known[r.Name] = true
		}
	}
	seen := make(map[string]bool)
	for _, c := range ruleCases {
		require.True(t, known[c.rule], "no version has the rule %s", c.rule)
		require.False(t, seen[c.rule], "%s has two cases", c.rule)
		seen[c.rule] = true
	}
	require.Len(t, seen, len(known))
}
