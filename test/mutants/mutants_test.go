package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// One text that is not there any more keeps `make mutants` from trying any rule at all.
func TestTheTextThatEachMutantChangesIsThere(t *testing.T) {
	t.Chdir("../..") // files are named from the root
	require.NoError(t, stale(everyMutant()))
}
