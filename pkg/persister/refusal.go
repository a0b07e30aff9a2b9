package persister

import (
	"errors"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/myelin-hs/myelin/pkg/canonicaljson"
	"github.com/myelin-hs/myelin/pkg/event"
	"github.com/myelin-hs/myelin/pkg/eventauth"
	"github.com/myelin-hs/myelin/pkg/mxerr"
)

// refusal turns why an event cannot be into what a client is told.
func refusal(err error) error {
	var rejection *eventauth.Rejection
	var notCanonical *canonicaljson.Error
	var field *event.FieldError
	switch {
	case mxerr.As(err) != nil, errors.As(err, new(*needsMembership)):
		return err
	case errors.As(err, &rejection):
		return mxerr.Forbidden("Not allowed: %s", rejection.Reason)
	case errors.Is(err, event.ErrTooLarge):
		return mxerr.TooLarge("The event is too large")
	case errors.As(err, &field):
		return mxerr.BadJSON("%s: %v", field.Field, field.Err)
	case errors.As(err, &notCanonical):
		return mxerr.BadJSON("%v", err)
	}
	return mxerr.Internal(err)
}

// refusedByDatabase is the answer to a write that the database refused though it was alone. Nothing of it was written.
func refusedByDatabase(err error) error {
	var pg *pgconn.PgError
	reported := errors.As(err, &pg)
	switch {
	case reported && ofData(pg):
		return mxerr.Unknown(http.StatusBadRequest, "The event cannot be stored").WithCause(err)
	case reported && ofFault(pg):
		return mxerr.Internal(err)
	}
	return mxerr.Unavailable(time.Second, "The database was busy with the room for too long").WithCause(err)
}
