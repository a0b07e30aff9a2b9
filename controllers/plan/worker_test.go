package plan_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/api/v1alpha1"
	"github.com/myelin-hs/myelin/controllers/plan"
	"github.com/myelin-hs/myelin/pkg/app"
)

// The operator links nothing of a worker, so what they have to agree on stands in both.

func TestTheOperatorUnderstandsWhatAMigrationReports(t *testing.T) {
	t.Parallel()
	for _, reason := range []string{
		app.ReasonMigrated, app.ReasonDatabaseUnreachable, app.ReasonAuthenticationFailed, app.ReasonDatabaseIdentityChange,
		app.ReasonDatabaseClaimed, app.ReasonDowngradeRefused, app.ReasonUpgradeRefused, app.ReasonMigrationFailed,
	} {
		line, err := json.Marshal(app.MigrationResult{Reason: reason, Message: "It is so.", DatabaseID: "db", SchemaVersion: 3})
		require.NoError(t, err)
		require.Equal(t, plan.Result{Reason: reason, Message: "It is so.", DatabaseID: "db", SchemaVersion: 3}, plan.ParseResult(string(line)+"\n"))
	}
}

func TestAPoolMayHaveTheRolesThatAWorkerKnows(t *testing.T) {
	t.Parallel()
	var roles []string
	for _, r := range []v1alpha1.Role{
		v1alpha1.RoleGateway, v1alpha1.RoleClient, v1alpha1.RolePersister, v1alpha1.RoleSync, v1alpha1.RoleFederationInbound,
	} {
		roles = append(roles, string(r))
	}
	require.ElementsMatch(t, app.Roles, roles)
}
