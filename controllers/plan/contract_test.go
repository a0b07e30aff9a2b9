package plan_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/api/v1alpha1"
	"github.com/myelin-hs/myelin/controllers/plan"
)

func TestContract(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_000_000, 0)
	ended := func(number int, ago time.Duration, ok bool, r *plan.Result) *plan.Attempt {
		return &plan.Attempt{Number: number, Finished: true, Succeeded: ok, FinishedAt: now.Add(-ago), Result: r}
	}
	older := &plan.Result{Reason: "MigrationFailed", Message: "workers of an older version live"}
	due := plan.ContractSeen{Image: "new", Recorded: &v1alpha1.DatabaseStatus{ID: "db", ContractedImage: "old"}, Verified: true, RolledOut: true, Now: now}
	for name, test := range map[string]struct {
		change func(*plan.ContractSeen)
		want   plan.ContractDecision
		says   string
	}{
		"due":              {func(*plan.ContractSeen) {}, plan.ContractDecision{Start: 1, After: 5 * time.Second}, ""},
		"no database yet":  {func(s *plan.ContractSeen) { s.Recorded = nil }, plan.ContractDecision{}, ""},
		"not expanded yet": {func(s *plan.ContractSeen) { s.Verified = false }, plan.ContractDecision{}, ""},
		"older pods":       {func(s *plan.ContractSeen) { s.RolledOut = false }, plan.ContractDecision{}, ""},
		"done":             {func(s *plan.ContractSeen) { s.Recorded.ContractedImage = "new" }, plan.ContractDecision{}, ""},
		"running":          {func(s *plan.ContractSeen) { s.Newest = &plan.Attempt{Number: 1} }, plan.ContractDecision{After: 5 * time.Second}, ""},
		"stuck": {func(s *plan.ContractSeen) { s.Newest = &plan.Attempt{Number: 1, Waiting: "Unschedulable"} },
			plan.ContractDecision{After: 5 * time.Second}, "Unschedulable"},
		"stuck, spec mended": {func(s *plan.ContractSeen) {
			s.Newest = &plan.Attempt{Number: 1, Outdated: true, Waiting: "Unschedulable"}
		},
			plan.ContractDecision{Start: 2, After: 5 * time.Second}, ""},
		"succeeded":              {func(s *plan.ContractSeen) { s.Newest = ended(1, 0, true, nil) }, plan.ContractDecision{Done: true}, ""},
		"older workers just now": {func(s *plan.ContractSeen) { s.Newest = ended(1, time.Second, false, older) }, plan.ContractDecision{After: 9 * time.Second}, "an older version live"},
		"older workers a while ago": {func(s *plan.ContractSeen) { s.Newest = ended(1, 10*time.Second, false, older) },
			plan.ContractDecision{Start: 2, After: 5 * time.Second}, "an older version live"},
		"by a clock that is ahead": {func(s *plan.ContractSeen) { s.Newest = ended(1, -time.Hour, false, older) },
			plan.ContractDecision{Start: 2, After: 5 * time.Second}, "an older version live"},
		"pod is gone": {func(s *plan.ContractSeen) { s.Newest = ended(1, 0, false, nil) }, plan.ContractDecision{After: 10 * time.Second}, "is gone"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in, recorded := due, *due.Recorded
			in.Recorded = &recorded
			test.change(&in)
			d := plan.Contract(in)
			says := d.Failed
			d.Failed = ""
			require.Equal(t, test.want, d)
			require.Equal(t, test.says == "", says == "")
			require.Contains(t, says, test.says)
		})
	}
}

func TestAContractionThatFailsDoesNotMakeTheDatabaseUnready(t *testing.T) {
	t.Parallel()
	well := plan.Verdict{Status: "True", Reason: v1alpha1.ReasonMigrated, Message: "All is well."}
	require.Equal(t, well, plan.ContractDecision{}.With(well))
	told := plan.ContractDecision{Failed: "attempt 1 failed; wait: one lives."}.With(well)
	require.True(t, told.Is())
	require.Equal(t, "All is well. What only older versions need could not be removed: attempt 1 failed; wait: one lives.", told.Message)
	require.Zero(t, plan.ContractDecision{Start: 2, After: time.Second}.WhilePaused())
}
