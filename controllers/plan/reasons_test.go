package plan_test

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/myelin-hs/myelin/api/v1alpha1"
	"github.com/myelin-hs/myelin/controllers/plan"
	"github.com/myelin-hs/myelin/pkg/admin"
)

// constants are the values of the API's constants whose names begin with prefix.
func constants(t *testing.T, prefix string) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../../api/v1alpha1/conditions.go", nil, 0)
	require.NoError(t, err)
	var all []string
	ast.Inspect(file, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok && strings.HasPrefix(v.Names[0].Name, prefix) {
			text, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
			require.NoError(t, err)
			all = append(all, text)
		}
		return true
	})
	require.NotEmpty(t, all)
	return all
}

// verdicts is one of each kind that there is, from every function that makes some.
func verdicts() []plan.Verdict {
	now := time.Unix(1_000_000, 0)
	var all []plan.Verdict
	add := func(v ...*plan.Verdict) {
		for _, v := range v {
			if v != nil {
				all = append(all, *v)
			}
		}
	}
	for _, keys := range [][]plan.SecretKey{{{Field: "f", Secret: "s"}}, {{Field: "f", Secret: "s", Lost: true}}, {{Field: "f", Secret: "s", Denied: true}}, {{Field: "f", Secret: "s", InConfigMap: true}}, {{Field: "f", Secret: "s", SecretFound: true}}, nil} {
		v := plan.Secrets(keys)
		add(&v)
	}
	recorded := &v1alpha1.DatabaseStatus{ID: "db-1", Inputs: "i"}
	attempts := []*plan.Attempt{nil, {Number: 1}, {Number: 1, Waiting: "ErrImagePull: no such image"}, {Number: 1, Finished: true}}
	for _, reason := range []string{
		v1alpha1.ReasonDatabaseUnreachable, v1alpha1.ReasonDatabaseAuthenticationFailed, v1alpha1.ReasonDatabaseIdentityChanged,
		v1alpha1.ReasonDatabaseClaimed, v1alpha1.ReasonDowngradeRefused, v1alpha1.ReasonUpgradeRefused, v1alpha1.ReasonMigrationFailed, "Nonsense",
	} {
		r := plan.ParseResult(`{"reason":"` + reason + `","message":"it went wrong"}`)
		attempts = append(attempts, &plan.Attempt{Number: 1, Finished: true, Result: &r})
	}
	migrations := []plan.Verdict{plan.Migration(plan.MigrationSeen{Inputs: "i", Recorded: recorded, Now: now}).Ready}
	for _, a := range attempts {
		migrations = append(migrations, plan.Migration(plan.MigrationSeen{Inputs: "j", Recorded: recorded, Newest: a, Now: now}).Ready)
	}
	all = append(all, migrations...)

	for _, told := range []string{"", admin.RedisReachable, admin.RedisRefused, admin.RedisUnreachable} {
		v := plan.Redis(told)
		add(&v)
	}
	roles := append([]v1alpha1.Role(nil), v1alpha1.RequiredRoles...)
	workers := []plan.Verdict{
		plan.Workers(nil), plan.Workers([]plan.PoolSeen{{Name: "p", Roles: roles}}), plan.Workers([]plan.PoolSeen{{Name: "p", Roles: roles, Ready: 1}}),
	}
	all = append(all, workers...)
	for _, s := range [][]metav1.ConditionStatus{nil, {"True"}, {"False"}} {
		v, _ := plan.Shards(1, s)
		all = append(all, v)
		ready, reconciling, stalled := plan.Homeserver(plan.HomeserverSeen{
			Secrets: plan.Secrets(nil), Database: migrations[0], Workers: workers[2], Shards: v, URL: "http://demo",
		})
		add(&ready, reconciling, stalled)
	}
	for _, s := range []*admin.Shard{nil, {}, {Owner: 1, OwnerPod: "p"}, {Owner: 1, OwnerPod: "p", Claimed: true}} {
		v := plan.Shard(s)
		add(&v)
	}
	for _, err := range []error{nil, errors.New("refused")} {
		v := plan.ShardUnreported(err)
		add(&v)
	}
	for _, hs := range []*plan.HomeserverForPool{nil, {}, {Reason: v1alpha1.ReasonMigrationFailed}, {Observed: true, Verified: true}} {
		_, waiting := plan.Pool("demo", hs, true)
		add(waiting)
		for _, d := range []*plan.DeploymentSeen{
			nil, {Stuck: "no progress"}, {Failure: "quota exceeded"}, {Ready: 1}, {Ready: 2, Replicas: 3, Updated: 2, Observed: true},
			{Ready: 2, Replicas: 2, Updated: 2, Observed: true},
		} {
			for _, desired := range []int32{2, 0} {
				ready, reconciling, stalled := plan.PoolReady(desired, waiting, d, "a pod drains")
				add(&ready, reconciling, stalled)
			}
		}
	}
	ready, reconciling, stalled := plan.PoolReady(0, nil, &plan.DeploymentSeen{Observed: true}, "")
	add(&ready, reconciling, stalled)
	for _, conditions := range autoscalers {
		v := plan.Autoscaling(plan.AutoscalerSeen{Conditions: conditions})
		add(&v)
	}
	notTaken := plan.AutoscalerRefused("spec.maxReplicas: bad")
	add(&notTaken)
	paused := plan.Migration(plan.MigrationSeen{Inputs: "j"}).WhilePaused().Ready
	add(&paused)
	for _, held := range []bool{true, false} {
		add(plan.Turn("p", "new", []plan.PoolImage{{Name: "o", Image: "old", Paused: held}, {Name: "p", Image: "old"}}))
	}
	accepted := func(status metav1.ConditionStatus) plan.RouteSeen {
		return plan.RouteSeen{Name: "demo", Parents: []plan.ParentSeen{{Gateway: "g", Conditions: []metav1.Condition{{Type: "Accepted", Status: status, Reason: "Because"}}}}}
	}
	for _, v := range []plan.Verdict{
		plan.IngressMade(), plan.IngressRefused("metadata.annotations: bad"),
		plan.GatewayAPIMissing(), plan.RouteRefused("spec.hostnames: bad"), plan.Routes([]plan.RouteSeen{{Name: "demo"}}),
		plan.Routes([]plan.RouteSeen{accepted("True")}), plan.Routes([]plan.RouteSeen{accepted("False")}),
	} {
		add(&v)
	}
	for _, v := range []plan.Verdict{plan.Paused("Homeserver demo"), plan.Refused("spec.x: bad"), plan.NameTaken("WorkerPool", "apply Deployment p: taken"),
		plan.ObjectRefused("exceeded quota")} {
		add(&v)
	}
	return all
}

var (
	sentence = regexp.MustCompile(`^[A-Z0-9].*[^.:; ]\.$|^[A-Z0-9].*\)\.$`)
	advice   = regexp.MustCompile(`(?i)\b(apply|mend|look|see|create|add|choose|point|give|wait|scale|delete|remove)\b`)
)

// Scripts match on reasons and people act on messages: no reason is used that is not in the list, none in the list is
// unused, and what is not well says what to do.
func TestReasonsAndMessages(t *testing.T) {
	t.Parallel()
	listed, used := constants(t, "Reason"), map[string]bool{}
	for _, v := range verdicts() {
		require.Contains(t, listed, v.Reason)
		used[v.Reason] = true
		require.Regexp(t, sentence, v.Message)
		if !v.Is() {
			require.Regexp(t, advice, v.Message, v.Reason)
		}
	}
	for _, reason := range listed {
		require.True(t, used[reason], "%s is never used", reason)
	}
	require.Equal(t, len(listed), len(slices.Compact(slices.Sorted(slices.Values(listed)))), "a reason is listed twice")
}
