package canonicaljson

import (
	"iter"
	"strconv"
	"unicode/utf8"
)

// The readers below work on valid JSON, canonical or with white space, and build nothing. On bytes that are not JSON
// they find less than is there, but never fail in a worse way.

// Members yields the members of the object in raw in their order: the key between its quotes, with escapes as they
// are (which a canonical key that is plain ASCII text does not have), and the value. It yields nothing if raw holds
// no object.
func Members(raw []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		i := skipSpace(raw, 0)
		if i >= len(raw) || raw[i] != '{' {
			return
		}
		for i++; ; i++ {
			i = skipSpace(raw, i)
			if i >= len(raw) || raw[i] != '"' {
				return
			}
			keyEnd := skipString(raw, i)
			if keyEnd < 0 {
				return
			}
			key := raw[i+1 : keyEnd-1]
			i = skipSpace(raw, keyEnd)
			if i >= len(raw) || raw[i] != ':' {
				return
			}
			i = skipSpace(raw, i+1)
			end := skipValue(raw, i)
			if end < 0 || !yield(key, raw[i:end]) {
				return
			}
			i = skipSpace(raw, end)
			if i >= len(raw) || raw[i] != ',' {
				return
			}
		}
	}
}

// Elements yields the elements of the array in raw; nothing if raw holds no array.
func Elements(raw []byte) iter.Seq[[]byte] {
	return func(yield func(value []byte) bool) {
		i := skipSpace(raw, 0)
		if i >= len(raw) || raw[i] != '[' {
			return
		}
		for i++; ; i++ {
			i = skipSpace(raw, i)
			if i >= len(raw) || raw[i] == ']' {
				return
			}
			end := skipValue(raw, i)
			if end < 0 || !yield(raw[i:end]) {
				return
			}
			i = skipSpace(raw, end)
			if i >= len(raw) || raw[i] != ',' {
				return
			}
		}
	}
}

// Get returns the value of a member of the object in raw, or of members within members: Get(c, "a", "b") is c.a.b.
func Get(raw []byte, path ...string) (value []byte, ok bool) {
	for _, name := range path {
		if raw, ok = get(raw, name); !ok {
			return nil, false
		}
	}
	return raw, ok
}

func get(raw []byte, name string) ([]byte, bool) {
	for key, value := range Members(raw) {
		if KeyIs(key, name) {
			return value, true
		}
	}
	return nil, false
}

// KeyIs reports whether a key that [Members] yielded is name.
func KeyIs(key []byte, name string) bool {
	if string(key) == name {
		return true
	}
	for _, c := range key {
		if c == '\\' {
			return string(unescape(nil, key)) == name
		}
	}
	return false
}

// Key returns a key that [Members] yielded as text.
func Key(key []byte) string {
	for _, c := range key {
		if c == '\\' {
			return string(unescape(nil, key))
		}
	}
	return string(key)
}

// String returns the text of the string in raw; false if raw holds none.
func String(raw []byte) (string, bool) {
	if len(raw) < 2 || raw[0] != '"' || raw[len(raw)-1] != '"' {
		return "", false
	}
	return Key(raw[1 : len(raw)-1]), true
}

// Int returns the integer in raw; false if raw holds none, or one outside of ±[MaxInt].
func Int(raw []byte) (int64, bool) {
	if len(raw) == 0 || len(raw) > len("-9007199254740991") || raw[0] != '-' && !isDigit(raw[0]) {
		return 0, false
	}
	n, err := strconv.ParseInt(string(raw), 10, 64)
	return n, err == nil && -MaxInt <= n && n <= MaxInt
}

// IsObject reports whether raw holds an object.
func IsObject(raw []byte) bool { return first(raw) == '{' }

// IsArray reports whether raw holds an array.
func IsArray(raw []byte) bool { return first(raw) == '[' }

func first(raw []byte) byte {
	if i := skipSpace(raw, 0); i < len(raw) {
		return raw[i]
	}
	return 0
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// skipString returns the index after the string that starts at i, -1 if it does not end.
func skipString(b []byte, i int) int {
	for i++; i < len(b); i++ {
		switch b[i] {
		case '"':
			return i + 1
		case '\\':
			i++
		}
	}
	return -1
}

// skipValue returns the index after the value that starts at i, -1 if there is none or it does not end.
func skipValue(b []byte, i int) int {
	depth := 0
	for i < len(b) {
		switch b[i] {
		case '"':
			if i = skipString(b, i); i < 0 {
				return -1
			}
		case '{', '[':
			depth++
			i++
			continue
		case '}', ']':
			depth--
			i++
		case ',', ':', ' ', '\n', '\t', '\r':
			if depth <= 0 {
				return -1
			}
			i++
			continue
		default:
			start := i
			for i < len(b) && isScalar(b[i]) {
				i++
			}
			if i == start {
				return -1
			}
		}
		if depth <= 0 {
			if depth < 0 {
				return -1
			}
			return i
		}
	}
	return -1
}

// isScalar reports whether c can be part of a number, true, false or null.
func isScalar(c byte) bool {
	return isDigit(c) || 'a' <= c && c <= 'z' || c == '-' || c == '+' || c == '.' || c == 'E'
}

// unescape appends the text between the quotes of a string to dst. What is not an escape of JSON stays as it is.
func unescape(dst, s []byte) []byte {
	for i := 0; i < len(s); {
		if s[i] != '\\' {
			dst = append(dst, s[i])
			i++
			continue
		}
		r, n, err := readEscape(s[i:])
		if err != nil {
			dst = append(dst, s[i])
			i++
			continue
		}
		dst = utf8.AppendRune(dst, r)
		i += n
	}
	return dst
}
