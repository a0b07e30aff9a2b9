package app

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/lease"
	"github.com/myelin-hs/myelin/pkg/route"
)

// They stand below this package, and know this one role by name.
func TestLeasesAndRoutesMeanThisPersister(t *testing.T) {
	t.Parallel()
	require.Equal(t, RolePersister, lease.RolePersister)
	require.Equal(t, RolePersister, route.RolePersister)
}
