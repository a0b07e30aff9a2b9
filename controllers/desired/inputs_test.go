package desired_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/api/v1alpha1"
	"github.com/myelin-hs/myelin/controllers/desired"
)

// Workers are rolled for what they read only when they start, and the database is verified again for what leads there.
func TestWhatAChangedSecretSetsGoing(t *testing.T) {
	t.Parallel()
	const nothing, verify, roll, both = "nothing", "verify", "roll", "verify and roll"
	parts, uris := full(), homeserver()
	for _, test := range []struct {
		hs         *v1alpha1.Homeserver
		field, was string
		want       string
	}{
		{uris, "spec.postgres.secretRef", "", verify},
		{uris, "spec.redis.secretRef", "redis://:old@a:1/0", nothing},
		{uris, "spec.redis.secretRef", "redis://new@b:1/0", roll},
		{uris, "spec.redis.secretRef", "rediss://new@a:1/0", roll},
		{uris, "spec.redis.secretRef", "redis://new@a:1/1", roll},
		{uris, "spec.internalCredentialSecretRef", "", nothing},
		{uris, "spec.signingKeySecretRef", "", both}, // the hashes are keyed by it
		{parts, "spec.postgres.parts.credentialsSecretRef", "", verify},
		{parts, "spec.postgres.caSecretRef", "", verify},
		{parts, "spec.redis.parts.passwordSecretRef", "", nothing},
		{parts, "spec.redis.parts.sentinelPasswordSecretRef", "", roll},
		{parts, "spec.redis.caSecretRef", "", nothing},
		{parts, "spec.registration.tokenSecretRef", "", roll},
		{parts, "spec.registration.sharedSecretRef", "", roll},
	} {
		d := desired.HomeserverOf(test.hs)
		refs := d.References()
		at := slices.IndexFunc(refs, func(r desired.Reference) bool { return r.Field == test.field })
		require.GreaterOrEqual(t, at, 0, test.field)
		contents := make([][]byte, len(refs))
		for i := range contents {
			contents[i] = []byte("redis://new:p%40@a:1/0")
		}
		job, pods := d.InputsOf(contents)
		contents[at] = []byte(test.was)
		jobBefore, podsBefore := d.InputsOf(contents)
		got := nothing
		switch {
		case job != jobBefore && pods != podsBefore:
			got = both
		case job != jobBefore:
			got = verify
		case pods != podsBefore:
			got = roll
		}
		require.Equal(t, test.want, got, "%s %s", test.field, test.was)
	}
}

func TestTheImageAndThePartsOfTheDatabaseAreVerified(t *testing.T) {
	t.Parallel()
	hs := full()
	contents := make([][]byte, len(desired.HomeserverOf(hs).References()))
	job, pods := desired.HomeserverOf(hs).InputsOf(contents)
	hs.Spec.Image = "registry.example/myelin:2"
	otherImage, samePods := desired.HomeserverOf(hs).InputsOf(contents)
	require.NotEqual(t, job, otherImage)
	require.Equal(t, pods, samePods, "it is in the template itself")
	hs.Spec.Postgres.Parts.Host = "elsewhere"
	elsewhere, samePods := desired.HomeserverOf(hs).InputsOf(contents)
	require.NotEqual(t, otherImage, elsewhere)
	require.Equal(t, pods, samePods)
}
