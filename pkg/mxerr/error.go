package mxerr

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// An Error is a standard error response. The zero HTTPStatus means 500.
type Error struct {
	HTTPStatus int
	Code       Code
	// Message is for people; clients see it.
	Message string
	// RetryAfter, if positive, is how long the client should wait. It is sent as "retry_after_ms", rounded up, and is
	// meant for the Retry-After header too.
	RetryAfter time.Duration
	// Extra holds further keys of the response, such as "soft_logout". They cannot replace "errcode", "error" or
	// "retry_after_ms".
	Extra map[string]any

	cause error
}

// Newf makes an error with a formatted message. An operand of the verb %w becomes the cause as well; mind that its
// text is then seen by the client. Prefer [Error.WithCause] for errors from inside.
func Newf(status int, code Code, format string, args ...any) *Error {
	formatted := fmt.Errorf(format, args...)
	return &Error{HTTPStatus: status, Code: code, Message: formatted.Error(), cause: errors.Unwrap(formatted)}
}

// WithCause returns a copy of e that wraps cause, which is logged and never sent.
func (e *Error) WithCause(cause error) *Error {
	c := *e
	c.cause = cause
	return &c
}

// With returns a copy of e with one more key in the response.
func (e *Error) With(key string, value any) *Error {
	c := *e
	c.Extra = make(map[string]any, len(e.Extra)+1)
	for k, v := range e.Extra {
		c.Extra[k] = v
	}
	c.Extra[key] = value
	return &c
}

// Status returns the HTTP status to answer with.
func (e *Error) Status() int {
	if e.HTTPStatus == 0 {
		return 500
	}
	return e.HTTPStatus
}

// Error returns code, message and cause, for the log.
func (e *Error) Error() string {
	s := string(e.Code) + ": " + e.Message
	if e.cause != nil && e.cause.Error() != e.Message {
		s += ": " + e.cause.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.cause }

// MarshalJSON writes the body of the response.
func (e *Error) MarshalJSON() ([]byte, error) {
	body := make(map[string]any, len(e.Extra)+3)
	for k, v := range e.Extra {
		body[k] = v
	}
	body["errcode"] = e.Code
	body["error"] = e.Message
	if e.RetryAfter > 0 {
		body["retry_after_ms"] = e.RetryAfterMillis()
	} else {
		delete(body, "retry_after_ms")
	}
	return json.Marshal(body)
}

// RetryAfterMillis returns RetryAfter in milliseconds, rounded up.
func (e *Error) RetryAfterMillis() int64 {
	return int64((e.RetryAfter + time.Millisecond - 1) / time.Millisecond)
}

// RetryAfterSeconds returns RetryAfter in seconds, rounded up, as the Retry-After header wants it.
func (e *Error) RetryAfterSeconds() int64 {
	return int64((e.RetryAfter + time.Second - 1) / time.Second)
}

// As returns the first [*Error] in the chain of err, nil if there is none.
func As(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return nil
}

// Is reports whether err carries an [*Error] with this code.
func Is(err error, code Code) bool {
	e := As(err)
	return e != nil && e.Code == code
}
