package event_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/canonicaljson"
	"github.com/myelin-hs/myelin/pkg/event"
)

// eachVersion runs a test for each version; from reports whether a version is the named one or a later one.
func eachVersion(t *testing.T, test func(t *testing.T, v *event.Version, from func(versionID string) bool)) {
	t.Helper()
	for i, v := range event.Versions {
		t.Run(v.ID, func(t *testing.T) {
			t.Parallel()
			test(t, v, func(versionID string) bool {
				for _, w := range event.Versions[:i+1] {
					if w.ID == versionID {
						return true
					}
				}
				return false
			})
		})
	}
}

// validIn is valid for another room version.
func validIn(t testing.TB, v *event.Version, replace map[string]string) []byte {
	fields := map[string]string{}
	if !v.RoomIDFromCreate {
		fields["room_id"] = `"!room:hs.example"`
	}
	if v.EventIDInEvent {
		fields["event_id"], fields["prev_events"] = `"$event:hs.example"`, `[["$prev:hs.example",{"sha256":"x"}]]`
	}
	for k, value := range replace {
		fields[k] = value
	}
	return valid(t, fields)
}

// TestPropertiesOfVersions holds the table against the pages of the versions.
func TestPropertiesOfVersions(t *testing.T) {
	t.Parallel()
	const all = "1 2 3 4 5 6 7 8 9 10 11 12"
	properties := map[string]string{
		"Stable":              all,
		"EventIDInEvent":      "1 2",
		"StrictCanonicalJSON": "6 7 8 9 10 11 12",
		"RoomIDFromCreate":    "12",
		"CreatorInContent":    "1 2 3 4 5 6 7 8 9 10",
		"CreateInAuthEvents":  "1 2 3 4 5 6 7 8 9 10 11",
		"PrivilegedCreators":  "12",
		"FloatPowerLevels":    "1 2 3 4 5",
		"StringPowerLevels":   "1 2 3 4 5 6 7 8 9",
		"StrictPowerLevels":   "10 11 12",
		"NotificationLevels":  "6 7 8 9 10 11 12",
		"AliasesRule":         "1 2 3 4 5",
		"RedactionRule":       "1 2",
		"Knocking":            "7 8 9 10 11 12",
		"RestrictedJoins":     "8 9 10 11 12",
		"KnockRestricted":     "10 11 12",
		"RedactsInContent":    "11 12",
		"EnforceKeyValidity":  "5 6 7 8 9 10 11 12",
	}
	for _, field := range reflect.VisibleFields(reflect.TypeFor[event.Version]()) {
		if field.Type.Kind() != reflect.Bool {
			continue
		}
		var got []string
		for _, v := range event.Versions {
			if reflect.ValueOf(v).Elem().FieldByIndex(field.Index).Bool() {
				got = append(got, v.ID)
			}
		}
		require.Equal(t, properties[field.Name], strings.Join(got, " "), field.Name)
	}
	var got []string
	for _, v := range event.Versions {
		got = append(got, string(v.StateResolution))
	}
	require.Equal(t, "1 2 2 2 2 2 2 2 2 2 2 2.1", strings.Join(got, " "))
	require.Equal(t, "12", event.DefaultVersion.ID)
	_, ok := event.LookupVersion("nope")
	require.False(t, ok)
}

func TestStrictnessOfVersions(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, v *event.Version, from func(string) bool) {
		for number, kept := range map[string]string{
			`1.50`: `1.5`, `1e400`: "", `1e-7`: `1e-07`, `9007199254740992`: `9007199254740992`, `1.0`: `1.0`,
			`-99999999999999999999999`: `-99999999999999999999999`,
		} {
			content := `{"a":` + number + `}`
			ev, err := event.Parse(v, validIn(t, v, map[string]string{"content": content}))
			redacted, redactErr := event.Redact(v, validIn(t, v, map[string]string{"depth": number}))
			p := proto(v)
			p.Content = json.RawMessage(content)
			built, buildErr := event.Build(v, p, newSigner())
			if from("6") || kept == "" {
				for field, errs := range map[string][]error{"content.a": {err, buildErr}, "depth": {redactErr}} {
					for _, err := range errs {
						var located *canonicaljson.Error
						require.ErrorAs(t, err, &located, number)
						require.Equal(t, field, located.Field)
					}
				}
				continue
			}
			require.NoError(t, err)
			require.NoError(t, buildErr)
			require.NoError(t, redactErr)
			require.Equal(t, `{"a":`+kept+`}`, string(ev.Content()))
			require.Equal(t, `{"a":`+kept+`}`, string(built.Content()))
			require.NoError(t, event.VerifyHash(built))
			depth, _ := canonicaljson.Get(redacted, "depth")
			require.Equal(t, kept, string(depth))
		}
		for _, refused := range []string{`{"a":1,"a":1}`, "{\"a\":\"\xff\"}", `{"a":"\ud800"}`, `{"a":01}`} {
			raw := strings.Replace(string(validIn(t, v, map[string]string{"content": `{"CONTENT":1}`})), `{"CONTENT":1}`, refused, 1)
			_, err := event.Parse(v, []byte(raw))
			var located *canonicaljson.Error
			require.ErrorAs(t, err, &located, refused)
		}
	})
}

func TestIntegersOfVersions(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, v *event.Version, from func(string) bool) {
		greatest, tooGreat := `9223372036854775807`, `9223372036854775808`
		if from("6") {
			greatest, tooGreat = `9007199254740991`, `9007199254740992`
		}
		for _, field := range []string{"depth", "origin_server_ts"} {
			ev, err := event.Parse(v, validIn(t, v, map[string]string{field: greatest}))
			require.NoError(t, err)
			require.Equal(t, greatest, fmt.Sprint(map[string]int64{"depth": ev.Depth(), "origin_server_ts": ev.OriginServerTS()}[field]))
			_, err = event.Parse(v, validIn(t, v, map[string]string{field: tooGreat}))
			require.Error(t, err)
			if !from("6") {
				requireField(t, err, field)
			}
			// No version lets what is not an integer stand for one.
			for _, bad := range []string{`3.0`, `3.5`, `"3"`, `true`, `null`, `[]`} {
				_, err = event.Parse(v, validIn(t, v, map[string]string{field: bad}))
				require.Error(t, err, bad)
			}
		}
		_, err := event.Parse(v, validIn(t, v, map[string]string{"depth": `-1`}))
		requireField(t, err, "depth")

		p := proto(v)
		p.Depth, p.OriginServerTS = v.MaxInt(), v.MaxInt()
		ev, err := event.Build(v, p, newSigner())
		require.NoError(t, err)
		require.Equal(t, greatest, fmt.Sprint(ev.Depth()))
		require.Equal(t, greatest, fmt.Sprint(ev.OriginServerTS()))
	})
}

func TestIDsOfVersions(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, v *event.Version, from func(string) bool) {
		// The examples on the version pages and in the schemas of the PDUs.
		accepted := []string{
			`"$a4ecee13e2accdadf56c1025:example.com"`, `"$acR1l0raoZnm60CBwAVgqbZqoO/mYU81xysh1u7XcJk"`,
			`"$Rqnc-F-dvnEYJTyHq_iKxU2bZ1CI92-kuZq3a5lr5Zg"`,
		}
		refused := []string{`3`, `""`, `"$"`, `"x"`, `null`, `["$a:b"]`, `["$a:b",{},{}]`, `[{},"$a:b"]`, `["$a:b","x"]`, `"$` + strings.Repeat("x", 255) + `"`}
		if !from("3") {
			refused = append(refused, accepted...)
			refused = append(refused, `["$Rqnc-F-dvnEYJTyHq_iKxU2bZ1CI92-kuZq3a5lr5Zg",{"sha256":"x"}]`, `[3,{"sha256":"x"}]`)
			accepted = []string{`["$af232176:example.org",{"sha256":"abase64encodedsha256hashshouldbe43byteslong"}]`, `["$a:b:8448",{}]`}
		} else {
			refused = append(refused, `["$af232176:example.org",{"sha256":"abase64encodedsha256hashshouldbe43byteslong"}]`)
		}
		for _, field := range []string{"prev_events", "auth_events"} {
			for _, reference := range accepted {
				_, err := event.Parse(v, validIn(t, v, map[string]string{field: `[` + reference + `]`}))
				require.NoError(t, err, reference)
			}
			for _, reference := range refused {
				_, err := event.Parse(v, validIn(t, v, map[string]string{field: `[` + accepted[0] + `,` + reference + `]`}))
				requireField(t, err, field)
				require.ErrorContains(t, err, "element 1")
			}
			limit := map[string]int{"prev_events": event.MaxPrevEvents, "auth_events": event.MaxAuthEvents}[field]
			full := strings.TrimSuffix(strings.Repeat(accepted[0]+",", limit), ",")
			_, err := event.Parse(v, validIn(t, v, map[string]string{field: `[` + full + `]`}))
			require.NoError(t, err)
			_, err = event.Parse(v, validIn(t, v, map[string]string{field: `[` + full + `,` + accepted[0] + `]`}))
			requireField(t, err, field)
		}

		for _, eventID := range []string{"", `3`, `"$"`, `"a:b"`, `"$a"`, `"$a:"`, `"$Rqnc-F-dvnEYJTyHq_iKxU2bZ1CI92-kuZq3a5lr5Zg"`, `"$` + strings.Repeat("x", 254) + `:b"`} {
			_, err := event.Parse(v, validIn(t, v, map[string]string{"event_id": eventID}))
			if from("3") {
				require.NoError(t, err, "a field like others")
			} else {
				requireField(t, err, "event_id")
			}
		}
		for roomID, want := range map[string]bool{`"!room:hs.example"`: !from("12"), `"` + string(room) + `"`: from("12")} {
			_, err := event.Parse(v, validIn(t, v, map[string]string{"room_id": roomID}))
			if want {
				require.NoError(t, err)
			} else {
				requireField(t, err, "room_id")
			}
		}
		create := map[string]string{"type": `"m.room.create"`, "state_key": `""`, "room_id": ""}
		ev, err := event.Parse(v, validIn(t, v, create))
		if from("12") {
			require.NoError(t, err)
			require.Equal(t, "!"+string(ev.ID()[1:]), string(ev.RoomID()))
		} else {
			requireField(t, err, "room_id")
		}
	})
}

// TestIDIsTheReferenceHash: the same event has the same hash in versions with the same redaction, in their alphabets.
func TestIDIsTheReferenceHash(t *testing.T) {
	t.Parallel()
	v3, v4 := version(t, "3"), version(t, "4")
	alphabet := strings.NewReplacer("+", "-", "/", "_")
	odd := 0
	for depth := range 64 {
		raw := validIn(t, v3, map[string]string{"depth": fmt.Sprint(depth)})
		third, err := event.Parse(v3, raw)
		require.NoError(t, err)
		fourth, err := event.Parse(v4, raw)
		require.NoError(t, err)
		require.Equal(t, reference(t, raw), string(fourth.ID()))
		require.Equal(t, string(fourth.ID()), alphabet.Replace(string(third.ID())))
		if third.ID() != fourth.ID() {
			odd++
		}
	}
	require.Positive(t, odd)
}

// TestRedactsOfVersions: a redaction names its target at the top or in the content, never in both.
func TestRedactsOfVersions(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, v *event.Version, from func(string) bool) {
		raw := validIn(t, v, map[string]string{"type": `"m.room.redaction"`, "redacts": `"$top"`, "content": `{"redacts":"$content"}`})
		ev, err := event.Parse(v, raw)
		require.NoError(t, err)
		want := "$top"
		if from("11") {
			want = "$content"
		}
		require.EqualValues(t, want, ev.Redacts())

		p := proto(v)
		p.Type, p.Redacts = "m.room.redaction", other
		ev, err = event.Build(v, p, newSigner())
		require.NoError(t, err)
		require.Equal(t, other, ev.Redacts())
		top, atTop := canonicaljson.Get(ev.JSON(), "redacts")
		inside, inContent := canonicaljson.Get(ev.Content(), "redacts")
		require.Equal(t, from("11"), inContent)
		require.Equal(t, !from("11"), atTop)
		require.Equal(t, `"`+string(other)+`"`, string(top)+string(inside))

		// Only a redaction redacts.
		ev, err = event.Parse(v, validIn(t, v, map[string]string{"redacts": `"$top"`, "content": `{"redacts":"$content"}`}))
		require.NoError(t, err)
		require.Empty(t, ev.Redacts())
	})
}

// TestSizesOfVersions: the limits are in bytes, and the same in every version.
func TestSizesOfVersions(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, v *event.Version, from func(string) bool) {
		text := func(prefix string, size int, suffix string) string {
			fill := size - len(prefix) - len(suffix)
			return `"` + prefix + strings.Repeat("é", fill/2) + strings.Repeat("x", fill%2) + suffix + `"`
		}
		limits := map[string]func(size int) string{
			"type":      func(size int) string { return text("", size, "") },
			"state_key": func(size int) string { return text("", size, "") },
			"sender":    func(size int) string { return text("@", size, ":x") },
		}
		if !from("12") {
			limits["room_id"] = func(size int) string { return text("!", size, ":x") }
		}
		if !from("3") {
			limits["event_id"] = func(size int) string { return text("$", size, ":x") }
		}
		for field, value := range limits {
			_, err := event.Parse(v, validIn(t, v, map[string]string{field: value(255)}))
			require.NoError(t, err, field)
			_, err = event.Parse(v, validIn(t, v, map[string]string{field: value(256)}))
			requireField(t, err, field)
			require.ErrorIs(t, err, event.ErrTooLarge)
		}
		sized := func(size int) (*event.Event, error) {
			return event.Parse(v, validIn(t, v, map[string]string{"content": `{"b":"` + strings.Repeat("x", size) + `"}`, "unsigned": `{"age":5}`}))
		}
		ev, err := sized(0)
		require.NoError(t, err)
		left := event.MaxSize - len(ev.JSON())
		_, err = sized(left)
		require.NoError(t, err, "unsigned does not count")
		_, err = sized(left + 1)
		requireField(t, err, "event")
		require.ErrorIs(t, err, event.ErrTooLarge)
	})
}
