package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestLeaseStatementsAreCounted(t *testing.T) {
	n, err := leaseStatements(t.Context(), 12, 4*time.Second)
	require.NoError(t, err)
	require.Greater(t, n, 0.5, "a heartbeat a second")
	t.Logf("%.3f statements/s a worker", n)
}
