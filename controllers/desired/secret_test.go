package desired_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/controllers/desired"
	"github.com/myelin-hs/myelin/pkg/keyring"
)

// The operator links nothing of the workers', so the form of the key is checked here.
func TestWorkersReadTheGeneratedSigningKey(t *testing.T) {
	t.Parallel()
	random := bytes.Repeat([]byte{9}, desired.SigningSeedLength)
	secret := desired.SigningKey(desired.HomeserverOf(homeserver()), random)
	_, err := keyring.Parse("example.org", secret.Data["signing.key"])
	require.NoError(t, err)
}
