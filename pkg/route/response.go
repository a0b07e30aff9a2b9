package route

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
)

const (
	// headSize is how much of an answer is held back until it is known to be whole: a worker that dies in the middle of
	// a longer one breaks the client's connection.
	headSize = 64 << 10
	// maxResponse bounds an answer, in bytes.
	maxResponse = 256 << 20
)

// hopHeaders concern one connection only (RFC 9110, section 7.6.1).
var hopHeaders = []string{"Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}

// errBroken says that an answer broke off after part of it had gone to the client.
var errBroken = errors.New("the answer broke off")

// relay writes an answer to w. Before it writes anything it may fail with any error, later with errBroken. committed is
// called in between: what the client has got a part of cannot be asked of another worker, and one that leaves still
// sends what it has begun.
func relay(w http.ResponseWriter, resp *http.Response, body io.Reader, committed func()) error {
	head, err := io.ReadAll(io.LimitReader(body, headSize))
	if err != nil {
		return err
	}
	committed()
	for name, values := range resp.Header {
		if !slices.Contains(hopHeaders, name) { // what w has of these is about the connection to the client
			w.Header()[name] = values
		}
	}
	w.WriteHeader(resp.StatusCode)
	if _, err := w.Write(head); err != nil {
		return fmt.Errorf("%w: %w", errBroken, err)
	}
	if len(head) < headSize {
		return nil
	}
	n, err := io.Copy(w, io.LimitReader(body, maxResponse))
	if err == nil && n == maxResponse {
		err = fmt.Errorf("it exceeds %d bytes", maxResponse)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errBroken, err)
	}
	return nil
}

// A gate stands between a handler of this process and the client: it holds back a response that says "not here".
type gate struct {
	http.ResponseWriter
	header http.Header
	status int
	closed bool
}

func newGate(w http.ResponseWriter) *gate { return &gate{ResponseWriter: w, header: make(http.Header)} }

func (g *gate) Header() http.Header { return g.header }

func (g *gate) WriteHeader(status int) {
	if g.status != 0 {
		return
	}
	g.status = status
	if elsewhere(status, g.header) {
		g.closed = true
		return
	}
	for name, values := range g.header {
		g.ResponseWriter.Header()[name] = values
	}
	g.ResponseWriter.WriteHeader(status)
}

func (g *gate) Write(p []byte) (int, error) {
	if g.status == 0 {
		g.WriteHeader(http.StatusOK)
	}
	if g.closed {
		return len(p), nil
	}
	return g.ResponseWriter.Write(p)
}

// Unwrap is for http.ResponseController.
func (g *gate) Unwrap() http.ResponseWriter { return g.ResponseWriter }

// elsewhere reports whether a response means that another worker is to be asked.
func elsewhere(status int, h http.Header) bool {
	return status == http.StatusMisdirectedRequest || h.Get(HeaderUnserved) != ""
}

// A Response is an answer held in memory.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
}

// recorder collects a Response of at most limit bytes.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
	limit  int
}

func (r *recorder) Header() http.Header { return r.header }

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
}

func (r *recorder) Write(p []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	if r.body.Len()+len(p) > r.limit {
		return 0, fmt.Errorf("the answer exceeds %d bytes", r.limit)
	}
	return r.body.Write(p)
}
