package crosscheck

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
)

// A generator writes JSON as no sane client does: any order of keys, any escapes, any white space. What it writes means
// the same to all readers: no duplicate keys, no halves of surrogate pairs.
type generator struct {
	r *rand.Rand
	// fractions: numbers are what room versions before 6 take, not only integers within ±(2^53-1).
	fractions bool
	b         strings.Builder
}

// json returns a value of any kind.
func (g *generator) json() string {
	g.b.Reset()
	g.value(5)
	return g.b.String()
}

// absent, as a member's value, keeps the member out.
const absent = ""

// object returns an object with these members besides random ones.
func (g *generator) object(members map[string]string) string {
	g.b.Reset()
	g.members(4, members)
	return g.b.String()
}

func (g *generator) one(choices ...string) string { return choices[g.r.IntN(len(choices))] }

func (g *generator) space() {
	for g.r.IntN(4) == 0 {
		g.b.WriteString(g.one(" ", "\t", "\n", "\r", "  "))
	}
}

func (g *generator) value(depth int) {
	g.space()
	defer g.space()
	kinds := 8
	if depth == 0 {
		kinds = 5
	}
	switch g.r.IntN(kinds) {
	case 0:
		g.b.WriteString(g.one("true", "false", "null"))
	case 1, 2:
		g.b.WriteString(g.number())
	case 3, 4:
		g.quote(g.text())
	case 5:
		g.b.WriteByte('[')
		for i, n := 0, g.r.IntN(5); i < n; i++ {
			if i > 0 {
				g.b.WriteByte(',')
			}
			g.value(depth - 1)
		}
		g.b.WriteByte(']')
	default:
		g.members(depth-1, nil)
	}
}

func (g *generator) members(depth int, given map[string]string) {
	var keys []string
	for key, value := range given {
		if value != absent {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys) // a map's order is not of the seed
	for range g.r.IntN(7) {
		key := g.text()
		if _, ok := given[key]; !ok && !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	g.r.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	g.b.WriteByte('{')
	for i, key := range keys {
		if i > 0 {
			g.b.WriteByte(',')
		}
		g.space()
		g.quote(key)
		g.space()
		g.b.WriteByte(':')
		if _, ok := given[key]; ok {
			g.b.WriteString(given[key])
		} else {
			g.value(depth)
		}
	}
	g.b.WriteByte('}')
}

// edges are integers at and around what canonical JSON can hold, and others that are easily written wrongly.
var edges = []string{"0", "-0", "1", "-1", "9007199254740991", "-9007199254740991", "9007199254740990", "1e3", "12E+2", "-5e0", "0e7", "9e15", "100e-0"}

// beyond are numbers of room versions before 6.
var beyond = []string{
	"9007199254740992", "-9007199254740993", "123456789012345678901234567890", "1.0", "-0.0", "0.1", "-2.50", "1e16", "1e22", "1E-7", "0.0001",
	"0.00001", "1.7976931348623157e308", "5e-324", "2.2250738585072014E-308", "1e-400", "123456789.125e3", "9999999999999999.0", "1e21", "1e15",
}

func (g *generator) number() string {
	if g.fractions && g.r.IntN(2) == 0 {
		switch g.r.IntN(4) {
		case 0:
			return g.one(beyond...)
		case 1:
			return strconv.FormatFloat(g.r.NormFloat64()*1e3, 'g', -1, 64)
		case 2:
			return strconv.FormatFloat(g.r.NormFloat64(), 'e', 1+g.r.IntN(18), 64)
		default:
			return fmt.Sprintf("%d.%de%d", g.r.IntN(1000), g.r.IntN(1000), g.r.IntN(60)-30)
		}
	}
	if g.r.IntN(3) == 0 && !g.fractions {
		return g.one(edges...)
	}
	n := g.r.Int64N(1<<53) >> g.r.IntN(53)
	if g.r.IntN(2) == 0 {
		n = -n
	}
	return strconv.FormatInt(n, 10)
}

// texts are keys and strings that something might do something with.
var texts = []string{"", "a", "b", "aa", "signatures", "unsigned", "hashes", "content", "type", "membership", "event_id", "\u2028", "\u007f", "\\u0041", "é", "e\u0301"}

func (g *generator) text() string {
	if g.r.IntN(4) == 0 {
		return g.one(texts...)
	}
	runes := make([]rune, g.r.IntN(8))
	for i := range runes {
		runes[i] = g.rune()
	}
	return string(runes)
}

// ranges of code points that encoders treat apart, or that UTF-16 and UTF-8 sort apart.
var ranges = [][2]rune{
	{0, 0x1f}, {0x20, 0x7e}, {'a', 'z'}, {'"', '"'}, {'\\', '\\'}, {'/', '/'}, {0x7f, 0x9f}, {0xa0, 0x2ff}, {0x2020, 0x2030}, {0x4e00, 0x4e20},
	{0xd7f0, 0xd7ff}, {0xe000, 0xe010}, {0xff00, 0xffff}, {0x10000, 0x10010}, {0x1f600, 0x1f64f}, {0x10fff0, 0x10ffff},
}

func (g *generator) rune() rune {
	r := ranges[g.r.IntN(len(ranges))]
	return r[0] + g.r.Int32N(r[1]-r[0]+1)
}

var short = map[rune]string{'"': `\"`, '\\': `\\`, '/': `\/`, '\b': `\b`, '\f': `\f`, '\n': `\n`, '\r': `\r`, '\t': `\t`}

// quote writes a string, each character in one of the ways that there are.
func (g *generator) quote(s string) {
	g.b.WriteByte('"')
	for _, r := range s {
		escape, ok := short[r]
		must := r < 0x20 || r == '"' || r == '\\'
		switch how := g.r.IntN(8); {
		case how < 6 && !must:
			g.b.WriteRune(r)
		case how%2 == 0 && ok:
			g.b.WriteString(escape)
		case r > 0xffff:
			hi, lo := utf16.EncodeRune(r)
			fmt.Fprintf(&g.b, g.one(`\u%04x\u%04X`, `\u%04X\u%04x`), hi, lo)
		default:
			fmt.Fprintf(&g.b, g.one(`\u%04x`, `\u%04X`), r)
		}
	}
	g.b.WriteByte('"')
}

// scraps are put where they do not belong by damage.
var scraps = []string{
	"{", "}", "[", "]", ",", ":", `"`, `\`, "\x00", "\x1f", "\x80", "\xff", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xc0\x80", "\ufeff", "\u00a0", "\v", `\u`, `\ud800`, `\udc00`, `\x`, "0",
	"-", "+", ".", "e", "E5", "01", "1.5", "1e-1", "9007199254740992", "1e16", "NaN", "Infinity", "-Infinity", "nul", "True", "//", `"a":1,"a":2`,
}

// damage returns the text with a few bytes taken out, doubled or replaced by scraps.
func (g *generator) damage(text string) string {
	b := []byte(text)
	for range 1 + g.r.IntN(2) {
		from := g.r.IntN(len(b) + 1)
		to := min(len(b), from+g.r.IntN(4))
		scrap := []byte(g.one(scraps...))
		if g.r.IntN(4) == 0 {
			scrap = append(scrap[:0:0], b[from:to]...)
			scrap = append(scrap, scrap...)
		}
		b = append(b[:from:from], append(scrap, b[to:]...)...)
	}
	return string(b)
}
