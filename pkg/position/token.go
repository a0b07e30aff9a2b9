package position

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Tokens are opaque to clients. "s" and a decimal is a sync token: everything up to that position has been seen. "t"
// and a decimal, negative for backfilled events, is a pagination token: a gap just after that position. "~" is
// reserved for positions of single shards beyond the horizon.

// ErrToken is wrapped by every error of the Parse functions.
var ErrToken = errors.New("invalid token")

// SyncToken formats p for next_batch and since of /sync. p must not be negative.
func (p Position) SyncToken() string { return "s" + strconv.FormatInt(int64(p), 10) }

// PageToken formats p for the from, to, start, end and prev_batch of paginating endpoints.
func (p Position) PageToken() string { return "t" + strconv.FormatInt(int64(p), 10) }

// ParseSyncToken reads what [Position.SyncToken] wrote. Errors wrap [ErrToken].
func ParseSyncToken(s string) (Position, error) {
	if err := refuseReserved(s); err != nil {
		return 0, err
	}
	if !strings.HasPrefix(s, "s") {
		return 0, fmt.Errorf("%w: not a sync token", ErrToken)
	}
	p, err := parseDecimal(s[1:])
	if err == nil && p < 0 {
		err = fmt.Errorf("%w: a sync token is not negative", ErrToken)
	}
	if err != nil {
		return 0, err
	}
	return p, nil
}

// ParsePageToken reads what [Position.PageToken] wrote, and sync tokens, which clients may paginate from. Errors wrap
// [ErrToken].
func ParsePageToken(s string) (Position, error) {
	if err := refuseReserved(s); err != nil {
		return 0, err
	}
	if strings.HasPrefix(s, "s") {
		return ParseSyncToken(s)
	}
	if !strings.HasPrefix(s, "t") {
		return 0, fmt.Errorf("%w: not a pagination token", ErrToken)
	}
	return parseDecimal(s[1:])
}

func refuseReserved(s string) error {
	if strings.Contains(s, "~") {
		return fmt.Errorf("%w: the form with \"~\" is reserved", ErrToken)
	}
	return nil
}

func parseDecimal(s string) (Position, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	// One position has one token: no plus sign, no leading zeros, no "-0".
	if err != nil || strconv.FormatInt(n, 10) != s {
		return 0, fmt.Errorf("%w: not a decimal position", ErrToken)
	}
	return Position(n), nil
}
