package canonicaljson

import (
	"bytes"
	"math"
	"strconv"
)

// number copies an integer, after checking JSON's grammar for numbers and the range.
func (w *writer) number() error {
	rest := w.src[w.pos:]
	i := 0
	negative := rest[0] == '-'
	if negative {
		i++
	}
	digits := i
	for i < len(rest) && isDigit(rest[i]) {
		i++
	}
	if i == digits || rest[digits] == '0' && i > digits+1 {
		return ErrSyntax
	}
	if i < len(rest) && rest[i] == '.' {
		return ErrNumber
	}
	var n int64
	for _, c := range rest[digits:i] {
		if n = n*10 + int64(c-'0'); n > MaxInt {
			return ErrRange
		}
	}
	if i < len(rest) && (rest[i] == 'e' || rest[i] == 'E') {
		var size int
		var err error
		if n, size, err = shift(n, rest[i+1:]); err != nil {
			return err
		}
		i += 1 + size
	}
	if negative {
		n = -n
	}
	w.pos += i
	w.dst = strconv.AppendInt(w.dst, n, 10)
	return nil
}

// shift multiplies n by ten to the power of the exponent at the start of b, and says how long that is. An exponent
// below zero is how a fraction is written, so it is refused even where none would remain.
func shift(n int64, b []byte) (int64, int, error) {
	i := 0
	if i < len(b) && (b[i] == '+' || b[i] == '-') {
		i++
	}
	digits, exp := i, 0
	for i < len(b) && isDigit(b[i]) {
		exp = min(exp*10+int(b[i]-'0'), 1000)
		i++
	}
	if i == digits {
		return 0, 0, ErrSyntax
	}
	if b[0] == '-' && exp > 0 {
		return 0, 0, ErrNumber
	}
	for range exp {
		if n == 0 {
			break
		}
		if n *= 10; n > MaxInt {
			return 0, 0, ErrRange
		}
	}
	return n, i, nil
}

// lenientNumber copies a number of any kind, in the form of [AppendLenient].
func (w *writer) lenientNumber() error {
	size, float := scanNumber(w.src[w.pos:])
	if size == 0 {
		return ErrSyntax
	}
	token := w.src[w.pos : w.pos+size]
	if !float {
		if string(token) == "-0" {
			token = token[1:]
		}
		w.pos += size
		w.dst = append(w.dst, token...)
		return nil
	}
	f, err := strconv.ParseFloat(string(token), 64)
	if err != nil {
		return ErrRange
	}
	w.pos += size
	w.dst = appendFloat(w.dst, f)
	return nil
}

// scanNumber returns the length of the number at the start of b by JSON's grammar, 0 if there is none, and whether it
// has a fraction or an exponent.
func scanNumber(b []byte) (size int, float bool) {
	digits := func(from int) int {
		i := from
		for i < len(b) && isDigit(b[i]) {
			i++
		}
		return i
	}
	start := 0
	if len(b) > 0 && b[0] == '-' {
		start++
	}
	i := digits(start)
	if i == start || b[start] == '0' && i > start+1 {
		return 0, false
	}
	if i < len(b) && b[i] == '.' {
		end := digits(i + 1)
		if end == i+1 {
			return 0, false
		}
		i, float = end, true
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		exp := i + 1
		if exp < len(b) && (b[exp] == '+' || b[exp] == '-') {
			exp++
		}
		end := digits(exp)
		if end == exp {
			return 0, false
		}
		i, float = end, true
	}
	return i, float
}

// appendFloat appends a double as Python's repr writes it: the fewest digits that give it back, an exponent if it is
// below -4 or above 15, and otherwise always a point.
func appendFloat(dst []byte, f float64) []byte {
	start := len(dst)
	if abs := math.Abs(f); abs != 0 && (abs < 1e-4 || abs >= 1e16) {
		return strconv.AppendFloat(dst, f, 'e', -1, 64)
	}
	dst = strconv.AppendFloat(dst, f, 'f', -1, 64)
	if bytes.IndexByte(dst[start:], '.') < 0 {
		dst = append(dst, '.', '0')
	}
	return dst
}

// TruncatedInt returns the number in raw without its fraction, as room versions with FloatPowerLevels read power levels;
// false if raw holds none or one beyond the range of doubles. What is beyond int64 becomes its end.
func TruncatedInt(raw []byte) (int64, bool) {
	size, float := scanNumber(raw)
	if size == 0 || size < len(raw) {
		return 0, false
	}
	if !float {
		if n, err := strconv.ParseInt(string(raw), 10, 64); err == nil {
			return n, true
		}
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	switch {
	case err != nil:
		return 0, false
	case f >= 1<<63:
		return math.MaxInt64, true
	case f < -1<<63:
		return math.MinInt64, true
	}
	return int64(f), true
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
