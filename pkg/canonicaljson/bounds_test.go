package canonicaljson_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/canonicaljson"
)

func TestTruncatedInputIsRefusedAndReadWithoutPanic(t *testing.T) {
	t.Parallel()
	whole := ` { "a\n" : [ 1e3 , -7 , "x\u00e9\ud83d\ude00\\" , true , null ] , "b" : { "c" : {} , "d" : [] } }`
	for n := range len(whole) {
		// A copy of just that length: reading past its end panics.
		part := append(make([]byte, 0, n), whole[:n]...)
		_, err := canonicaljson.Canonicalize(part)
		require.Error(t, err, whole[:n])
		var walk func(raw []byte)
		walk = func(raw []byte) {
			for key, value := range canonicaljson.Members(raw) {
				canonicaljson.Key(key)
				walk(value)
			}
			for value := range canonicaljson.Elements(raw) {
				canonicaljson.String(value)
				canonicaljson.Int(value)
				walk(value)
			}
		}
		walk(part)
		for start := range n {
			walk(part[start:])
		}
	}
}

func TestReadersOfOtherKindsFindNothing(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{``, ` `, `3`, `"x"`, `null`, `[1]`, `["a",1]`, `x"a":1}`, `{a":1}`, `{"a" 1}`, `{"a";1}`, `{x}`} {
		for key, value := range canonicaljson.Members([]byte(raw)) {
			require.Fail(t, "a member", "%s: %s=%s", raw, key, value)
		}
	}
	for _, raw := range []string{``, ` `, `3`, `"x"`, `null`, `{"a":1}`, `[`, `[ `, `[]`, `[ ]`, `x1]`} {
		for value := range canonicaljson.Elements([]byte(raw)) {
			require.Fail(t, "an element", "%s: %s", raw, value)
		}
	}
	count := 0
	for range canonicaljson.Elements([]byte(`[1;2]`)) {
		count++
	}
	for range canonicaljson.Members([]byte(`{"a":1;"b":2}`)) {
		count++
	}
	require.Equal(t, 2, count, "what comes before the fault")
}

func TestReadersAtTheirBounds(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]int64{`0`: 0, `9007199254740991`: 1<<53 - 1, `-9007199254740991`: -1<<53 + 1} {
		got, ok := canonicaljson.Int([]byte(raw))
		require.True(t, ok, raw)
		require.Equal(t, want, got)
	}
	for _, raw := range []string{`-9007199254740992`, `000000000000000000001`, `+1`, ` 1`, `1 `} {
		_, ok := canonicaljson.Int([]byte(raw))
		require.False(t, ok, raw)
	}
	s, ok := canonicaljson.String([]byte(`""`))
	require.True(t, ok)
	require.Empty(t, s)
	for _, raw := range []string{`"a`, `a"`, `"`} {
		_, ok := canonicaljson.String([]byte(raw))
		require.False(t, ok, raw)
	}
	v, ok := canonicaljson.Get([]byte(`{"":{"az":1e5}}`), "", "az")
	require.True(t, ok)
	require.Equal(t, `1e5`, string(v))
}

func TestWriterAtItsBounds(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`"\u0020 "`:               `"  "`,
		`"\uABCD\uabcd"`:          "\"\uabcd\uabcd\"",
		`"\ud83d\ude00"`:          `"😀"`,
		"\"\uFFFD\\uFFFD\"":       "\"\uFFFD\uFFFD\"",
		`9007199254740991e0`:      `9007199254740991`,
		`1e15`:                    `1000000000000000`,
		`5e-0`:                    `5`,
		"\"a b\"":                 `"a b"`,
		`{"c":1,"a":2,"b":3}`:     `{"a":2,"b":3,"c":1}`,
		`{"a":1,"\\b":2,"\"":3}`:  `{"\"":3,"\\b":2,"a":1}`,
		`{"\\b":{"z":1,"y":2}}`:   `{"\\b":{"y":2,"z":1}}`,
		`{"a\\":1,"a":2,"aa":[]}`: `{"a":2,"a\\":1,"aa":[]}`,
	} {
		got, err := canonicaljson.Canonicalize([]byte(in))
		require.NoError(t, err, in)
		require.Equal(t, want, string(got))
	}
	deep := func(n int) []byte { return []byte(strings.Repeat(`{"a":`, n) + "1" + strings.Repeat("}", n)) }
	_, err := canonicaljson.Canonicalize(deep(canonicaljson.MaxDepth))
	require.NoError(t, err)
	_, err = canonicaljson.Canonicalize(deep(canonicaljson.MaxDepth + 1))
	require.ErrorIs(t, err, canonicaljson.ErrDepth)
	for _, in := range []string{`/`, `:`, `a`, `\`, "\x00"} {
		_, err := canonicaljson.Canonicalize([]byte(in))
		require.ErrorIs(t, err, canonicaljson.ErrSyntax)
	}
}
