package canonicaljson

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf16"
	"unicode/utf8"
)

// A writer reads src once, front to back, and appends each value to dst as it goes. Members of an object are appended
// in the order in which they come; only if that is not the canonical order are they put right, when the object closes.
type writer struct {
	src []byte
	pos int
	dst []byte
	// lenient lets numbers be of every kind.
	lenient bool
	// members of the objects that are open, innermost last.
	members []member
	scratch []byte
	// field is the path of what was refused, put together on the way out.
	field string
}

// writers keeps the scratch space of writers for the next ones.
var writers = sync.Pool{New: func() any { return new(writer) }}

// maxScratch is above what events need; the space of larger values is not kept.
const maxScratch = 64 << 10

func (w *writer) release() {
	w.src, w.dst, w.members, w.field = nil, nil, w.members[:0], ""
	if cap(w.scratch) <= maxScratch && cap(w.members) <= maxScratch/64 {
		writers.Put(w)
	}
}

// A member is a range of dst: "key":value, without the comma.
type member struct {
	start, keyEnd, end int // the key with its quotes is dst[start:keyEnd]
}

func (w *writer) space() {
	for w.pos < len(w.src) {
		switch w.src[w.pos] {
		case ' ', '\t', '\n', '\r':
			w.pos++
		default:
			return
		}
	}
}

func (w *writer) value(depth int) error {
	if w.pos >= len(w.src) {
		return ErrSyntax
	}
	switch c := w.src[w.pos]; c {
	case '{':
		return w.object(depth)
	case '[':
		return w.array(depth)
	case '"':
		return w.string()
	case 't':
		return w.literal("true")
	case 'f':
		return w.literal("false")
	case 'n':
		return w.literal("null")
	default:
		if c == '-' || '0' <= c && c <= '9' {
			if w.lenient {
				return w.lenientNumber()
			}
			return w.number()
		}
		return ErrSyntax
	}
}

func (w *writer) literal(s string) error {
	if !bytes.HasPrefix(w.src[w.pos:], []byte(s)) {
		return ErrSyntax
	}
	w.pos += len(s)
	w.dst = append(w.dst, s...)
	return nil
}

func (w *writer) array(depth int) error {
	if depth > MaxDepth {
		return ErrDepth
	}
	w.pos++
	w.dst = append(w.dst, '[')
	w.space()
	if w.next(']') {
		w.dst = append(w.dst, ']')
		return nil
	}
	for i := 0; ; i++ {
		if err := w.value(depth + 1); err != nil {
			w.within("[" + strconv.Itoa(i) + "]")
			return err
		}
		w.space()
		switch {
		case w.next(','):
			w.dst = append(w.dst, ',')
			w.space()
		case w.next(']'):
			w.dst = append(w.dst, ']')
			return nil
		default:
			return ErrSyntax
		}
	}
}

func (w *writer) object(depth int) error {
	if depth > MaxDepth {
		return ErrDepth
	}
	w.pos++
	w.dst = append(w.dst, '{')
	w.space()
	if w.next('}') {
		w.dst = append(w.dst, '}')
		return nil
	}
	base, bodyStart, sorted := len(w.members), len(w.dst), true
	for {
		if w.pos >= len(w.src) || w.src[w.pos] != '"' {
			return ErrSyntax
		}
		m := member{start: len(w.dst)}
		keyPos := w.pos
		if err := w.string(); err != nil {
			return err
		}
		m.keyEnd = len(w.dst)
		if n := len(w.members); n > base && sorted {
			switch order := w.compareKeys(w.members[n-1], m); {
			case order == 0:
				w.pos = keyPos
				w.within(w.name(m))
				return ErrDuplicateKey
			case order > 0:
				sorted = false
			}
		}
		w.space()
		if !w.next(':') {
			return ErrSyntax
		}
		w.dst = append(w.dst, ':')
		w.space()
		if err := w.value(depth + 1); err != nil {
			w.within(w.name(m))
			return err
		}
		m.end = len(w.dst)
		w.members = append(w.members, m)
		w.space()
		if w.next(',') {
			w.dst = append(w.dst, ',')
			w.space()
			continue
		}
		if !w.next('}') {
			return ErrSyntax
		}
		break
	}
	if !sorted {
		if err := w.sortMembers(base, bodyStart); err != nil {
			return err
		}
	}
	w.members = w.members[:base]
	w.dst = append(w.dst, '}')
	return nil
}

// sortMembers rewrites dst[bodyStart:], the members of the innermost object, in the order of their keys.
func (w *writer) sortMembers(base, bodyStart int) error {
	members := w.members[base:]
	slices.SortFunc(members, w.compareKeys)
	w.scratch = w.scratch[:0]
	for i, m := range members {
		if i > 0 {
			if w.compareKeys(members[i-1], m) == 0 {
				w.within(w.name(m))
				return ErrDuplicateKey
			}
			w.scratch = append(w.scratch, ',')
		}
		w.scratch = append(w.scratch, w.dst[m.start:m.end]...)
	}
	copy(w.dst[bodyStart:], w.scratch)
	return nil
}

// maxField is how long a path in an error can be.
const maxField = 200

// within says that what was refused is within the member or element of this name, and keeps the outer end of the path.
func (w *writer) within(name string) {
	if w.field != "" && w.field[0] != '[' {
		name += "."
	}
	w.field = name + w.field
	if len(w.field) > maxField {
		w.field = strings.ToValidUTF8(w.field[:maxField], "") + "…"
	}
}

func (w *writer) name(m member) string { return Key(w.dst[m.start+1 : m.keyEnd-1]) }

// compareKeys orders by code point, which for UTF-8 is the order of the bytes.
func (w *writer) compareKeys(a, b member) int {
	ka, kb := w.dst[a.start+1:a.keyEnd-1], w.dst[b.start+1:b.keyEnd-1]
	if bytes.IndexByte(ka, '\\') < 0 && bytes.IndexByte(kb, '\\') < 0 {
		return bytes.Compare(ka, kb)
	}
	return bytes.Compare(unescape(nil, ka), unescape(nil, kb))
}

func (w *writer) next(c byte) bool {
	if w.pos < len(w.src) && w.src[w.pos] == c {
		w.pos++
		return true
	}
	return false
}

// plain are the bytes that stand for themselves in a string.
var plain = func() (t [256]bool) {
	for c := 0x20; c < utf8.RuneSelf; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

func (w *writer) string() error {
	w.pos++
	w.dst = append(w.dst, '"')
	for {
		start := w.pos
		for w.pos < len(w.src) && plain[w.src[w.pos]] {
			w.pos++
		}
		w.dst = append(w.dst, w.src[start:w.pos]...)
		if w.pos >= len(w.src) {
			return ErrSyntax
		}
		switch c := w.src[w.pos]; {
		case c == '"':
			w.pos++
			w.dst = append(w.dst, '"')
			return nil
		case c == '\\':
			r, n, err := readEscape(w.src[w.pos:])
			if err != nil {
				return err
			}
			w.pos += n
			w.dst = appendRune(w.dst, r)
		case c < 0x20:
			return ErrSyntax
		default:
			r, n := utf8.DecodeRune(w.src[w.pos:])
			if r == utf8.RuneError && n <= 1 {
				return ErrUTF8
			}
			w.dst = append(w.dst, w.src[w.pos:w.pos+n]...)
			w.pos += n
		}
	}
}

// readEscape decodes the escape at the start of b and says how long it is.
func readEscape(b []byte) (r rune, n int, err error) {
	if len(b) < 2 {
		return 0, 0, ErrSyntax
	}
	switch b[1] {
	case '"', '\\', '/':
		return rune(b[1]), 2, nil
	case 'b':
		return '\b', 2, nil
	case 't':
		return '\t', 2, nil
	case 'n':
		return '\n', 2, nil
	case 'f':
		return '\f', 2, nil
	case 'r':
		return '\r', 2, nil
	case 'u':
	default:
		return 0, 0, ErrSyntax
	}
	hi, ok := hex4(b[2:])
	if !ok {
		return 0, 0, ErrSyntax
	}
	if !utf16.IsSurrogate(hi) {
		return hi, 6, nil
	}
	if len(b) >= 12 && b[6] == '\\' && b[7] == 'u' {
		if lo, ok := hex4(b[8:]); ok {
			if r := utf16.DecodeRune(hi, lo); r != utf8.RuneError {
				return r, 12, nil
			}
		}
	}
	// Half of a surrogate pair is no code point: UTF-8 cannot hold it.
	return 0, 0, ErrUTF8
}

func hex4(b []byte) (rune, bool) {
	if len(b) < 4 {
		return 0, false
	}
	var r rune
	for _, c := range b[:4] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// AppendString appends s, which must be UTF-8, as a canonical string with its quotes.
func AppendString[T string | []byte](dst []byte, s T) []byte {
	dst = append(dst, '"')
	start := 0
	for i := range len(s) {
		if c := s[i]; c < utf8.RuneSelf && !plain[c] {
			dst = append(dst, s[start:i]...)
			dst = appendRune(dst, rune(c))
			start = i + 1
		}
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}

// AppendInt appends n, which outside of ±[MaxInt] only [AppendLenient] takes.
func AppendInt(dst []byte, n int64) []byte { return strconv.AppendInt(dst, n, 10) }

func appendRune(dst []byte, r rune) []byte {
	switch r {
	case '"', '\\':
		return append(dst, '\\', byte(r))
	case '\b':
		return append(dst, '\\', 'b')
	case '\t':
		return append(dst, '\\', 't')
	case '\n':
		return append(dst, '\\', 'n')
	case '\f':
		return append(dst, '\\', 'f')
	case '\r':
		return append(dst, '\\', 'r')
	}
	if r < 0x20 {
		const digits = "0123456789abcdef"
		return append(dst, '\\', 'u', '0', '0', digits[r>>4], digits[r&15])
	}
	return utf8.AppendRune(dst, r)
}
