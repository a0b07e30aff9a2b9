package matrix

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// StatusError is an answer that is not 2xx.
type StatusError struct {
	Status  int    `json:"-"`
	Code    string `json:"errcode"`
	Message string `json:"error"`
	Session string `json:"session"` // of a registration that wants another stage; else ""
	// After is how long to wait, as the answer says, before the request is made again, at most maxAfter; 0: it does not say.
	After time.Duration `json:"-"`
	// Location is where a redirect leads, "" of other answers. None is followed: a request would be measured as two, or turn
	// into another one.
	Location string `json:"-"`
}

// maxAfter bounds what an answer can make a client wait.
const maxAfter = 30 * time.Second

// Bounds of what is kept of an answer, in bytes: where a redirect leads, and what is wrong.
const maxLocation, maxCode, maxMessage = 200, 100, 500

// printable is the beginning of what a server says, as far as a terminal can show it.
func printable(said string, most int) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, said[:min(len(said), most)])
}

func (e *StatusError) Error() string {
	if e.Location != "" {
		return fmt.Sprintf("%d: redirects to %q, and redirects are not followed: name the server that answers itself", e.Status, e.Location)
	}
	return fmt.Sprintf("%d %s: %s", e.Status, e.Code, e.Message)
}

// refusal is the error of an answer that is not 2xx.
func refusal(res *http.Response, text []byte) *StatusError {
	e := &StatusError{}
	var wait struct {
		Milliseconds float64 `json:"retry_after_ms"`
	}
	_, _ = json.Unmarshal(text, e), json.Unmarshal(text, &wait) // what is no JSON says nothing but its status
	e.Status, e.Code, e.Message = res.StatusCode, printable(e.Code, maxCode), printable(e.Message, maxMessage)
	if e.Status/100 == 3 {
		e.Location = res.Header.Get("Location")
		e.Location = e.Location[:min(len(e.Location), maxLocation)]
	}
	if seconds, err := strconv.ParseFloat(res.Header.Get("Retry-After"), 64); err == nil && seconds > 0 {
		wait.Milliseconds = 1000 * seconds
	}
	if wait.Milliseconds > 0 {
		e.After = time.Duration(min(wait.Milliseconds, float64(maxAfter.Milliseconds())) * float64(time.Millisecond))
	}
	return e
}

// NonsenseError is an answer of 2xx that is not what Matrix has in its place.
type NonsenseError struct{ What string }

func (e *NonsenseError) Error() string { return "the answer " + e.What }

// named returns err, or an error if one of the fields, a name and its value each, is empty in an answer.
func named(err error, fields ...string) error {
	if err != nil {
		return err
	}
	for i := 0; i < len(fields); i += 2 {
		if fields[i+1] == "" {
			return &NonsenseError{"names no " + fields[i]}
		}
	}
	return nil
}

// Refused reports whether an error is an answer that says no: 4xx.
func Refused(err error) bool {
	status := (*StatusError)(nil)
	return errors.As(err, &status) && status.Status/100 == 4
}

// Unserved reports whether an error is the answer of a server that does not know the endpoint.
func Unserved(err error) bool {
	status := (*StatusError)(nil)
	return errors.As(err, &status) && (status.Status == 404 || status.Status == 405) && status.Code == "M_UNRECOGNIZED"
}
