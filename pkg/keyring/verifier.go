package keyring

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/maypok86/otter/v2"
	"golang.org/x/sync/singleflight"

	"github.com/myelin-hs/myelin/pkg/id"
)

const (
	// maxServers bounds the servers whose keys are in memory.
	maxServers = 4096
	// repeat is how soon a server that answered may be asked again, for a key that it did not name.
	repeat = time.Minute
	// firstBackOff is how soon a server that failed may be asked again; it doubles with each failure, up to maxBackOff.
	firstBackOff = time.Minute
	maxBackOff   = time.Hour
	// flightLimit bounds a lookup, whoever waits for it.
	flightLimit = time.Minute
	// patience is how long those who ask this server as a notary wait for a server that is slow. Many such servers in one
	// query still leave time for an answer.
	patience = 2 * time.Second
)

// Reasons of a [KeyError].
var (
	// ErrUnknownKey: the server and the notaries were asked and do not name the key.
	ErrUnknownKey = errors.New("the server has no such key")
	// ErrKeyNotValid: the key was not valid at that time.
	ErrKeyNotValid = errors.New("the key was not valid then")
	// ErrUnavailable: nobody who could tell answered. Later it may be different.
	ErrUnavailable = errors.New("the key cannot be had now")
)

// A KeyError says which key of which server is at fault. Err wraps [ErrUnknownKey], [ErrKeyNotValid], [ErrUnavailable],
// or what a signature's check found.
type KeyError struct {
	Server id.ServerName
	KeyID  string // empty if it is about all keys of the server
	Err    error
}

func (e *KeyError) Error() string {
	if e.KeyID == "" {
		return fmt.Sprintf("keys of %s: %v", e.Server, e.Err)
	}
	return fmt.Sprintf("key %s of %s: %v", e.KeyID, e.Server, e.Err)
}

// Unwrap returns the reason.
func (e *KeyError) Unwrap() error { return e.Err }

// A Purpose says what a key has to be good for.
type Purpose int

const (
	// ForEvent: an event of a room version with EnforceKeyValidity. The key, which may be old, was valid then.
	ForEvent Purpose = iota
	// ForOldEvent: an event of a room version without. The key is, or was, the server's.
	ForOldEvent
	// ForRequest: a request. The key is valid now, and not old.
	ForRequest
)

// A Lookup asks for a key.
type Lookup struct {
	Server id.ServerName
	KeyID  string // "ed25519:version"
	For    Purpose
	At     int64 // ForEvent: when the event says that it was made; milliseconds since 1970
}

// VerifierOptions are those of [NewVerifier].
type VerifierOptions struct {
	DB *pgxpool.Pool
	// Own are this server's keys.
	Own *Own
	// Client sends requests. Its time limits may be longer than those of this package: 10 s a request.
	Client *http.Client
	// BaseURL finds where a server is, such as [DirectURL] (server-server API, "Resolving server names").
	BaseURL func(context.Context, id.ServerName) (string, error)
	// Notaries are asked, in this order, for what a server itself does not say. They are believed.
	Notaries []id.ServerName
	// Now is the clock; nil: time.Now.
	Now func() time.Time
}

// A Verifier finds other servers' keys, and verifies by them. It is safe for concurrent use. Lookups of one server at the
// same time make one request.
type Verifier struct {
	own      *Own
	rows     rows
	fetch    *fetcher
	notaries []id.ServerName
	now      func() time.Time
	servers  *otter.Cache[id.ServerName, *server]
	flights  singleflight.Group
	patience time.Duration
}

// NewVerifier returns a Verifier. It does nothing by itself.
func NewVerifier(o VerifierOptions) *Verifier {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Verifier{
		own: o.Own, rows: rows{o.DB}, fetch: newFetcher(o.Client, o.BaseURL, o.Now), notaries: o.Notaries, now: o.Now,
		servers:  otter.Must(&otter.Options[id.ServerName, *server]{MaximumSize: maxServers}),
		patience: patience,
	}
}

// Key returns the public key that l asks for. Errors are [*KeyError], or of ctx or the database.
func (v *Verifier) Key(ctx context.Context, l Lookup) (ed25519.PublicKey, error) {
	fail := func(err error) (ed25519.PublicKey, error) { return nil, &KeyError{l.Server, l.KeyID, err} }
	if !supported(l.KeyID) {
		return fail(fmt.Errorf("%w: it is not an %s key", ErrUnknownKey, algorithm))
	}
	now := v.now()
	if l.For == ForRequest {
		l.At = now.UnixMilli()
	}
	if l.For == ForEvent && l.At > now.Add(maxValidity).UnixMilli() {
		return fail(ErrKeyNotValid) // whatever its server says
	}
	if l.Server == v.own.ServerName() {
		return v.ownKey(ctx, l)
	}
	s := v.server(l.Server)
	key, verdict := s.find(l, now)
	switch {
	case verdict == found, verdict == aged && !s.mayAsk(now):
		return key, nil
	case verdict == refused:
		return nil, refusal(l, verdict)
	}
	failed, err := v.refresh(ctx, s, l)
	if err != nil {
		return nil, err
	}
	key, verdict = s.find(l, now)
	switch {
	case verdict == found, verdict == aged: // aged: better than nothing, for it is still valid
		return key, nil
	case verdict == missing && failed != nil:
		return fail(fmt.Errorf("%w: %w", ErrUnavailable, failed))
	case verdict == outdated && failed != nil:
		return fail(fmt.Errorf("%w: %w: %w", ErrUnavailable, ErrKeyNotValid, failed))
	default:
		return nil, refusal(l, verdict)
	}
}

func refusal(l Lookup, v verdict) error {
	switch v {
	case found, aged:
		return nil
	case missing:
		return &KeyError{l.Server, l.KeyID, ErrUnknownKey}
	default:
		return &KeyError{l.Server, l.KeyID, ErrKeyNotValid}
	}
}

// refresh looks in Postgres, asks the server, then the notaries, until l can be answered. failed is why some of them
// could not be asked.
func (v *Verifier) refresh(ctx context.Context, s *server, l Lookup) (failed, err error) {
	enough := func() bool { _, verdict := s.find(l, v.now()); return verdict == found || verdict == refused }
	if err := v.once(ctx, "read "+string(s.name), func(ctx context.Context) error { return v.load(ctx, s) }); err != nil || enough() {
		return nil, err
	}
	if failed, err = v.direct(ctx, s); err != nil || failed == nil && s.named(l.KeyID) || enough() {
		return failed, err
	}
	for _, notary := range v.notaries {
		if notary == s.name {
			continue
		}
		why, err := v.notary(ctx, notary, s, l)
		if err != nil || enough() {
			return nil, err
		}
		failed = errors.Join(failed, why)
	}
	return failed, nil
}

// direct asks the server, unless it was asked a moment ago. The first error is why it could not be asked, the second
// the database's or ctx's.
func (v *Verifier) direct(ctx context.Context, s *server) (failed, err error) {
	err = v.once(ctx, "ask "+string(s.name), func(ctx context.Context) error {
		if !s.mayAsk(v.now()) {
			return nil
		}
		resp, err := v.fetch.direct(ctx, s.name)
		if err != nil {
			s.asked(v.now(), nil, err)
			return nil
		}
		if err = v.rows.merge(ctx, resp, true); err == nil {
			err = v.load(ctx, s)
		}
		s.asked(v.now(), resp, err) // an answer that is lost is none
		return err
	})
	return s.failed(), err
}

// notary asks one notary about one key.
func (v *Verifier) notary(ctx context.Context, notary id.ServerName, s *server, l Lookup) (failed, err error) {
	query := string(notary) + " " + l.KeyID
	err = v.once(ctx, "ask "+query+" "+string(s.name), func(ctx context.Context) error {
		n := v.server(notary)
		if !s.mayQuery(query, v.now()) || !n.mayQuery(anyQuery, v.now()) {
			return nil
		}
		keys, err := v.notaryKeys(ctx, notary)
		if err != nil {
			return err
		}
		at := l.At
		if l.For == ForOldEvent {
			at = 0
		}
		responses, why := v.fetch.notary(ctx, keys, s.name, l.KeyID, at)
		if why != nil && !errors.Is(why, ErrResponse) {
			n.queried(anyQuery, v.now(), why) // it is away, whatever it is asked for
		}
		for _, resp := range responses {
			if err = v.rows.merge(ctx, resp, false); err != nil {
				break
			}
		}
		if err == nil {
			err = v.load(ctx, s)
		}
		s.queried(query, v.now(), errors.Join(why, err))
		return err
	})
	if errors.Is(err, errNotary) {
		return err, nil
	}
	return errors.Join(s.queryFailed(query), v.server(notary).queryFailed(anyQuery)), err
}

// anyQuery stands for what a notary that is away is not asked.
const anyQuery = ""

// errNotary marks that the notary's own keys could not be had.
var errNotary = errors.New("its keys")

// notaryKeys returns the keys by which a notary may sign now, as it says itself.
func (v *Verifier) notaryKeys(ctx context.Context, notary id.ServerName) (signers, error) {
	n, now := v.server(notary), v.now()
	keys := n.current(now)
	if len(keys) == 0 {
		if err := v.load(ctx, n); err != nil {
			return signers{}, err
		}
		keys = n.current(now)
	}
	if len(keys) == 0 {
		failed, err := v.direct(ctx, n)
		if err != nil {
			return signers{}, err
		}
		if keys = n.current(now); len(keys) == 0 {
			return signers{}, fmt.Errorf("notary %s: %w: %w", notary, errNotary, failed)
		}
	}
	return signers{notary, keys}, nil
}

func (v *Verifier) load(ctx context.Context, s *server) error {
	keys, err := v.rows.load(ctx, s.name)
	if err == nil {
		s.set(keys)
	}
	return err
}

func (v *Verifier) server(name id.ServerName) *server {
	s, _ := v.servers.ComputeIfAbsent(name, func() (*server, bool) { return &server{name: name}, false })
	return s
}

// once runs do for all who ask for the same at the same time, and lets none of them wait longer than it wants to.
func (v *Verifier) once(ctx context.Context, what string, do func(context.Context) error) error {
	done := v.flights.DoChan(what, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flightLimit)
		defer cancel()
		return nil, do(ctx)
	})
	select {
	case r := <-done:
		return r.Err
	case <-ctx.Done():
		return ctx.Err()
	}
}
