package canonicaljson_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/canonicaljson"
)

func TestErrorsNameTheField(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`1.5`:                            "",
		`{"content":{"b":1,"a":1.5}}`:    "content.a",
		`{"a":[{},{"b":[0,[1e99]]}]}`:    "a[1].b[1][0]",
		`[0.5]`:                          "[0]",
		`{"a":{"b":1,"b":2}}`:            "a.b",
		`{"a":{"c":1,"b":2,"c":3}}`:      "a.c",
		"{\"a\":{\"\\u0062\":\"\xff\"}}": "a.b",
		`{"a":1,"b":{"c":tru}}`:          "b.c",
		`{"a":{"b":1,}}`:                 "a",
	} {
		_, err := canonicaljson.Canonicalize([]byte(in))
		var located *canonicaljson.Error
		require.ErrorAs(t, err, &located, in)
		require.Equal(t, want, located.Field, in)
		if want != "" {
			require.Contains(t, err.Error(), " "+want+": ")
		}
		// A writer that is used again does not remember.
		_, err = canonicaljson.Canonicalize([]byte(`0.5`))
		require.ErrorAs(t, err, &located)
		require.Empty(t, located.Field)
	}
}

func TestFieldOfAnErrorIsBounded(t *testing.T) {
	t.Parallel()
	for _, in := range []string{
		`{"` + strings.Repeat("ü", 50_000) + `":0.5}`,
		`{"a":` + strings.Repeat(`{"`+strings.Repeat("k", 100)+`":`, 500) + `0.5` + strings.Repeat(`}`, 501),
	} {
		_, err := canonicaljson.Canonicalize([]byte(in))
		var located *canonicaljson.Error
		require.ErrorAs(t, err, &located)
		require.Less(t, len(located.Field), 250)
		require.True(t, utf8.ValidString(located.Field))
		require.True(t, strings.HasPrefix(located.Field, "üüü") || strings.HasPrefix(located.Field, "a.kkk"), located.Field)
	}
}
