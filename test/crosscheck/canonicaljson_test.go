package crosscheck

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/canonicaljson"
)

// The encodings: of room versions from 6 on, and of those before.
var encodings = []struct {
	name   string
	strict bool
	append func(dst, raw []byte) ([]byte, error)
}{
	{"strict", true, canonicaljson.Append},
	{"lenient", false, canonicaljson.AppendLenient},
}

func TestCanonicalJSON(t *testing.T) {
	t.Parallel()
	for _, tt := range encodings {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			python, g := newPeer(t), newGenerator(t)
			g.fractions = !tt.strict
			for range *values {
				raw := g.json()
				want := python.ask(question{Ask: "canonical", Raw: []byte(raw), Strict: tt.strict})
				require.Empty(t, want.Refusal, "%q", raw)
				got, err := tt.append(nil, []byte(raw))
				require.NoError(t, err, "%q", raw)
				require.Equal(t, string(want.Out), string(got), "%q", raw)
			}
		})
	}
}

// Damaged JSON is refused by both, or means the same to both.
func TestCanonicalJSONRefusals(t *testing.T) {
	t.Parallel()
	for _, tt := range encodings {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			python, g := newPeer(t), newGenerator(t)
			g.fractions = !tt.strict
			refused := 0
			for range 2 * *values {
				raw := g.damage(g.json())
				want := python.ask(question{Ask: "canonical", Raw: []byte(raw), Strict: tt.strict})
				got, err := tt.append(nil, []byte(raw))
				if want.Refusal != "" {
					require.Error(t, err, "%q, of which Python says: %s", raw, want.Refusal)
					refused++
					continue
				}
				require.NoError(t, err, "%q", raw)
				require.Equal(t, string(want.Out), string(got), "%q", raw)
			}
			require.Greater(t, refused, *values/4, "the damage is none")
		})
	}
}
