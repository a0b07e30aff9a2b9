package canonicaljson_test

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/canonicaljson"
)

// TestAppendLenient pins what Python's json.dumps(json.loads(x)) says; test/crosscheck compares with it at large.
func TestAppendLenient(t *testing.T) {
	t.Parallel()
	digits := strings.Repeat("9", 400)
	for in, want := range map[string]string{
		`0`: `0`, `-0`: `0`, `-7`: `-7`, `9007199254740993`: `9007199254740993`, `-` + digits: `-` + digits,
		`0.0`: `0.0`, `-0.0`: `-0.0`, `0e5`: `0.0`, `-0e5`: `-0.0`, `1.5`: `1.5`, `1.50`: `1.5`, `-1.10`: `-1.1`,
		`1e2`: `100.0`, `1E2`: `100.0`, `1e+2`: `100.0`, `1e15`: `1000000000000000.0`, `1e16`: `1e+16`, `-1.5e16`: `-1.5e+16`,
		`9999999999999998.0`: `9999999999999998.0`, `9007199254740993.0`: `9007199254740992.0`, `123456789012345678.9`: `1.2345678901234568e+17`,
		`0.0001`: `0.0001`, `1e-4`: `0.0001`, `0.00001`: `1e-05`, `0.00009999`: `9.999e-05`, `1.25e-7`: `1.25e-07`, `1e100`: `1e+100`, `1e-100`: `1e-100`,
		`0.1`: `0.1`, `0.30000000000000004`: `0.30000000000000004`, `0.1000000000000000055511151231257827`: `0.1`,
		`1.7976931348623157e308`: `1.7976931348623157e+308`, `5e-324`: `5e-324`, `1e-400`: `0.0`, `-1e-400`: `-0.0`,
		`{"b":1.0,"a":[2e0,-0]}`: `{"a":[2.0,0],"b":1.0}`, ` [ 1.0 , 2 ] `: `[1.0,2]`,
	} {
		got, err := canonicaljson.AppendLenient([]byte("x"), []byte(in))
		require.NoError(t, err, in)
		require.Equal(t, "x"+want, string(got), in)
	}
	for in, want := range map[string]error{
		`1e309`: canonicaljson.ErrRange, `-1e400`: canonicaljson.ErrRange, `1.7976931348623159e308`: canonicaljson.ErrRange, `{"a":1E400}`: canonicaljson.ErrRange,
		`01`: canonicaljson.ErrSyntax, `-`: canonicaljson.ErrSyntax, `+1`: canonicaljson.ErrSyntax, `1.`: canonicaljson.ErrSyntax, `.5`: canonicaljson.ErrSyntax,
		`1e`: canonicaljson.ErrSyntax, `1e+`: canonicaljson.ErrSyntax, `1.e5`: canonicaljson.ErrSyntax, `-01.5`: canonicaljson.ErrSyntax, `1.5.2`: canonicaljson.ErrSyntax,
		`1e5e`: canonicaljson.ErrSyntax, `0x1`: canonicaljson.ErrSyntax, `1_0`: canonicaljson.ErrSyntax, `NaN`: canonicaljson.ErrSyntax, `-Infinity`: canonicaljson.ErrSyntax,
		// What no version tolerates.
		`{"a":1.5,"a":1}`: canonicaljson.ErrDuplicateKey, "\"\xff\"": canonicaljson.ErrUTF8, `"\ud800"`: canonicaljson.ErrUTF8,
		strings.Repeat("[", canonicaljson.MaxDepth+1) + strings.Repeat("]", canonicaljson.MaxDepth+1): canonicaljson.ErrDepth,
	} {
		got, err := canonicaljson.AppendLenient([]byte("x"), []byte(in))
		require.ErrorIs(t, err, want, in)
		require.Equal(t, "x", string(got))
	}
	// A writer that was lenient is not so for the next.
	_, err := canonicaljson.Append(nil, []byte(`1.5`))
	require.ErrorIs(t, err, canonicaljson.ErrNumber)
}

func TestTruncatedInt(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]int64{
		`0`: 0, `50`: 50, `-50`: -50, `50.57`: 50, `-50.57`: -50, `-0.9`: 0, `0.9999`: 0, `5.114698E4`: 51146, `1e2`: 100, `1e-3`: 0, `150e-1`: 15,
		`9007199254740993`: 9007199254740993, `9223372036854775807`: math.MaxInt64, `-9223372036854775808`: math.MinInt64,
		`9223372036854775808`: math.MaxInt64, `9.3e18`: math.MaxInt64, `1e300`: math.MaxInt64, `-9223372036854775809`: math.MinInt64, `-1e300`: math.MinInt64, `-5e18`: -5000000000000000000,
		`-9223372036854775808.0`: math.MinInt64, `9223372036854774784.0`: 9223372036854774784,
	} {
		got, ok := canonicaljson.TruncatedInt([]byte(in))
		require.True(t, ok, in)
		require.Equal(t, want, got, in)
	}
	for _, in := range []string{``, `"1"`, `null`, `true`, `[1]`, `{}`, `1e309`, `-1e309`, strings.Repeat("9", 400), `+1`, `1x`, ` 1`, `1 `, `01`, `1.`, `.5`, `Infinity`, `NaN`, `0x1p4`} {
		_, ok := canonicaljson.TruncatedInt([]byte(in))
		require.False(t, ok, in)
	}
}
