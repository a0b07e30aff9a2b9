package mxerr

import (
	"net/http"
	"time"
)

// Forbidden is 403 M_FORBIDDEN: the user may not do this.
func Forbidden(format string, args ...any) *Error {
	return Newf(http.StatusForbidden, CodeForbidden, format, args...)
}

// GuestAccessForbidden is 403 M_GUEST_ACCESS_FORBIDDEN.
func GuestAccessForbidden(format string, args ...any) *Error {
	return Newf(http.StatusForbidden, CodeGuestAccessForbidden, format, args...)
}

// NotFound is 404 M_NOT_FOUND: the endpoint exists, the thing does not.
func NotFound(format string, args ...any) *Error {
	return Newf(http.StatusNotFound, CodeNotFound, format, args...)
}

// Unrecognized is 404 M_UNRECOGNIZED: no such endpoint.
func Unrecognized() *Error {
	return Newf(http.StatusNotFound, CodeUnrecognized, "Unrecognized request")
}

// MethodNotAllowed is 405 M_UNRECOGNIZED: the endpoint exists, but not for this HTTP method.
func MethodNotAllowed() *Error {
	return Newf(http.StatusMethodNotAllowed, CodeUnrecognized, "Unrecognized request method")
}

// BadJSON is 400 M_BAD_JSON: JSON, but not what was asked for.
func BadJSON(format string, args ...any) *Error {
	return Newf(http.StatusBadRequest, CodeBadJSON, format, args...)
}

// NotJSON is 400 M_NOT_JSON.
func NotJSON(format string, args ...any) *Error {
	return Newf(http.StatusBadRequest, CodeNotJSON, format, args...)
}

// MissingParam is 400 M_MISSING_PARAM.
func MissingParam(format string, args ...any) *Error {
	return Newf(http.StatusBadRequest, CodeMissingParam, format, args...)
}

// InvalidParam is 400 M_INVALID_PARAM.
func InvalidParam(format string, args ...any) *Error {
	return Newf(http.StatusBadRequest, CodeInvalidParam, format, args...)
}

// InvalidRoomState is 400 M_INVALID_ROOM_STATE: the initial state given to createRoom makes no room.
func InvalidRoomState(format string, args ...any) *Error {
	return Newf(http.StatusBadRequest, CodeInvalidRoomState, format, args...)
}

// BadState is 403 M_BAD_STATE: the change makes no sense in the present state, as unbanning one who is not banned.
func BadState(format string, args ...any) *Error {
	return Newf(http.StatusForbidden, CodeBadState, format, args...)
}

// MissingToken is 401 M_MISSING_TOKEN.
func MissingToken() *Error {
	return Newf(http.StatusUnauthorized, CodeMissingToken, "Missing access token")
}

// UnknownToken is 401 M_UNKNOWN_TOKEN. With softLogout the client may log in again and keep its data.
func UnknownToken(softLogout bool) *Error {
	return Newf(http.StatusUnauthorized, CodeUnknownToken, "Unknown access token").With("soft_logout", softLogout)
}

// LimitExceeded is 429 M_LIMIT_EXCEEDED.
func LimitExceeded(retryAfter time.Duration) *Error {
	e := Newf(http.StatusTooManyRequests, CodeLimitExceeded, "Too many requests")
	e.RetryAfter = retryAfter
	return e
}

// TooLarge is 413 M_TOO_LARGE.
func TooLarge(format string, args ...any) *Error {
	return Newf(http.StatusRequestEntityTooLarge, CodeTooLarge, format, args...)
}

// UserInUse is 400 M_USER_IN_USE.
func UserInUse(format string, args ...any) *Error {
	return Newf(http.StatusBadRequest, CodeUserInUse, format, args...)
}

// InvalidUsername is 400 M_INVALID_USERNAME.
func InvalidUsername(format string, args ...any) *Error {
	return Newf(http.StatusBadRequest, CodeInvalidUsername, format, args...)
}

// WeakPassword is 400 M_WEAK_PASSWORD.
func WeakPassword(format string, args ...any) *Error {
	return Newf(http.StatusBadRequest, CodeWeakPassword, format, args...)
}

// UserDeactivated is 403 M_USER_DEACTIVATED.
func UserDeactivated() *Error {
	return Newf(http.StatusForbidden, CodeUserDeactivated, "This account has been deactivated")
}

// Exclusive is 400 M_EXCLUSIVE: the name belongs to an application service.
func Exclusive(format string, args ...any) *Error {
	return Newf(http.StatusBadRequest, CodeExclusive, format, args...)
}

// UnsupportedRoomVersion is 400 M_UNSUPPORTED_ROOM_VERSION.
func UnsupportedRoomVersion(version string) *Error {
	return Newf(http.StatusBadRequest, CodeUnsupportedRoomVersion, "Room version %q is not supported", version)
}

// IncompatibleRoomVersion is 400 M_INCOMPATIBLE_ROOM_VERSION, which names the room's version.
func IncompatibleRoomVersion(version string) *Error {
	return Newf(http.StatusBadRequest, CodeIncompatibleVersion, "The room has version %q, which is not supported", version).
		With("room_version", version)
}

// RoomInUse is 400 M_ROOM_IN_USE: the alias is taken.
func RoomInUse(format string, args ...any) *Error {
	return Newf(http.StatusBadRequest, CodeRoomInUse, format, args...)
}

// Unknown is M_UNKNOWN with the given status.
func Unknown(status int, format string, args ...any) *Error {
	return Newf(status, CodeUnknown, format, args...)
}

// Internal is 500 M_UNKNOWN with a message that gives nothing away; cause is for the log.
func Internal(cause error) *Error {
	return Newf(http.StatusInternalServerError, CodeUnknown, "Internal server error").WithCause(cause)
}

// Unavailable is 503 M_UNKNOWN with a hint when to try again.
func Unavailable(retryAfter time.Duration, format string, args ...any) *Error {
	e := Newf(http.StatusServiceUnavailable, CodeUnknown, format, args...)
	e.RetryAfter = retryAfter
	return e
}
