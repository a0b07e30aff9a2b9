// Package mxerr holds the errors of the Matrix APIs: an error code, an HTTP status and a message for people
// (client-server API, "Standard error response").
//
// An [Error] is what a client may see. What only the log may see travels as its cause.
package mxerr

// A Code is an error code of the specification, as in the "errcode" of a response.
type Code string

// The codes that Myelin answers with.
const (
	CodeBadJSON                Code = "M_BAD_JSON"
	CodeBadState               Code = "M_BAD_STATE"
	CodeExclusive              Code = "M_EXCLUSIVE"
	CodeForbidden              Code = "M_FORBIDDEN"
	CodeGuestAccessForbidden   Code = "M_GUEST_ACCESS_FORBIDDEN"
	CodeIncompatibleVersion    Code = "M_INCOMPATIBLE_ROOM_VERSION"
	CodeInvalidParam           Code = "M_INVALID_PARAM"
	CodeInvalidRoomState       Code = "M_INVALID_ROOM_STATE"
	CodeInvalidUsername        Code = "M_INVALID_USERNAME"
	CodeLimitExceeded          Code = "M_LIMIT_EXCEEDED"
	CodeMissingParam           Code = "M_MISSING_PARAM"
	CodeMissingToken           Code = "M_MISSING_TOKEN"
	CodeNotFound               Code = "M_NOT_FOUND"
	CodeNotJSON                Code = "M_NOT_JSON"
	CodeRoomInUse              Code = "M_ROOM_IN_USE"
	CodeTooLarge               Code = "M_TOO_LARGE"
	CodeUnknown                Code = "M_UNKNOWN"
	CodeUnknownToken           Code = "M_UNKNOWN_TOKEN"
	CodeUnrecognized           Code = "M_UNRECOGNIZED"
	CodeUnsupportedRoomVersion Code = "M_UNSUPPORTED_ROOM_VERSION"
	CodeUserDeactivated        Code = "M_USER_DEACTIVATED"
	CodeUserInUse              Code = "M_USER_IN_USE"
	CodeWeakPassword           Code = "M_WEAK_PASSWORD"
)
