// Package canonicaljson writes the one encoding of a JSON value that Matrix hashes and signs (appendices, "Canonical
// JSON"), and reads values out of it without building trees.
//
// Writing is strict, as room versions 6 and later enforce it: numbers are integers within ±(2^53-1), keys do not repeat,
// strings are UTF-8, nesting is at most [MaxDepth]. As in the specification's examples, -0 and an integer with an
// exponent (1e10) are rewritten; anything with a decimal point is refused. Earlier room versions must not enforce it:
// [AppendLenient] takes numbers of every kind.
package canonicaljson

import (
	"encoding/json"
	"errors"
	"fmt"
)

const (
	// MaxInt is the greatest integer that canonical JSON can hold; -MaxInt is the smallest.
	MaxInt = 1<<53 - 1
	// MaxDepth is how deeply arrays and objects may nest.
	MaxDepth = 512
)

// Reasons for a refusal; [Error] wraps one of them.
var (
	ErrSyntax       = errors.New("not JSON")
	ErrNumber       = errors.New("numbers must be integers")
	ErrRange        = errors.New("number out of range")
	ErrDuplicateKey = errors.New("duplicate key")
	ErrUTF8         = errors.New("not UTF-8")
	ErrDepth        = errors.New("nested too deeply")
)

// An Error says what is wrong and where.
type Error struct {
	Offset int // in bytes of the input
	// Field is the path of the value, such as "content.users[2].name", cut off if it is long; "" is the whole.
	Field string
	Err   error
}

func (e *Error) Error() string {
	if e.Field == "" {
		return fmt.Sprintf("canonical JSON: %v at byte %d", e.Err, e.Offset)
	}
	return fmt.Sprintf("canonical JSON: %s: %v at byte %d", e.Field, e.Err, e.Offset)
}

// Unwrap returns the reason.
func (e *Error) Unwrap() error { return e.Err }

// Encode returns the canonical encoding of a Go value, by way of [json.Marshal]. Errors are those of json.Marshal and
// [*Error].
func Encode(v any) ([]byte, error) {
	raw, ok := v.(json.RawMessage)
	if !ok {
		var err error
		if raw, err = json.Marshal(v); err != nil {
			return nil, fmt.Errorf("canonical JSON: %w", err)
		}
	}
	return Canonicalize(raw)
}

// Canonicalize returns the canonical encoding of the JSON value in raw, which is not changed. Errors are [*Error].
func Canonicalize(raw []byte) ([]byte, error) {
	return Append(make([]byte, 0, len(raw)), raw)
}

// Append appends the canonical encoding of the JSON value in raw to dst. If it fails, it returns dst as it was. raw
// and the spare room of dst must not overlap. Errors are [*Error].
func Append(dst, raw []byte) ([]byte, error) {
	return encode(dst, raw, false)
}

// AppendLenient is [Append] for what room versions 1 to 5 tolerate: numbers that are fractions, in exponential notation
// or beyond ±(2^53-1). The specification has no canonical form for them, so this is the one that their events were
// hashed in, that of Python's json module, which the specification's reference code calls: integers of any size keep
// their digits, anything with a point or an exponent is the nearest IEEE 754 double and written as Python writes it
// (1e2 is 100.0, 1e16 is 1e+16). A number beyond the doubles is refused. So are, as in [Append], repeated keys, what is
// not UTF-8 and depth: parsers differ in what they make of these, so servers would not agree on a hash.
func AppendLenient(dst, raw []byte) ([]byte, error) {
	return encode(dst, raw, true)
}

func encode(dst, raw []byte, lenient bool) ([]byte, error) {
	w := writers.Get().(*writer)
	w.src, w.pos, w.dst, w.lenient = raw, 0, dst, lenient
	w.space()
	err := w.value(1)
	if err == nil {
		w.space()
		if w.pos < len(raw) {
			err = ErrSyntax
		}
	}
	out, offset, field := w.dst, w.pos, w.field
	w.release()
	if err != nil {
		return dst, &Error{Offset: offset, Field: field, Err: err}
	}
	return out, nil
}
