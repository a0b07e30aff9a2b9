package main

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/myelin-hs/myelin/pkg/canonicaljson"
	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/eventauth"
	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/test/figures"
)

const server = "bench.example"

// signer signs as server, with a key that is the same in each run.
type signer struct{ key ed25519.PrivateKey }

func newSigner() signer {
	seed := sha256.Sum256([]byte(server))
	return signer{ed25519.NewKeyFromSeed(seed[:])}
}

func (signer) ServerName() id.ServerName    { return server }
func (signer) KeyID() string                { return "ed25519:bench" }
func (s signer) Sign(message []byte) []byte { return ed25519.Sign(s.key, message) }

// auth measures the check of a message as the owner of its room makes it: against the state in memory, with the power
// levels parsed before.
func auth() ([]figures.Row, error) {
	const members = 1000
	r, err := newRoom(event.DefaultVersion, members)
	if err != nil {
		return nil, err
	}
	messages := make([]*event.Event, members)
	for i := range messages {
		if messages[i], err = r.build(user(i), "m.room.message", nil, json.RawMessage(clientMessage)); err != nil {
			return nil, err
		}
	}
	var state eventauth.State = owned{r.state, eventauth.LevelsOf(r.version, r.state)}
	if err := eventauth.Check(r.version, messages[0], state); err != nil {
		return nil, fmt.Errorf("a message that should be allowed: %w", err)
	}
	refused, i := 0, 0
	check := func() {
		if eventauth.Check(r.version, messages[i], state) != nil {
			refused++
		}
		i = (i + 1) % members
	}
	ns := repeat("auth.message", "ns/op", func() float64 { return nanoseconds(check) })
	allocs := repeat("auth.message_allocs", "allocs/op", func() float64 { return testing.AllocsPerRun(10*members, check) })
	if refused > 0 {
		return nil, fmt.Errorf("%d messages were refused that should be allowed", refused)
	}
	return []figures.Row{
		figures.AtMost("auth.message", "ns/op", ns, 2000),
		figures.AtMost("auth.message_allocs", "allocs/op", allocs, 2),
	}, nil
}

// owned is a room's state with its power levels parsed, as its owner has them.
type owned struct {
	eventauth.MapState
	levels *eventauth.PowerLevels
}

func (o owned) PowerLevels() *eventauth.PowerLevels { return o.levels }

// build measures making a message, content as the client sent it, against one signature of the bytes that are signed.
func build() ([]figures.Row, error) {
	r, err := newRoom(event.DefaultVersion, 1)
	if err != nil {
		return nil, err
	}
	proto := r.proto(user(0), "m.room.message", nil, json.RawMessage(clientMessage))
	ev, err := event.Build(r.version, proto, r.signer)
	if err != nil {
		return nil, err
	}
	signed, err := signedBytes(ev)
	if err != nil {
		return nil, err
	}
	failed := 0
	value := repeat("event.build_ratio", "", func() float64 {
		return ratio(func() {
			if _, err := event.Build(r.version, proto, r.signer); err != nil {
				failed++
			}
		}, func() { r.signer.Sign(signed) })
	})
	if failed > 0 {
		return nil, fmt.Errorf("%d events could not be built", failed)
	}
	return []figures.Row{figures.AtMost("event.build_ratio", "ratio", value, 1.6)}, nil
}

// signedBytes are the redacted event without its signatures.
func signedBytes(ev *event.Event) ([]byte, error) {
	redacted, err := event.Redact(ev.Version(), ev.JSON())
	if err != nil {
		return nil, err
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(redacted, &members); err != nil {
		return nil, err
	}
	delete(members, "signatures")
	return canonicaljson.Encode(members)
}
