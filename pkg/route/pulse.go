package route

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strconv"
	"sync"
	"time"
)

// A worker that works on a request shows that it lives, on the very connection, by interim answers (102). So a request
// that takes long is told from one whose worker hangs, or whose way there or back is cut, whatever stands in between and
// acknowledges in its place. Only whoever asks for pulses gets them.
const (
	// ownerPulse and rolePulse are how often: a write is to be quick, of long polls there are many.
	ownerPulse = 500 * time.Millisecond
	rolePulse  = 5 * time.Second
	// minSilence is the shortest silence that ends an attempt; more than two pulses always do.
	minSilence = 2 * time.Second
	// stallLimit is how long an answer may pause of which the client has got a part.
	stallLimit = 30 * time.Second

	minPulse, maxPulse = 50 * time.Millisecond, time.Minute
)

// errSilent is why an attempt is cancelled that shows no sign of life.
var errSilent = errors.New("the worker shows no sign of life")

// Pulse makes h send pulses to forwarders that ask for them.
func Pulse(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		every, err := strconv.Atoi(r.Header.Get(HeaderPulse))
		if err != nil {
			h.ServeHTTP(w, r)
			return
		}
		p := &pulsing{ResponseWriter: w, header: w.Header().Clone(), every: min(max(time.Duration(every)*time.Millisecond, minPulse), maxPulse)}
		p.mu.Lock()
		p.timer = time.AfterFunc(p.every, p.pulse)
		p.mu.Unlock()
		defer p.begin(0)
		h.ServeHTTP(p, r)
	})
}

// pulsing is the answer to a request while pulses are sent.
type pulsing struct {
	http.ResponseWriter
	header http.Header // the handler's, for a pulse sends what is in the other
	every  time.Duration

	mu    sync.Mutex
	timer *time.Timer
	begun bool // the answer has, or the handler has returned
}

func (p *pulsing) pulse() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.begun {
		return
	}
	p.ResponseWriter.WriteHeader(http.StatusProcessing)
	p.timer.Reset(p.every)
}

// begin ends the pulses; status 0 means that the handler has returned.
func (p *pulsing) begin(status int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.begun {
		return
	}
	p.begun = true
	p.timer.Stop()
	h := p.ResponseWriter.Header()
	clear(h)
	maps.Copy(h, p.header)
	if status != 0 {
		p.ResponseWriter.WriteHeader(status)
	}
}

func (p *pulsing) Header() http.Header { return p.header }

func (p *pulsing) WriteHeader(status int) { p.begin(status) }

func (p *pulsing) Write(b []byte) (int, error) {
	p.begin(http.StatusOK)
	return p.ResponseWriter.Write(b)
}

// FlushError and Unwrap are for http.ResponseController.
func (p *pulsing) FlushError() error {
	p.begin(http.StatusOK)
	return http.NewResponseController(p.ResponseWriter).Flush()
}

func (p *pulsing) Unwrap() http.ResponseWriter { return p.ResponseWriter }

// A listener makes a worker suspect that has been silent for half of the limit, and cancels its attempt after all of it.
type listener struct {
	suspect func()
	cancel  context.CancelCauseFunc

	mu      sync.Mutex
	limit   time.Duration
	timer   *time.Timer
	strikes int
	off     bool // a strike does not count: it, or a pulse, came late
}

// listen asks r's worker for pulses, if it can send them, and starts to listen. Call end when the attempt has ended.
func listen(r *http.Request, to Worker, pulse time.Duration, suspect func(), cancel context.CancelCauseFunc) (*http.Request, *listener) {
	l := &listener{limit: max(minSilence, 5*pulse/2), suspect: suspect, cancel: cancel}
	l.mu.Lock()
	l.timer = time.AfterFunc(l.limit/2, l.strike)
	l.mu.Unlock()
	if !to.Pulses {
		l.end()
		return r, l
	}
	r.Header.Set(HeaderPulse, strconv.FormatInt(pulse.Milliseconds(), 10))
	return r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
		Got1xxResponse: func(int, textproto.MIMEHeader) error {
			l.heard()
			return nil
		},
	})), l
}

func (l *listener) strike() {
	l.mu.Lock()
	if l.off {
		l.mu.Unlock()
		return
	}
	l.strikes++
	first := l.strikes == 1
	if first {
		l.timer.Reset(l.limit / 2)
	}
	l.mu.Unlock()
	if first {
		l.suspect()
		return
	}
	l.cancel(errSilent)
}

func (l *listener) heard() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.strikes = 0
	l.timer.Reset(l.limit / 2)
}

// again listens once more, after end.
func (l *listener) again() {
	l.mu.Lock()
	l.off = false
	l.mu.Unlock()
	l.heard()
}

func (l *listener) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.off = true
	l.timer.Stop()
}

// allow sets another limit, for later.
func (l *listener) allow(limit time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.limit = limit
}

// body is the answer's body, of which each part has to come within limit. Nobody pulses there. How long the client takes
// for a part does not count.
type body struct {
	io.Reader
	*listener
}

func (b *body) Read(p []byte) (int, error) {
	b.again()
	defer b.end()
	return b.Reader.Read(p)
}
