package mxhttp_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/mxerr"
	"github.com/myelin-hs/myelin/pkg/mxhttp"
)

type body struct {
	Name string   `json:"name"`
	List []string `json:"list"`
}

func TestReadJSON(t *testing.T) {
	t.Parallel()
	const limit = 64
	tests := map[string]struct {
		body     string
		status   int
		code     mxerr.Code
		optional bool
		want     body
	}{
		"an object":                  {body: ` {"name":"x","list":["a"],"more":1} `, want: body{"x", []string{"a"}}},
		"empty":                      {body: "", status: 400, code: mxerr.CodeNotJSON},
		"empty where optional":       {body: " \n", optional: true},
		"malformed":                  {body: `{"name":`, status: 400, code: mxerr.CodeNotJSON},
		"malformed where optional":   {body: `{"name":`, status: 400, code: mxerr.CodeNotJSON, optional: true},
		"two values":                 {body: `{}{}`, status: 400, code: mxerr.CodeNotJSON},
		"not UTF-8":                  {body: "{\"name\":\"\xff\"}", status: 400, code: mxerr.CodeNotJSON},
		"an array":                   {body: `[]`, status: 400, code: mxerr.CodeBadJSON},
		"null":                       {body: `null`, status: 400, code: mxerr.CodeBadJSON},
		"a wrong type":               {body: `{"name":{}}`, status: 400, code: mxerr.CodeBadJSON},
		"a wrong type in a list":     {body: `{"list":[1]}`, status: 400, code: mxerr.CodeBadJSON},
		"as large as allowed":        {body: `{"name":"` + strings.Repeat("x", limit-11) + `"}`, want: body{Name: strings.Repeat("x", limit-11)}},
		"larger than allowed":        {body: `{"name":"` + strings.Repeat("x", limit-10) + `"}`, status: 413, code: mxerr.CodeTooLarge},
		"larger, nothing but spaces": {body: strings.Repeat(" ", limit+1), status: 413, code: mxerr.CodeTooLarge, optional: true},
	}
	for name, tt := range tests {
		for _, chunked := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				var got body
				srv := httptest.NewServer(mxhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
					read := mxhttp.ReadJSON
					if tt.optional {
						read = mxhttp.ReadOptionalJSON
					}
					if err := read(w, r, limit, &got); err != nil {
						return err
					}
					mxhttp.WriteJSON(w, 200, mxhttp.Empty{})
					return nil
				}))
				defer srv.Close()
				var send io.Reader = strings.NewReader(tt.body)
				if chunked {
					send = io.MultiReader(send) // hides the length
				}
				resp, err := srv.Client().Post(srv.URL, "application/json", send)
				require.NoError(t, err)
				defer func() { require.NoError(t, resp.Body.Close()) }()
				require.Equal(t, "application/json", resp.Header.Get("Content-Type"))
				if tt.status == 0 {
					require.Equal(t, 200, resp.StatusCode)
					require.Equal(t, tt.want, got)
					return
				}
				var e struct{ Errcode mxerr.Code }
				require.NoError(t, json.NewDecoder(resp.Body).Decode(&e))
				require.Equal(t, tt.status, resp.StatusCode)
				require.Equal(t, tt.code, e.Errcode)
			})
		}
	}
}

func TestWriteErrorHidesWhatIsNotForClients(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	mxhttp.WriteError(w, httptest.NewRequest("GET", "/", nil), errors.New("password=hunter2"))
	require.Equal(t, 500, w.Code)
	require.JSONEq(t, `{"errcode":"M_UNKNOWN","error":"Internal server error"}`, w.Body.String())
}

func TestWriteErrorTellsAnOutageFromADefect(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		err    error
		status int
	}{
		"nobody listens":             {&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, 503},
		"the connection broke":       {io.ErrUnexpectedEOF, 503},
		"Postgres shuts down":        {&pgconn.PgError{Code: "57P01"}, 503},
		"Postgres starts":            {&pgconn.PgError{Code: "57P03"}, 503},
		"Postgres has no room":       {&pgconn.PgError{Code: "53300"}, 503},
		"it took too long":           {context.DeadlineExceeded, 503},
		"a statement that is wrong":  {&pgconn.PgError{Code: "42601"}, 500},
		"data that is not for a row": {&pgconn.PgError{Code: "22021"}, 500},
	}
	for name, tt := range tests {
		w := httptest.NewRecorder()
		mxhttp.WriteError(w, httptest.NewRequest("GET", "/", nil), fmt.Errorf("read: %w", tt.err))
		require.Equal(t, tt.status, w.Code, name)
		require.Equal(t, tt.status == 503, w.Header().Get("Retry-After") != "", name)
		require.NotContains(t, w.Body.String(), tt.err.Error(), name)
	}
}

func TestWriteErrorSaysWhenToComeAgain(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	mxhttp.WriteError(w, httptest.NewRequest("GET", "/", nil), mxerr.LimitExceeded(1500*time.Millisecond))
	require.Equal(t, 429, w.Code)
	require.Equal(t, "2", w.Header().Get("Retry-After"))
	require.Contains(t, w.Body.String(), `"retry_after_ms":1500`)
}

func TestQuery(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequest("GET", "/?a=7&b=-1&c=x&d=99999999999999999999&e=&dir=q", nil)
	for name, want := range map[string]int{"a": 7, "absent": 5, "d": 50, "e": 5} {
		n, err := mxhttp.QueryInt(r, name, 5, 50)
		require.NoError(t, err)
		require.Equal(t, want, n, name)
	}
	for _, name := range []string{"b", "c"} {
		_, err := mxhttp.QueryInt(r, name, 5, 50)
		require.True(t, mxerr.Is(err, mxerr.CodeInvalidParam), name)
	}
	_, err := mxhttp.QueryEnum(r, "dir", "b", "f")
	require.True(t, mxerr.Is(err, mxerr.CodeInvalidParam))
	s, err := mxhttp.QueryEnum(r, "absent", "b", "f")
	require.NoError(t, err)
	require.Empty(t, s)
}
