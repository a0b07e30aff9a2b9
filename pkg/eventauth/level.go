package eventauth

import (
	"errors"
	"strconv"
	"strings"

	"github.com/myelin-hs/myelin/pkg/canonicaljson"
	"github.com/myelin-hs/myelin/pkg/event"
)

// Why a value is no power level, to follow the value's name.
var (
	errNotInteger   = errors.New("is not an integer")
	errBeyondDouble = errors.New("is beyond the range of a double")
)

// parseLevel reads one power level in the forms that the version has. Levels that an int64 cannot hold, which only
// strings and the numbers of versions without strict canonical JSON can be, become the greatest or the least that it
// can. Errors are errNotInteger, and errBeyondDouble for a number that refuses the event wherever it stands (room
// version pages, "m.room.power_levels events accept values as strings" and "as floats").
func parseLevel(v *event.Version, raw []byte) (int64, error) {
	if len(raw) == 0 {
		return 0, errNotInteger
	}
	switch {
	case raw[0] == '"' && v.StringPowerLevels:
		s, _ := canonicaljson.String(raw)
		return parseDigits(strings.TrimSpace(s))
	case raw[0] == '"' || !v.FloatPowerLevels:
		n, ok := canonicaljson.Int(raw)
		if !ok {
			return 0, errNotInteger
		}
		return n, nil
	}
	if c := raw[0]; c != '-' && (c < '0' || c > '9') {
		return 0, errNotInteger
	}
	n, ok := canonicaljson.TruncatedInt(raw)
	if !ok {
		return 0, errBeyondDouble
	}
	return n, nil
}

// parseDigits reads a decimal integer with an optional sign.
func parseDigits(s string) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, errNotInteger
	}
	return n, nil
}
