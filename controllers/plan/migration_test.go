package plan_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/myelin-hs/myelin/api/v1alpha1"
	"github.com/myelin-hs/myelin/controllers/plan"
)

func TestMigration(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_000_000, 0)
	ended := func(number int, ago time.Duration, ok bool, r *plan.Result) *plan.Attempt {
		return &plan.Attempt{Number: number, Finished: true, Succeeded: ok, FinishedAt: now.Add(-ago), Result: r}
	}
	good := &plan.Result{Reason: "Migrated", DatabaseID: "db", SchemaVersion: 4}
	bad := &plan.Result{Reason: "DatabaseUnreachable", Message: "No route to host."}
	recorded := &v1alpha1.DatabaseStatus{ID: "db", SchemaVersion: 3, Inputs: "old", ContractedImage: "old"}
	for name, test := range map[string]struct {
		recorded *v1alpha1.DatabaseStatus
		newest   *plan.Attempt
		start    int
		record   *v1alpha1.DatabaseStatus
		status   metav1.ConditionStatus
		reason   string
		after    time.Duration
	}{
		"first":              {start: 1, status: "Unknown", reason: "MigrationRunning", after: 5 * time.Second},
		"changed":            {recorded: recorded, start: 1, status: "Unknown", reason: "MigrationRunning", after: 5 * time.Second},
		"verified":           {recorded: &v1alpha1.DatabaseStatus{ID: "db", Inputs: "new"}, newest: ended(1, 0, false, bad), status: "True", reason: "Migrated"},
		"running":            {newest: &plan.Attempt{Number: 1}, status: "Unknown", reason: "MigrationRunning", after: 5 * time.Second},
		"runs as before":     {newest: &plan.Attempt{Number: 1, Outdated: true}, status: "Unknown", reason: "MigrationRunning", after: 5 * time.Second},
		"stuck, spec mended": {newest: &plan.Attempt{Number: 1, Outdated: true, Waiting: "Unschedulable"}, start: 2, status: "Unknown", reason: "MigrationRunning", after: 5 * time.Second},
		"stuck":              {newest: &plan.Attempt{Number: 1, Waiting: "Unschedulable"}, status: "Unknown", reason: "MigrationRunning", after: 5 * time.Second},
		"failed, mended":     {newest: &plan.Attempt{Number: 4, Outdated: true, Finished: true, FinishedAt: now, Result: bad}, start: 5, status: "False", reason: "DatabaseUnreachable", after: 5 * time.Second},
		"succeeded":          {newest: ended(1, 0, true, good), record: &v1alpha1.DatabaseStatus{ID: "db", SchemaVersion: 4, Inputs: "new", ContractedImage: "image"}, status: "True", reason: "Migrated"},
		"succeeded again":    {recorded: recorded, newest: ended(1, 0, true, good), record: &v1alpha1.DatabaseStatus{ID: "db", SchemaVersion: 4, Inputs: "new", ContractedImage: "old"}, status: "True", reason: "Migrated"},
		"another database":   {recorded: &v1alpha1.DatabaseStatus{ID: "mine"}, newest: ended(1, 0, true, good), status: "False", reason: "DatabaseIdentityChanged", after: 10 * time.Second},
		"failed just now":    {newest: ended(1, time.Second, false, bad), status: "False", reason: "DatabaseUnreachable", after: 9 * time.Second},
		"failed a while ago": {newest: ended(1, 10*time.Second, false, bad), start: 2, status: "False", reason: "DatabaseUnreachable", after: 5 * time.Second},
		"failed twice":       {newest: ended(2, 10*time.Second, false, bad), status: "False", reason: "DatabaseUnreachable", after: 10 * time.Second},
		"failed often":       {newest: ended(90, 0, false, bad), status: "False", reason: "DatabaseUnreachable", after: 5 * time.Minute},
		"fails in a moment":  {newest: ended(1, -2*time.Second, false, bad), status: "False", reason: "DatabaseUnreachable", after: 12 * time.Second},
		"fails in an hour":   {newest: ended(1, -time.Hour, false, bad), start: 2, status: "False", reason: "DatabaseUnreachable", after: 5 * time.Second},
		"pod is gone":        {newest: ended(1, 0, true, nil), status: "False", reason: "MigrationFailed", after: 10 * time.Second},
		"failed, says good":  {newest: ended(1, 0, false, good), status: "False", reason: "MigrationFailed", after: 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := plan.Migration(plan.MigrationSeen{Inputs: "new", Image: "image", Recorded: test.recorded, Newest: test.newest, Now: now})
			require.Equal(t, test.start, d.Start)
			require.Equal(t, test.record, d.Record)
			require.Equal(t, test.status, d.Ready.Status)
			require.Equal(t, test.reason, d.Ready.Reason)
			require.Equal(t, test.after, d.After)
			require.NotEmpty(t, d.Ready.Message)
		})
	}
}

func TestMigrationSaysWhyAPodDoesNotStart(t *testing.T) {
	t.Parallel()
	d := plan.Migration(plan.MigrationSeen{Inputs: "new", Newest: &plan.Attempt{Number: 1, Waiting: "ErrImagePull: no such image"}})
	require.Contains(t, d.Ready.Message, "no such image")
}

func TestMigrationSaysWhatToDoInASentenceOfItsOwn(t *testing.T) {
	t.Parallel()
	for _, message := range []string{"No such host", "No such host."} {
		newest := &plan.Attempt{Number: 1, Finished: true, Result: &plan.Result{Reason: "DatabaseUnreachable", Message: message}}
		d := plan.Migration(plan.MigrationSeen{Inputs: "new", Newest: newest, Now: time.Unix(1, 0)})
		require.Contains(t, d.Ready.Message, "No such host. Mend the host and port")
	}
}

func TestParseResult(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ message, reason, contains string }{
		"a result":           {`{"reason":"DatabaseClaimed","message":"It is a/b's."}`, "DatabaseClaimed", "It is a/b's."},
		"after log lines":    {"starting\n" + `{"reason":"Migrated","databaseID":"x","schemaVersion":2}` + "\n", "Migrated", ""},
		"nothing":            {"", "MigrationFailed", "no message"},
		"words":              {"Killed", "MigrationFailed", "Killed"},
		"an unknown reason":  {`{"reason":"Whim"}`, "MigrationFailed", "Whim"},
		"JSON of other kind": {`[]`, "MigrationFailed", "[]"},
		"too many words":     {strings.Repeat("é", 4000), "MigrationFailed", "…"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := plan.ParseResult(test.message)
			require.Equal(t, test.reason, r.Reason)
			require.Contains(t, r.Message, test.contains)
			require.Less(t, len(r.Message), 1200)
		})
	}
}
