package canonicaljson_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/canonicaljson"
)

func FuzzCanonicalize(f *testing.F) {
	for _, seed := range []string{
		`{"b":[1,-0,1e3],"a":{"z":"\u00e9\n","y":null}}`, `{"😀":1,"～":2,"\"":true}`, `[]`, `"\ud83d\ude00"`, `{"a":1.5}`, "\"\xff\"",
		`{"a":1,"a":2}`, `[[[[`, `{"":""}`, `[1e15,1E+2,-0.0,1.7976931348623159e308,5e-324,9007199254740993]`, `{"a":1e-5,"b":-1.10}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		lenient, lenientErr := canonicaljson.AppendLenient(nil, raw)
		if lenientErr == nil {
			require.True(t, json.Valid(raw), "accepted what is not JSON")
			require.True(t, utf8.Valid(lenient))
			twice, err := canonicaljson.AppendLenient(nil, lenient)
			require.NoError(t, err)
			require.Equal(t, string(lenient), string(twice))
			require.Equal(t, decode(t, raw), decode(t, lenient))
		}
		once, err := canonicaljson.Canonicalize(raw)
		if err != nil {
			return
		}
		require.NoError(t, lenientErr, "refused what is accepted strictly")
		again, err := canonicaljson.AppendLenient(nil, once)
		require.NoError(t, err)
		require.Equal(t, string(once), string(again), "without exponents both forms are one")
		require.True(t, json.Valid(raw), "accepted what is not JSON")
		require.True(t, utf8.Valid(once))
		twice, err := canonicaljson.Canonicalize(once)
		require.NoError(t, err)
		require.Equal(t, string(once), string(twice))

		// It says the same as the input does, if an exponent is read as the integer it is.
		require.Equal(t, decode(t, raw), decode(t, once))

		// The readers see what encoding/json sees.
		if canonicaljson.IsObject(once) {
			var want map[string]json.RawMessage
			require.NoError(t, json.Unmarshal(once, &want))
			n := 0
			for key, value := range canonicaljson.Members(once) {
				require.Equal(t, string(want[canonicaljson.Key(key)]), string(value))
				n++
			}
			require.Len(t, want, n)
		}
	})
}

// decode reads numbers as doubles, and as they are written where doubles end: an integer may have any number of digits.
func decode(t *testing.T, raw []byte) any {
	var v any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	require.NoError(t, d.Decode(&v))
	return numbers(v)
}

func numbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		if f, err := v.Float64(); err == nil {
			return f
		}
		return v
	case []any:
		for i := range v {
			v[i] = numbers(v[i])
		}
	case map[string]any:
		for key := range v {
			v[key] = numbers(v[key])
		}
	}
	return v
}

// FuzzReaders feeds the readers what is not JSON: they must end and stay within bounds.
func FuzzReaders(f *testing.F) {
	for _, seed := range []string{`{"a":[1,{"b":"c"}]}`, `{"a":"\`, `[1,2`, `{"a":]`, `{"\u00":1}`, `[}]`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(_ *testing.T, raw []byte) {
		for key, value := range canonicaljson.Members(raw) {
			canonicaljson.Key(key)
			canonicaljson.String(value)
			for range canonicaljson.Elements(value) {
			}
		}
		canonicaljson.Get(raw, "a", "b")
	})
}
