package mxerr_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/mxerr"
)

func TestResponses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err    *mxerr.Error
		status int
		body   string
	}{
		{mxerr.Forbidden("no, %s", "you"), 403, `{"errcode":"M_FORBIDDEN","error":"no, you"}`},
		{mxerr.GuestAccessForbidden("x"), 403, `{"errcode":"M_GUEST_ACCESS_FORBIDDEN","error":"x"}`},
		{mxerr.NotFound("x"), 404, `{"errcode":"M_NOT_FOUND","error":"x"}`},
		{mxerr.Unrecognized(), 404, `{"errcode":"M_UNRECOGNIZED","error":"Unrecognized request"}`},
		{mxerr.MethodNotAllowed(), 405, `{"errcode":"M_UNRECOGNIZED","error":"Unrecognized request method"}`},
		{mxerr.BadJSON("x"), 400, `{"errcode":"M_BAD_JSON","error":"x"}`},
		{mxerr.NotJSON("x"), 400, `{"errcode":"M_NOT_JSON","error":"x"}`},
		{mxerr.MissingParam("x"), 400, `{"errcode":"M_MISSING_PARAM","error":"x"}`},
		{mxerr.InvalidParam("x"), 400, `{"errcode":"M_INVALID_PARAM","error":"x"}`},
		{mxerr.InvalidRoomState("x"), 400, `{"errcode":"M_INVALID_ROOM_STATE","error":"x"}`},
		{mxerr.BadState("x"), 403, `{"errcode":"M_BAD_STATE","error":"x"}`},
		{mxerr.MissingToken(), 401, `{"errcode":"M_MISSING_TOKEN","error":"Missing access token"}`},
		{mxerr.UnknownToken(true), 401, `{"errcode":"M_UNKNOWN_TOKEN","error":"Unknown access token","soft_logout":true}`},
		{mxerr.UnknownToken(false), 401, `{"errcode":"M_UNKNOWN_TOKEN","error":"Unknown access token","soft_logout":false}`},
		{mxerr.LimitExceeded(1500*time.Microsecond + 1), 429, `{"errcode":"M_LIMIT_EXCEEDED","error":"Too many requests","retry_after_ms":2}`},
		{mxerr.LimitExceeded(0), 429, `{"errcode":"M_LIMIT_EXCEEDED","error":"Too many requests"}`},
		{mxerr.TooLarge("x"), 413, `{"errcode":"M_TOO_LARGE","error":"x"}`},
		{mxerr.UserInUse("x"), 400, `{"errcode":"M_USER_IN_USE","error":"x"}`},
		{mxerr.InvalidUsername("x"), 400, `{"errcode":"M_INVALID_USERNAME","error":"x"}`},
		{mxerr.WeakPassword("x"), 400, `{"errcode":"M_WEAK_PASSWORD","error":"x"}`},
		{mxerr.UserDeactivated(), 403, `{"errcode":"M_USER_DEACTIVATED","error":"This account has been deactivated"}`},
		{mxerr.Exclusive("x"), 400, `{"errcode":"M_EXCLUSIVE","error":"x"}`},
		{mxerr.UnsupportedRoomVersion("0"), 400, `{"errcode":"M_UNSUPPORTED_ROOM_VERSION","error":"Room version \"0\" is not supported"}`},
		{mxerr.IncompatibleRoomVersion("0"), 400, `{"errcode":"M_INCOMPATIBLE_ROOM_VERSION","error":"The room has version \"0\", which is not supported","room_version":"0"}`},
		{mxerr.RoomInUse("x"), 400, `{"errcode":"M_ROOM_IN_USE","error":"x"}`},
		{mxerr.Unknown(418, "x"), 418, `{"errcode":"M_UNKNOWN","error":"x"}`},
		{mxerr.Internal(errors.New("the password is 123")), 500, `{"errcode":"M_UNKNOWN","error":"Internal server error"}`},
		{mxerr.Unavailable(time.Second, "x"), 503, `{"errcode":"M_UNKNOWN","error":"x","retry_after_ms":1000}`},
		{&mxerr.Error{Code: "X", Extra: map[string]any{"errcode": "Y", "retry_after_ms": 3}}, 500, `{"errcode":"X","error":""}`},
	} {
		body, err := json.Marshal(tt.err)
		require.NoError(t, err)
		require.JSONEq(t, tt.body, string(body))
		require.Equal(t, tt.status, tt.err.Status(), tt.body)
	}
	require.EqualValues(t, 2, mxerr.LimitExceeded(1001*time.Millisecond).RetryAfterSeconds())
}

func TestCausesAreForTheLogOnly(t *testing.T) {
	t.Parallel()
	cause := errors.New("connection refused")
	e := mxerr.NotFound("no such room")
	withCause := e.WithCause(cause)
	require.ErrorIs(t, withCause, cause)
	require.Equal(t, "M_NOT_FOUND: no such room: connection refused", withCause.Error())
	require.Equal(t, "M_NOT_FOUND: no such room", e.Error(), "the original is unchanged")
	body, err := json.Marshal(withCause)
	require.NoError(t, err)
	require.NotContains(t, string(body), "refused")

	e = mxerr.BadJSON("content: %w", cause)
	require.ErrorIs(t, e, cause)
	require.Equal(t, "content: connection refused", e.Message)
}

func TestAs(t *testing.T) {
	t.Parallel()
	e := mxerr.Forbidden("x")
	require.Same(t, e, mxerr.As(fmt.Errorf("join: %w", e)))
	require.True(t, mxerr.Is(fmt.Errorf("join: %w", e), mxerr.CodeForbidden))
	require.False(t, mxerr.Is(e, mxerr.CodeNotFound))
	require.Nil(t, mxerr.As(errors.New("x")))
	require.Nil(t, mxerr.As(nil))
	require.False(t, mxerr.Is(nil, mxerr.CodeNotFound))
}

func TestWithLeavesTheOriginal(t *testing.T) {
	t.Parallel()
	a := mxerr.Forbidden("x").With("a", 1)
	b := a.With("b", 2)
	require.Equal(t, map[string]any{"a": 1}, a.Extra)
	require.Equal(t, map[string]any{"a": 1, "b": 2}, b.Extra)
}
