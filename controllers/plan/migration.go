package plan

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/myelin-hs/myelin/api/v1alpha1"
)

// Retries of a failed migration wait 10 s, 20 s, 40 s … and at most 5 minutes. A changed spec or secret does not wait.
const (
	retryFirst = 10 * time.Second
	retryMost  = 5 * time.Minute
	// watchRunning is how often a running Job is looked at: a pod that cannot start changes nothing that is watched.
	watchRunning = 5 * time.Second
	// clockSlack is how far the operator's clock may be behind those of others, for what it waits by them.
	clockSlack = time.Minute
)

// A Result is the line that `worker migrate` leaves behind.
type Result struct {
	Reason        string `json:"reason"`
	Message       string `json:"message"`
	DatabaseID    string `json:"databaseID"`
	SchemaVersion int32  `json:"schemaVersion"`
}

var migrationReasons = []string{
	v1alpha1.ReasonMigrated, v1alpha1.ReasonDatabaseUnreachable, v1alpha1.ReasonDatabaseAuthenticationFailed,
	v1alpha1.ReasonDatabaseIdentityChanged, v1alpha1.ReasonDatabaseClaimed, v1alpha1.ReasonDowngradeRefused, v1alpha1.ReasonUpgradeRefused,
	v1alpha1.ReasonMigrationFailed,
}

// ParseResult reads the last line of a container's termination message. Anything that is not a result, such as the last
// words of a process that was killed, is a MigrationFailed with the words, shortened.
func ParseResult(message string) Result {
	message = strings.TrimSpace(message)
	last := message[strings.LastIndexByte(message, '\n')+1:]
	var r Result
	if json.Unmarshal([]byte(last), &r) == nil && slices.Contains(migrationReasons, r.Reason) {
		return r
	}
	if message == "" {
		message = "it left no message"
	}
	return Result{Reason: v1alpha1.ReasonMigrationFailed, Message: "The migration Job ended unexpectedly: " + shorten(message)}
}

// An Attempt is the newest migration Job for the present inputs.
type Attempt struct {
	Number     int
	Finished   bool
	Succeeded  bool
	FinishedAt time.Time
	// Outdated: a Job that was made now would have another pod, with other limits or on other nodes.
	Outdated bool
	// Result of a finished Job; nil if its pod is gone.
	Result *Result
	// Waiting says why the pod of an unfinished Job does not run; empty if it does or nothing is known.
	Waiting string
}

// MigrationSeen is what a migration is decided from.
type MigrationSeen struct {
	// Inputs are the present ones, with the image. Recorded is the database in the status, nil before the first migration.
	Inputs   string
	Image    string
	Recorded *v1alpha1.DatabaseStatus
	// Newest attempt for Inputs, nil if there is none.
	Newest *Attempt
	Now    time.Time
}

// MigrationDecision says what to do about the database.
type MigrationDecision struct {
	// Start the Job with this number; 0: none.
	Start int
	// Record is the database to write into the status; nil: as it was.
	Record *v1alpha1.DatabaseStatus
	// Ready is the verdict for the condition DatabaseReady.
	Ready Verdict
	// After is when to look again; 0: when something changes.
	After time.Duration
}

// Migration decides whether the database has to be migrated and verified, and what is known about it. A database that was
// verified with the present inputs is not looked at again.
func Migration(in MigrationSeen) MigrationDecision {
	if in.Recorded != nil && in.Recorded.Inputs == in.Inputs {
		return MigrationDecision{Ready: migrated(in.Recorded.SchemaVersion)}
	}
	a := in.Newest
	if a == nil {
		return MigrationDecision{Start: 1, After: watchRunning,
			Ready: unknown(v1alpha1.ReasonMigrationRunning, "The migration Job verifies the database and brings its schema up to date: wait for it.")}
	}
	if !a.Finished && a.Outdated && a.Waiting != "" {
		return MigrationDecision{Start: a.Number + 1, After: watchRunning,
			Ready: unknown(v1alpha1.ReasonMigrationRunning, fmt.Sprintf("The migration Job, which did not start, is made anew, as the spec has changed: wait for it (attempt %d).", a.Number+1))}
	}
	if !a.Finished {
		message := fmt.Sprintf("The migration Job verifies the database and brings its schema up to date: wait for it (attempt %d).", a.Number)
		if a.Waiting != "" {
			message = "The pod of the migration Job does not start; mend spec.image, spec.imagePullSecrets or spec.migration: " + sentence(a.Waiting)
		}
		return MigrationDecision{After: watchRunning, Ready: unknown(v1alpha1.ReasonMigrationRunning, message)}
	}
	r := Result{Reason: v1alpha1.ReasonMigrationFailed, Message: "The migration Job ended, and its pod, which knew the outcome, is gone."}
	if a.Result != nil {
		r = *a.Result
	}
	if a.Succeeded && r.Reason == v1alpha1.ReasonMigrated {
		if in.Recorded == nil || in.Recorded.ID == r.DatabaseID {
			contracted := in.Image // nothing older has used a new database
			if in.Recorded != nil {
				contracted = in.Recorded.ContractedImage
			}
			return MigrationDecision{
				Record: &v1alpha1.DatabaseStatus{ID: r.DatabaseID, SchemaVersion: r.SchemaVersion, Inputs: in.Inputs, ContractedImage: contracted},
				Ready:  migrated(r.SchemaVersion),
			}
		}
		r = Result{Reason: v1alpha1.ReasonDatabaseIdentityChanged,
			Message: fmt.Sprintf("The database is %s, and this homeserver's is %s: point the secret back at it.", r.DatabaseID, in.Recorded.ID)}
	}
	if r.Reason == v1alpha1.ReasonMigrated {
		r = Result{Reason: v1alpha1.ReasonMigrationFailed, Message: "The migration Job failed after it had reported success."}
	}
	decision := MigrationDecision{Ready: no(r.Reason, advice(r))}
	if wait := a.wait(in.Now); wait > 0 {
		decision.After = wait
		return decision
	}
	decision.Start, decision.After = a.Number+1, watchRunning
	return decision
}

func migrated(version int32) Verdict {
	return yes(v1alpha1.ReasonMigrated, fmt.Sprintf("The database is this homeserver's, at schema version %d.", version))
}

// wait is how long the next attempt is to be waited for after this one failed; 0: it is due. When it failed was told by the
// clock of another machine: if by the operator's it is to be in more than clockSlack, nothing is waited for.
func (a *Attempt) wait(now time.Time) time.Duration {
	most := backoff(a.Number)
	left := a.FinishedAt.Add(most).Sub(now)
	if a.Outdated || left < 0 || left > most+clockSlack {
		return 0
	}
	return left
}

func backoff(attempt int) time.Duration {
	return min(retryFirst<<min(attempt-1, 10), retryMost)
}

// advice adds what to do to what went wrong.
func advice(r Result) string {
	todo := map[string]string{
		v1alpha1.ReasonDatabaseUnreachable:          "Mend the host and port that spec.postgres names, or the database.",
		v1alpha1.ReasonDatabaseAuthenticationFailed: "Mend the user and password in the Secret that spec.postgres names.",
		v1alpha1.ReasonDatabaseIdentityChanged:      "Point spec.postgres, or the Secret that it names, back at this homeserver's database; nothing was written to the other.",
		v1alpha1.ReasonDatabaseClaimed:              "Give this Homeserver a database of its own: the one that spec.postgres names is another's.",
		v1alpha1.ReasonDowngradeRefused:             "Give spec.image the version that upgraded the database; nothing was changed.",
		v1alpha1.ReasonUpgradeRefused:               "Give spec.image a version in between first, or scale all WorkerPools to 0; nothing was changed.",
		v1alpha1.ReasonMigrationFailed:              "Look at the logs of the migration Job's pod.",
	}[r.Reason]
	first, size := utf8.DecodeRuneInString(r.Message)
	return sentence(string(unicode.ToUpper(first))+r.Message[size:]) + " " + todo
}

// sentence is what somebody else said, shortened, with a full stop.
func sentence(s string) string {
	return strings.TrimRight(shorten(strings.TrimSpace(s)), ".") + "."
}

func shorten(s string) string {
	const most = 1024
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}
