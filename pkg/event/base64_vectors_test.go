package event

import (
	"encoding/base64"
	"testing"

	"github.com/stretchr/testify/require"
)

// The examples of the specification (appendices, "Unpadded Base64"); with padding they are to be read too.
func TestSpecificationUnpaddedBase64(t *testing.T) {
	t.Parallel()
	for plain, encoded := range map[string]string{
		"": "", "f": "Zg", "fo": "Zm8", "foo": "Zm9v", "foob": "Zm9vYg", "fooba": "Zm9vYmE", "foobar": "Zm9vYmFy",
	} {
		padded := base64.StdEncoding.EncodeToString([]byte(plain))
		for _, text := range []string{encoded, padded} {
			got, err := decodeBase64(text)
			require.NoError(t, err, text)
			require.Equal(t, plain, string(got), text)
		}
	}
	for _, text := range []string{"Z", "Zm9v*", "Zm=9v", "_-8"} {
		_, err := decodeBase64(text)
		require.Error(t, err, text)
	}
}
