package desired_test

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/api/v1alpha1"
	"github.com/myelin-hs/myelin/controllers/desired"
)

// The operator links no driver, so what the workers' makes of the parts is checked here.
func TestDriverUnderstandsTheDatabasesParts(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"db.example", "2001:db8::1"} {
		hs := homeserver()
		hs.Spec.Postgres = v1alpha1.Postgres{Parts: &v1alpha1.PostgresParts{
			Host: host, Port: 5433, Database: "a/b ?c", SSLMode: v1alpha1.SSLVerifyFull,
		}}
		c, err := pgx.ParseConfig(desired.HomeserverOf(hs).Postgres.URI)
		require.NoError(t, err)
		require.Equal(t, host, c.Host)
		require.Equal(t, uint16(5433), c.Port)
		require.Equal(t, "a/b ?c", c.Database)
		require.Equal(t, host, c.TLSConfig.ServerName)
		require.False(t, c.TLSConfig.InsecureSkipVerify)
	}
}
