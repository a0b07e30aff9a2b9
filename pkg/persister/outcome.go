package persister

import (
	"errors"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/myelin-hs/myelin/pkg/id"
)

// An outcome says what became of a block.
type outcome struct {
	verdict verdict
	lost    []int                    // verdict lost: the shards
	found   map[dedupeKey]id.EventID // verdict repeated: what the keys were answered with before
	err     error
}

type verdict int

const (
	committed  verdict = iota
	lost               // not written: leases were lost
	stale              // not written: the database is of another generation
	repeated           // not written: some deduplication key was there already
	poisoned           // not written: the database refuses the data of some write
	notWritten         // not written, for no fault of the writes
	unknown            // whether it was written is not known
)

func (v verdict) String() string {
	return [...]string{"committed", "lost", "stale", "repeated", "poisoned", "not_written", "unknown"}[v]
}

// errNotSent wraps errors from before anything of a block was sent.
var errNotSent = errors.New("not sent")

// judge reads an outcome out of what the pipeline returned. Only a server that reports an ERROR has certainly rolled
// back; FATAL may come after the commit, from a session that is terminated while it waits for a standby.
func judge(err error) outcome {
	var pg *pgconn.PgError
	switch {
	case err == nil:
		return outcome{verdict: committed}
	case errors.Is(err, errOtherDatabase):
		return outcome{verdict: stale, err: err}
	case errors.Is(err, errNotSent):
		return outcome{verdict: notWritten, err: err}
	case !errors.As(err, &pg) || pg.SeverityUnlocalized != "" && pg.SeverityUnlocalized != "ERROR":
		return outcome{verdict: unknown, err: err}
	}
	switch {
	case pg.Code == "MX001":
		return outcome{verdict: lost, lost: shardList(pg.Detail), err: err}
	case pg.Code == "MX002":
		return outcome{verdict: stale, err: err}
	case pg.Code == "23505" && strings.HasPrefix(pg.TableName, "request_dedupe"):
		return outcome{verdict: repeated, err: err}
	case strings.HasPrefix(pg.Code, "22"), strings.HasPrefix(pg.Code, "23"), strings.HasPrefix(pg.Code, "54"):
		return outcome{verdict: poisoned, err: err}
	default:
		return outcome{verdict: notWritten, err: err}
	}
}

// shardList reads the DETAIL of MX001: decimal ids with commas.
func shardList(detail string) []int {
	var all []int
	for s := range strings.SplitSeq(detail, ",") {
		if n, err := strconv.Atoi(strings.TrimSpace(s)); err == nil {
			all = append(all, n)
		}
	}
	return all
}
