package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/myelin-hs/myelin/pkg/canonicaljson"
	"github.com/myelin-hs/myelin/test/figures"
)

// clientMessage is the content of a message with a reply and a mention, its keys in the order that a client has them.
const clientMessage = `{"msgtype":"m.text","body":"> <@alice:example.org> shall we meet at noon?\n\nbob: yes, at the usual place 🙂","format":"org.matrix.custom.html","formatted_body":"<mx-reply><blockquote><a href=\"https://matrix.to/#/!room:example.org/$event\">In reply to</a> <a href=\"https://matrix.to/#/@alice:example.org\">@alice:example.org</a><br>shall we meet at noon?</blockquote></mx-reply>bob: yes, at the <b>usual</b> place 🙂","m.relates_to":{"m.in_reply_to":{"event_id":"$Rqnc-F-dvnEYJTyHq_iKxU2bZ1CI92-kuZq3a5lr5Zg"}},"m.mentions":{"user_ids":["@alice:example.org"]}}`

// mix is JSON as it comes to a homeserver: from clients, whose keys are in the order of their source, and from other
// servers, as whole events.
var mix = []string{
	`{"msgtype":"m.text","body":"good morning"}`,
	clientMessage,
	`{"membership":"join","displayname":"Zoë 🦊","avatar_url":"mxc://example.org/SEsfnsuifSDFSSEF","reason":"\u00e0 bient\u00f4t"}`,
	`{"users":{"@zoe:example.org":100,"@adam:example.org":50,"@mia:example.com":50,"@bot:example.net":25},"users_default":0,"events":{"m.room.name":50,"m.room.power_levels":100,"m.room.history_visibility":100,"m.room.canonical_alias":50,"m.room.avatar":50,"m.room.tombstone":100,"m.room.server_acl":100,"m.room.encryption":100},"events_default":0,"state_default":50,"ban":50,"kick":50,"redact":50,"invite":0,"historical":100,"notifications":{"room":50}}`,
	`{"type":"m.room.create","state_key":"","sender":"@zoe:example.org","content":{"room_version":"12","type":"m.space","predecessor":{"room_id":"!old:example.org"},"additional_creators":["@adam:example.org","@mia:example.com"],"m.federate":true},"depth":1,"prev_events":[],"auth_events":[],"origin_server_ts":1700000000000,"hashes":{"sha256":"uYxPzbHkjkPEUpaPKGB6JZ+hLTnOqYC5K2AEnC9RjpA"},"signatures":{"example.org":{"ed25519:a_1234":"z5TL0pTXtqZ9kmzUUTTKvvt6BUKoVkpSm5z4ahpwj7WHQj5PjgPTGZg5sYtXnWq2UCPSoa7MJ4qsL6KSVrOqAQ"}}}`,
	`{"type":"m.room.encrypted","sender":"@adam:example.org","room_id":"!Rqnc-F-dvnEYJTyHq_iKxU2bZ1CI92-kuZq3a5lr5Zg","content":{"algorithm":"m.megolm.v1.aes-sha2","sender_key":"IlRMeOPX2e0MurIyfWEucYBRVOEEUMrOHqn/8mLqMjA","ciphertext":"` + strings.Repeat("AwgAEnACgAkLmt6qF84IK+", 24) + `","session_id":"X3lUlvLELLYxeTx4yOVu6UDpasGEVO0Jbu+QFnm0cKQ","device_id":"RJYKSTBOIE"},"depth":4711,"origin_server_ts":1700000000123,"prev_events":["$Rqnc-F-dvnEYJTyHq_iKxU2bZ1CI92-kuZq3a5lr5Zg"],"auth_events":["$urlsafe_base64_encoded_eventidAAAAAAAAAAAAA","$a-different-event-id-AAAAAAAAAAAAAAAAAAAAAAAA"],"hashes":{"sha256":"uYxPzbHkjkPEUpaPKGB6JZ+hLTnOqYC5K2AEnC9RjpA"},"signatures":{"example.org":{"ed25519:a_1234":"z5TL0pTXtqZ9kmzUUTTKvvt6BUKoVkpSm5z4ahpwj7WHQj5PjgPTGZg5sYtXnWq2UCPSoa7MJ4qsL6KSVrOqAQ"}},"unsigned":{"age":1234}}`,
	large(),
}

// large is a message with a pasted log: long strings, many escapes.
func large() string {
	body, err := json.Marshal(strings.Repeat("12:00:01.337 WARN  [worker-7] retrying \"GET /path\\to\\thing\": deadline exceeded\n\tat line 42 → später\n", 25))
	if err != nil {
		panic(err)
	}
	return `{"msgtype":"m.notice","format":"org.matrix.custom.html","body":` + string(body) + `,"formatted_body":` + string(body) + `}`
}

// canonical measures canonical JSON of the mix against reading and writing it with encoding/json.
func canonical() ([]figures.Row, error) {
	raw := make([][]byte, len(mix))
	for i, text := range mix {
		raw[i] = []byte(text)
		if out, err := canonicaljson.Canonicalize(raw[i]); err != nil {
			return nil, fmt.Errorf("%.60s…: %w", text, err)
		} else if string(out) == text {
			return nil, fmt.Errorf("is canonical already: %.60s…", text)
		}
	}
	failed := 0
	ours := func() {
		for _, b := range raw {
			if _, err := canonicaljson.Canonicalize(b); err != nil {
				failed++
			}
		}
	}
	floor := func() {
		for _, b := range raw {
			var v any
			if json.Unmarshal(b, &v) != nil {
				failed++
			} else if _, err := json.Marshal(v); err != nil {
				failed++
			}
		}
	}
	value := repeat("canonicaljson.ratio", "", func() float64 { return ratio(floor, ours) })
	if failed > 0 {
		return nil, fmt.Errorf("%d values could not be encoded", failed)
	}
	return []figures.Row{figures.AtLeast("canonicaljson.ratio", "ratio", value, 2)}, nil
}
