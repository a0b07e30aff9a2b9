package event

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strings"

	"github.com/myelin-hs/myelin/pkg/canonicaljson"
	"github.com/myelin-hs/myelin/pkg/id"
)

// ErrHash is the error of [VerifyHash].
var ErrHash = errors.New("content hash does not match")

// VerifyHash checks the content hash: that nothing was changed or redacted since the sender's server signed. An event
// that fails is to be used redacted. The error is [ErrHash].
func VerifyHash(ev *Event) error {
	raw, _ := canonicaljson.Get(ev.raw, "hashes", "sha256")
	s, _ := canonicaljson.String(raw)
	want, err := decodeBase64(s)
	if err != nil {
		return ErrHash
	}
	body := append(make([]byte, 0, len(ev.raw)), '{')
	for key, value := range canonicaljson.Members(ev.raw) {
		if k := string(key); k != "hashes" && k != "signatures" {
			body = append(appendKey(body, 1, key), value...)
		}
	}
	sum := sha256.Sum256(append(body, '}'))
	if !bytes.Equal(sum[:], want) {
		return ErrHash
	}
	return nil
}

// ReferenceHash returns the reference hash of an event (server-server API, "Calculating the reference hash for an
// event"): the 32 bytes of the SHA-256 of what redaction leaves of it, without signatures. It is what the event's id is
// made of, or, with EventIDInEvent, what stands beside its id where other events refer to it.
func ReferenceHash(ev *Event) []byte {
	sum := sha256.Sum256(ev.signed())
	return sum[:]
}

// signed returns what the signatures of the event cover, and its reference hash too.
func (e *Event) signed() []byte {
	return e.version.Redaction.append(make([]byte, 0, len(e.raw)), e.raw, e.evType, "signatures")
}

// hashID returns the event id that is made of the reference hash of what is signed.
func hashID(v *Version, signed []byte) id.EventID {
	sum := sha256.Sum256(signed)
	var buf [1 + 43]byte
	buf[0] = '$'
	v.EventIDEncoding.Encode(buf[1:], sum[:])
	return id.EventID(buf[:])
}

// decodeBase64 reads base64 with or without padding (appendices, "Unpadded Base64").
func decodeBase64(s string) ([]byte, error) {
	return base64.RawStdEncoding.DecodeString(strings.TrimRight(s, "="))
}
