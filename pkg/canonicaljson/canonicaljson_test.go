package canonicaljson_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/canonicaljson"
)

func TestCanonicalizeSpecificationExamples(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`{}`: `{}`,
		"{\n  \"one\": 1,\n \"two\":\t\"Two\"\r\n}": `{"one":1,"two":"Two"}`,
		`{"b": "2", "a": "1"}`:                      `{"a":"1","b":"2"}`,
		`{"auth": {"success": true, "mxid": "@john.doe:example.com", "profile": {"display_name": "John Doe",
			"three_pids": [{"medium": "email", "address": "john.doe@example.org"},
			{"medium": "msisdn", "address": "123456789"}]}}}`: `{"auth":{"mxid":"@john.doe:example.com","profile":{"display_name":"John Doe","three_pids":[{"address":"john.doe@example.org","medium":"email"},{"address":"123456789","medium":"msisdn"}]},"success":true}}`,
		`{"a": "日本語"}`:         `{"a":"日本語"}`,
		`{"本": 2, "日": 1}`:     `{"日":1,"本":2}`,
		`{"a": "\u65E5"}`:      `{"a":"日"}`,
		`{"a": null}`:          `{"a":null}`,
		`{"a": -0, "b": 1e10}`: `{"a":0,"b":10000000000}`,
	} {
		got, err := canonicaljson.Canonicalize([]byte(in))
		require.NoError(t, err, in)
		require.Equal(t, want, string(got))
	}
}

func TestCanonicalizeWrites(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`"\b\t\n\f\r\"\\\/\u0000\u001F\u007f"`: `"\b\t\n\f\r\"\\/\u0000\u001f` + "\x7f\"",
		`"\ud83d\ude00\u003c"`:                 `"😀<"`,
		`[9007199254740991,-9007199254740991]`: `[9007199254740991,-9007199254740991]`,
		`[1E2,1e+2,0e999,-5e0]`:                `[100,100,0,-5]`,
		`[true , false,null,[ ],{ }]`:          `[true,false,null,[],{}]`,
		// U+FF5E sorts before U+1F600 by code point, after it in UTF-16.
		`{"😀":1,"～":2}`: `{"～":2,"😀":1}`,
		// Keys sort by what they say, not by how they are escaped: \n is U+000A, before space.
		`{"\"":1," ":2,"\n":3,"a":4,"\u0061b":5}`: `{"\n":3," ":2,"\"":1,"a":4,"ab":5}`,
		`{"b":{"d":1,"c":2},"a":{"f":1,"e":2}}`:   `{"a":{"e":2,"f":1},"b":{"c":2,"d":1}}`,
	} {
		got, err := canonicaljson.Canonicalize([]byte(in))
		require.NoError(t, err, in)
		require.Equal(t, want, string(got))
	}
}

func TestCanonicalizeRefuses(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]error{
		`1.0`:                  canonicaljson.ErrNumber,
		`{"a":0.5}`:            canonicaljson.ErrNumber,
		`10e-1`:                canonicaljson.ErrNumber,
		`9007199254740992`:     canonicaljson.ErrRange,
		`-9007199254740992`:    canonicaljson.ErrRange,
		`1e16`:                 canonicaljson.ErrRange,
		`99999999999999999999`: canonicaljson.ErrRange,
		`{"a":1,"a":1}`:        canonicaljson.ErrDuplicateKey,
		`{"b":1,"a":1,"b":2}`:  canonicaljson.ErrDuplicateKey,
		`{"a":1,"\u0061":2}`:   canonicaljson.ErrDuplicateKey,
		"\"\xff\"":             canonicaljson.ErrUTF8,
		"\"\xed\xa0\x80\"":     canonicaljson.ErrUTF8,
		`"\ud800"`:             canonicaljson.ErrUTF8,
		`"\ud800\u0041"`:       canonicaljson.ErrUTF8,
		`"\udc00\ud800"`:       canonicaljson.ErrUTF8,
		strings.Repeat("[", canonicaljson.MaxDepth+1) + strings.Repeat("]", canonicaljson.MaxDepth+1): canonicaljson.ErrDepth,
		``:         canonicaljson.ErrSyntax,
		` `:        canonicaljson.ErrSyntax,
		`{`:        canonicaljson.ErrSyntax,
		`{"a"}`:    canonicaljson.ErrSyntax,
		`{"a":}`:   canonicaljson.ErrSyntax,
		`{"a":1,}`: canonicaljson.ErrSyntax,
		`{a:1}`:    canonicaljson.ErrSyntax,
		`[1,]`:     canonicaljson.ErrSyntax,
		`[1 2]`:    canonicaljson.ErrSyntax,
		`01`:       canonicaljson.ErrSyntax,
		`-`:        canonicaljson.ErrSyntax,
		`+1`:       canonicaljson.ErrSyntax,
		`1e`:       canonicaljson.ErrSyntax,
		`NaN`:      canonicaljson.ErrSyntax,
		`tru`:      canonicaljson.ErrSyntax,
		`{} {}`:    canonicaljson.ErrSyntax,
		"\"a\nb\"": canonicaljson.ErrSyntax,
		`"\x"`:     canonicaljson.ErrSyntax,
		`"\u12g4"`: canonicaljson.ErrSyntax,
		`"abc`:     canonicaljson.ErrSyntax,
	} {
		_, err := canonicaljson.Canonicalize([]byte(in))
		require.ErrorIs(t, err, want, in)
		var located *canonicaljson.Error
		require.ErrorAs(t, err, &located)
	}
	deep := strings.Repeat("[", canonicaljson.MaxDepth) + strings.Repeat("]", canonicaljson.MaxDepth)
	_, err := canonicaljson.Canonicalize([]byte(deep))
	require.NoError(t, err)
}

func TestAppendKeepsWhatIsThere(t *testing.T) {
	t.Parallel()
	got, err := canonicaljson.Append([]byte("x"), []byte(`{"b":1,"a":2}`))
	require.NoError(t, err)
	require.Equal(t, `x{"a":2,"b":1}`, string(got))
	got, err = canonicaljson.Append([]byte("x"), []byte(`{"b":`))
	require.Error(t, err)
	require.Equal(t, "x", string(got))
}

func TestEncode(t *testing.T) {
	t.Parallel()
	got, err := canonicaljson.Encode(map[string]any{"b": "<&>", "a": 3, "c": []string{"\u2028"}, "d": json.RawMessage(`{"y": 1, "x": 2}`)})
	require.NoError(t, err)
	require.Equal(t, `{"a":3,"b":"<&>","c":["`+"\u2028"+`"],"d":{"x":2,"y":1}}`, string(got))
	_, err = canonicaljson.Encode(map[string]any{"a": 1.5})
	require.ErrorIs(t, err, canonicaljson.ErrNumber)
	_, err = canonicaljson.Encode(func() {})
	require.Error(t, err)
}

func TestAppendStringAgreesWithCanonicalize(t *testing.T) {
	t.Parallel()
	for c := range rune(0x300) {
		s := "x" + string(c) + "y"
		quoted, err := json.Marshal(s)
		require.NoError(t, err)
		want, err := canonicaljson.Canonicalize(quoted)
		require.NoError(t, err)
		require.Equal(t, string(want), string(canonicaljson.AppendString(nil, s)))
	}
}

func TestReaders(t *testing.T) {
	t.Parallel()
	raw := []byte(` { "a" : [ 1 , "x]" , {"y":[2]} ] , "b\u0062" : { "c" : -7 } , "s" : "\"q\\" , "t":true } `)
	var keys []string
	for key := range canonicaljson.Members(raw) {
		keys = append(keys, canonicaljson.Key(key))
	}
	require.Equal(t, []string{"a", "bb", "s", "t"}, keys)

	v, ok := canonicaljson.Get(raw, "bb", "c")
	require.True(t, ok)
	n, ok := canonicaljson.Int(v)
	require.True(t, ok)
	require.EqualValues(t, -7, n)

	v, _ = canonicaljson.Get(raw, "s")
	s, ok := canonicaljson.String(v)
	require.True(t, ok)
	require.Equal(t, `"q\`, s)

	v, _ = canonicaljson.Get(raw, "a")
	require.True(t, canonicaljson.IsArray(v))
	var elements []string
	for e := range canonicaljson.Elements(v) {
		elements = append(elements, string(e))
	}
	require.Equal(t, []string{`1`, `"x]"`, `{"y":[2]}`}, elements)

	_, ok = canonicaljson.Get(raw, "bb", "c", "d")
	require.False(t, ok)
	_, ok = canonicaljson.Get(raw, "missing")
	require.False(t, ok)
	for _, notInt := range []string{``, `"1"`, `1.5`, `1e3`, `9007199254740992`, `null`, `-`} {
		_, ok := canonicaljson.Int([]byte(notInt))
		require.False(t, ok, notInt)
	}
	for _, notString := range []string{``, `"`, `1`, `null`, `{}`} {
		_, ok := canonicaljson.String([]byte(notString))
		require.False(t, ok, notString)
	}
}

func BenchmarkCanonicalizeMessage(b *testing.B) {
	raw := []byte(`{"msgtype":"m.text","body":"the quick brown fox jumps over the lazy dog","m.mentions":{"user_ids":["@alice:example.org"]},"format":"org.matrix.custom.html","formatted_body":"<b>the quick</b> brown fox"}`)
	dst := bytes.NewBuffer(nil).AvailableBuffer()
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if dst, err = canonicaljson.Append(dst[:0], raw); err != nil {
			b.Fatal(err)
		}
	}
}
