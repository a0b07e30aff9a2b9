package mxhttp

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"unicode/utf8"

	"github.com/myelin-hs/myelin/pkg/mxerr"
)

// ReadJSON decodes the request's body, which must be one JSON object of at most limit bytes, into v. Errors are 413
// M_TOO_LARGE, 400 M_NOT_JSON for what is not JSON in UTF-8 (an empty body included), and 400 M_BAD_JSON for JSON that
// is no object or does not fit v. v is not to be used after an error.
func ReadJSON(w http.ResponseWriter, r *http.Request, limit int64, v any) error {
	body, err := ReadBody(w, r, limit)
	if err != nil {
		return err
	}
	return DecodeJSON(body, v)
}

// ReadOptionalJSON is [ReadJSON] for endpoints whose body clients may leave out: an empty body leaves v as it is.
func ReadOptionalJSON(w http.ResponseWriter, r *http.Request, limit int64, v any) error {
	body, err := ReadBody(w, r, limit)
	if err != nil || len(bytes.TrimSpace(body)) == 0 {
		return err
	}
	return DecodeJSON(body, v)
}

// ReadBody returns the request's body of at most limit bytes. Errors are 413 M_TOO_LARGE, and 400 M_NOT_JSON when the
// body breaks off.
func ReadBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	if r.ContentLength > limit {
		// The connection is closed after the answer: the server will not read what is still to come.
		w.Header().Set("Connection", "close")
		return nil, mxerr.TooLarge("The request body is larger than %d bytes", limit)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		return nil, mxerr.TooLarge("The request body is larger than %d bytes", tooLarge.Limit)
	}
	if err != nil {
		return nil, mxerr.NotJSON("The request body could not be read").WithCause(err)
	}
	return body, nil
}

// DecodeJSON decodes body, which must be one JSON object, into v, with the errors of [ReadJSON].
func DecodeJSON(body []byte, v any) error {
	if !utf8.Valid(body) || !json.Valid(body) {
		return mxerr.NotJSON("The request body is not valid JSON")
	}
	if bytes.TrimLeft(body, " \t\r\n")[0] != '{' {
		return mxerr.BadJSON("The request body is not a JSON object")
	}
	return badJSON(json.Unmarshal(body, v))
}

// badJSON turns the error of decoding valid JSON into one that names the field at fault.
func badJSON(err error) error {
	if err == nil {
		return nil
	}
	if api := mxerr.As(err); api != nil { // from an UnmarshalJSON of ours
		return api
	}
	if wrong := new(json.UnmarshalTypeError); errors.As(err, &wrong) && wrong.Field != "" {
		return mxerr.BadJSON("Field %q has the wrong type: %s", wrong.Field, wrong.Value).WithCause(err)
	}
	return mxerr.BadJSON("The request body has not the expected form").WithCause(err)
}

// QueryInt returns the query parameter name as an integer of [0, most], what is greater cut to most, or def when it is
// absent. Anything else is 400 M_INVALID_PARAM.
func QueryInt(r *http.Request, name string, def, most int) (int, error) {
	s := r.URL.Query().Get(name)
	if s == "" {
		return def, nil
	}
	n, err := strconv.ParseUint(s, 10, 31)
	if errors.Is(err, strconv.ErrRange) {
		return most, nil
	}
	if err != nil {
		return 0, mxerr.InvalidParam("Query parameter %q is not a non-negative integer", name)
	}
	return min(int(n), most), nil
}

// QueryEnum returns the query parameter name, which must be one of allowed, or "" when it is absent. Anything else is
// 400 M_INVALID_PARAM.
func QueryEnum(r *http.Request, name string, allowed ...string) (string, error) {
	s := r.URL.Query().Get(name)
	if s == "" {
		return "", nil
	}
	for _, a := range allowed {
		if s == a {
			return s, nil
		}
	}
	return "", mxerr.InvalidParam("Query parameter %q is not one of %s", name, fmt.Sprint(allowed))
}
