package event

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/myelin-hs/myelin/pkg/canonicaljson"
	"github.com/myelin-hs/myelin/pkg/id"
)

// A Signer signs events in the name of a homeserver; *keyring.Key is one.
type Signer interface {
	ServerName() id.ServerName
	// KeyID is the signing key identifier, such as "ed25519:a_1234".
	KeyID() string
	// Sign returns the signature of the bytes, 64 bytes for ed25519.
	Sign(message []byte) []byte
}

// A Proto is an event that has not been built yet.
type Proto struct {
	// RoomID is empty for the create event of a version with RoomIDFromCreate.
	RoomID id.RoomID
	Sender id.UserID
	Type   string
	// StateKey is nil for a message event.
	StateKey *string
	// Content is a JSON object, canonical or not.
	Content    json.RawMessage
	PrevEvents []id.EventID
	AuthEvents []id.EventID
	// Depth above [Version.MaxInt] is cut down to that. Where that is all of int64, one more than the depth of another
	// event may not be an int64.
	Depth int64
	// OriginServerTS is in milliseconds since 1970.
	OriginServerTS int64
	// Redacts is for m.room.redaction; it goes where the room version has it, in place of what content says.
	Redacts id.EventID
	// ReferenceHash gives the [ReferenceHash] of each event that PrevEvents and AuthEvents name. Versions with
	// EventIDInEvent need it; others do not ask.
	ReferenceHash func(id.EventID) []byte
}

// buffers holds scratch space of Build, for events of ordinary size.
var buffers = sync.Pool{New: func() any { return &buffer{} }}

type buffer struct{ content, body, signed []byte }

const maxPooled = 16 << 10

// Build makes an event: content hash, signature of the sender's server, id (server-server API, "Adding hashes and
// signatures to outgoing events"). Errors are [*canonicaljson.Error] about the content and [*FieldError]; those about
// sizes wrap [ErrTooLarge].
func Build(v *Version, p Proto, signer Signer) (*Event, error) {
	if err := checkProto(v, &p, signer); err != nil {
		return nil, err
	}
	b := buffers.Get().(*buffer)
	defer func() {
		if cap(b.content)+cap(b.body)+cap(b.signed) <= maxPooled {
			buffers.Put(b)
		}
	}()

	var err error
	if b.content, err = v.AppendCanonical(b.content[:0], p.Content); err != nil {
		return nil, ofContent(err)
	}
	if !canonicaljson.IsObject(b.content) {
		return nil, bad("content", "not an object")
	}
	if p.Redacts != "" && v.RedactsInContent {
		b.content = setString(b.content, "redacts", string(p.Redacts))
	}

	// The hash of the event without hashes and signatures; then these two are put in their places.
	var at places
	if b.body, at, err = appendBody(b.body[:0], v, &p, newEventID(v, signer), b.content); err != nil {
		return nil, err
	}
	sum := sha256.Sum256(b.body)
	var hash [43]byte
	base64.RawStdEncoding.Encode(hash[:], sum[:])

	b.signed = append(b.signed[:0], b.body[:at.hashes]...)
	b.signed = appendHashes(b.signed, hash[:])
	b.signed = append(b.signed, b.body[at.hashes:]...)
	hashed := len(b.signed)
	b.signed = v.Redaction.append(b.signed, b.signed, p.Type, "")
	signed := b.signed[hashed:]
	signature := signer.Sign(signed)

	raw := make([]byte, 0, hashed+len(signer.ServerName())+len(signer.KeyID())+128)
	raw = append(raw, b.body[:at.hashes]...)
	raw = appendHashes(raw, hash[:])
	raw = append(raw, b.body[at.hashes:at.signatures]...)
	raw = append(raw, `,"signatures":{`...)
	raw = canonicaljson.AppendString(raw, string(signer.ServerName()))
	raw = append(raw, ':', '{')
	raw = canonicaljson.AppendString(raw, signer.KeyID())
	raw = append(raw, ':', '"')
	raw = base64.RawStdEncoding.AppendEncode(raw, signature)
	raw = append(raw, '"', '}', '}')
	raw = append(raw, b.body[at.signatures:]...)
	if err := checkSize("event", len(raw), MaxSize); err != nil {
		return nil, err
	}

	e := &Event{version: v, raw: raw}
	if err := e.readFields(); err != nil {
		return nil, err
	}
	if !v.EventIDInEvent {
		e.id = hashID(v, signed)
	}
	e.deriveRoomID()
	return e, nil
}

// ofContent makes an error about the content alone one about the event.
func ofContent(err error) error {
	var refused *canonicaljson.Error
	if !errors.As(err, &refused) {
		return err
	}
	located := *refused
	located.Field = strings.TrimSuffix("content."+refused.Field, ".")
	return &located
}

// newEventID returns the event_id of a new event, where the room version has one. 128 random bits do not repeat.
func newEventID(v *Version, signer Signer) id.EventID {
	if !v.EventIDInEvent {
		return ""
	}
	return id.EventID("$" + rand.Text() + ":" + string(signer.ServerName()))
}

// checkProto checks what reading the finished event would not, or would report less well.
func checkProto(v *Version, p *Proto, signer Signer) error {
	switch create := v.RoomIDFromCreate && p.Type == "m.room.create"; {
	case create && p.RoomID != "":
		return bad("room_id", "the create event has none in room version %s", v.ID)
	case !create && p.RoomID == "":
		return bad("room_id", "missing")
	case p.Type == "":
		return bad("type", "missing or empty")
	case !utf8.ValidString(p.Type):
		return bad("type", "not UTF-8")
	case p.StateKey != nil && !utf8.ValidString(*p.StateKey):
		return bad("state_key", "not UTF-8")
	case !utf8.ValidString(string(p.Redacts)):
		return bad("redacts", "not UTF-8")
	case p.Sender.ServerName() != signer.ServerName():
		return bad("sender", "not a user of the signing server %s", signer.ServerName())
	case p.OriginServerTS < -v.MaxInt() || p.OriginServerTS > v.MaxInt():
		return bad("origin_server_ts", "outside of ±%d", v.MaxInt())
	case p.Depth < 0:
		return bad("depth", "negative")
	}
	p.Depth = min(p.Depth, v.MaxInt())
	return nil
}

// places are the indices in the body of an event where hashes and signatures belong.
type places struct{ hashes, signatures int }

// appendBody appends the canonical event without hashes and signatures.
func appendBody(dst []byte, v *Version, p *Proto, eventID id.EventID, content []byte) ([]byte, places, error) {
	var at places
	var err error
	dst = append(dst, `{"auth_events":`...)
	if dst, err = appendReferences(dst, v, p, "auth_events", p.AuthEvents); err != nil {
		return dst, at, err
	}
	dst = append(dst, `,"content":`...)
	dst = append(dst, content...)
	dst = append(dst, `,"depth":`...)
	dst = canonicaljson.AppendInt(dst, p.Depth)
	if eventID != "" {
		dst = append(dst, `,"event_id":`...)
		dst = canonicaljson.AppendString(dst, string(eventID))
	}
	at.hashes = len(dst)
	dst = append(dst, `,"origin_server_ts":`...)
	dst = canonicaljson.AppendInt(dst, p.OriginServerTS)
	dst = append(dst, `,"prev_events":`...)
	if dst, err = appendReferences(dst, v, p, "prev_events", p.PrevEvents); err != nil {
		return dst, at, err
	}
	if p.Redacts != "" && !v.RedactsInContent {
		dst = append(dst, `,"redacts":`...)
		dst = canonicaljson.AppendString(dst, string(p.Redacts))
	}
	if p.RoomID != "" {
		dst = append(dst, `,"room_id":`...)
		dst = canonicaljson.AppendString(dst, string(p.RoomID))
	}
	dst = append(dst, `,"sender":`...)
	dst = canonicaljson.AppendString(dst, string(p.Sender))
	at.signatures = len(dst)
	if p.StateKey != nil {
		dst = append(dst, `,"state_key":`...)
		dst = canonicaljson.AppendString(dst, *p.StateKey)
	}
	dst = append(dst, `,"type":`...)
	dst = canonicaljson.AppendString(dst, p.Type)
	return append(dst, '}'), at, nil
}

func appendHashes(dst, hash []byte) []byte {
	dst = append(dst, `,"hashes":{"sha256":"`...)
	dst = append(dst, hash...)
	return append(dst, '"', '}')
}

// setString is [setMember] with a string.
func setString(canonical []byte, name, text string) []byte {
	return setMember(canonical, name, canonicaljson.AppendString(make([]byte, 0, len(text)+2), text))
}

// setMember returns the canonical object with a member put in, in place of one of that name.
func setMember(canonical []byte, name string, member []byte) []byte {
	out := append(make([]byte, 0, len(canonical)+len(name)+len(member)+8), '{')
	set := false
	put := func() {
		if !set {
			out = append(appendKey(out, 1, []byte(name)), member...)
			set = true
		}
	}
	for key, value := range canonicaljson.Members(canonical) {
		if canonicaljson.Key(key) >= name {
			put()
		}
		if string(key) != name {
			out = append(appendKey(out, 1, key), value...)
		}
	}
	put()
	return append(out, '}')
}
