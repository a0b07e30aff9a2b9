package persister

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/postgres"
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
	stale              // not written: the database is of another generation than this worker knew
	foreign            // not written: it is another database
	repeated           // not written: some deduplication key was there already
	poisoned           // not written: the database refuses some write, or fails over it
	contended          // not written: some statement waited for a lock, or ran, for too long
	notWritten         // not written, for no fault of the writes
	unknown            // whether it was written is not known
)

func (v verdict) String() string {
	return [...]string{"committed", "lost", "stale", "foreign", "repeated", "poisoned", "contended", "not_written", "unknown"}[v]
}

// errNotSent wraps errors from before anything of a block was sent.
var errNotSent = errors.New("not sent")

// judge reads an outcome out of what the pipeline returned. Only a server that reports an ERROR has certainly rolled
// back; FATAL may come after the commit, from a session that is terminated while it waits for a standby. A pooler in
// between reports as its own that it lost the server: without the severity that servers send, or as a connection
// exception (class 08), an operator's intervention (57P) or a system error (58).
func judge(err error) outcome {
	var pg *pgconn.PgError
	switch {
	case err == nil:
		return outcome{verdict: committed}
	case errors.Is(err, postgres.ErrOtherDatabase):
		return outcome{verdict: foreign, err: err}
	case errors.Is(err, errNotSent):
		return outcome{verdict: notWritten, err: err}
	case !errors.As(err, &pg) || pg.SeverityUnlocalized != "ERROR" || ofClass(pg, "08", "57P", "58", "40003"):
		return outcome{verdict: unknown, err: err}
	case pg.Code == "MX001":
		return outcome{verdict: lost, lost: shardList(pg.Detail), err: err}
	case pg.Code == "MX002":
		return outcome{verdict: stale, err: err}
	case pg.Code == "23505" && strings.HasPrefix(pg.TableName, "request_dedupe"):
		return outcome{verdict: repeated, err: err}
	case ofFault(pg):
		return outcome{verdict: poisoned, err: err}
	case ofClass(pg, "55P03", "57014"):
		return outcome{verdict: contended, err: err}
	default:
		return outcome{verdict: notWritten, err: err}
	}
}

// ofClass reports whether the error's SQLSTATE begins with one of these.
func ofClass(pg *pgconn.PgError, prefixes ...string) bool {
	return slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(pg.Code, prefix) })
}

// ofData reports whether the database refuses what it was given: data, or a limit that data exceeds.
func ofData(pg *pgconn.PgError) bool { return ofClass(pg, "22", "23", "54") }

// ofFault reports whether a statement failed for what it was given or for what it met in the tables, corrupt data
// included. Without the row that it is about others would not fail.
func ofFault(pg *pgconn.PgError) bool { return ofData(pg) || ofClass(pg, "XX") }

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
