package canonicaljson

import "strconv"

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

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
