package postgres

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// A Login says where the database is, and who to be there. User and Password are those of the URI when empty.
type Login struct {
	URI, User, Password string
}

const (
	// trialTimeout bounds how long a connection waits until a changed login has been tried.
	trialTimeout = 2 * time.Second
	// trialPause is how soon a login is tried again that nobody answered. One that was refused is tried with each
	// connection: its password may be about to become good.
	trialPause = 10 * time.Second
)

// A Source makes connections by a login that may change while they are made. One that has changed is tried first, and used
// from then on if it leads to the same database; until then the one before is, so that a mistake in a Secret does no harm
// for as long as that is good. All methods are safe for concurrent use.
type Source struct {
	read func() (Login, error)

	mu    sync.Mutex
	good  Login // the last that led to the database; zero: none yet
	vain  Login // the last that was tried in vain
	again time.Time
}

// NewSource makes a Source that asks read for the login before each connection.
func NewSource(read func() (Login, error)) *Source { return &Source{read: read} }

// At is the Source of a URI that stays what it is.
func At(uri string) *Source {
	return NewSource(func() (Login, error) { return Login{URI: uri}, nil })
}

// Open makes a pool. It connects lazily: an unreachable database is an error of the first query, not of Open.
func (s *Source) Open(ctx context.Context, opts Options) (*pgxpool.Pool, error) {
	login, err := s.choose(ctx, opts)
	if err != nil {
		return nil, err
	}
	cfg, err := pgxpool.ParseConfig(login.URI)
	if err != nil {
		return nil, redact(err, login.URI)
	}
	login.apply(cfg.ConnConfig, opts)
	cfg.MaxConns = 4
	if opts.MaxConns > 0 {
		cfg.MaxConns = opts.MaxConns
	}
	cfg.MinConns = 0
	cfg.MaxConnIdleTime = time.Minute
	cfg.PingTimeout = pingTimeout
	cfg.BeforeConnect = func(ctx context.Context, conn *pgx.ConnConfig) error {
		fresh, _, err := s.config(ctx, opts)
		if err != nil {
			return err
		}
		// What a login says; the rest stays as the pool has it.
		conn.Host, conn.Port, conn.Fallbacks, conn.Database = fresh.Host, fresh.Port, fresh.Fallbacks, fresh.Database
		conn.User, conn.Password, conn.TLSConfig, conn.SSLNegotiation = fresh.User, fresh.Password, fresh.TLSConfig, fresh.SSLNegotiation
		return nil
	}
	return pgxpool.NewWithConfig(ctx, cfg)
}

// Session opens one direct session.
func (s *Source) Session(ctx context.Context, opts Options) (*pgx.Conn, error) {
	cfg, login, err := s.config(ctx, opts)
	if err != nil {
		return nil, err
	}
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err == nil {
		s.worked(login)
	}
	return conn, err
}

func (s *Source) config(ctx context.Context, opts Options) (*pgx.ConnConfig, Login, error) {
	login, err := s.choose(ctx, opts)
	if err != nil {
		return nil, login, err
	}
	cfg, err := login.config(opts)
	return cfg, login, err
}

func (l Login) config(opts Options) (*pgx.ConnConfig, error) {
	cfg, err := pgxpool.ParseConfig(l.URI) // which takes out what is for pools
	if err != nil {
		return nil, redact(err, l.URI)
	}
	l.apply(cfg.ConnConfig, opts)
	return cfg.ConnConfig, nil
}

func (l Login) apply(cfg *pgx.ConnConfig, opts Options) {
	if l.User != "" {
		cfg.User = l.User
	}
	if l.Password != "" {
		cfg.Password = l.Password
	}
	prepare(cfg, opts)
}

// choose is the login to connect with.
func (s *Source) choose(ctx context.Context, opts Options) (Login, error) {
	newest, err := s.read()
	s.mu.Lock()
	good, waiting := s.good, newest == s.vain && time.Now().Before(s.again)
	s.mu.Unlock()
	switch {
	case good == Login{}:
		return newest, err
	case err == nil && newest == good:
		return good, nil
	case err == nil && waiting:
		return good, nil
	}
	if err == nil {
		err = newest.try(ctx, opts)
	}
	if err == nil {
		s.worked(newest)
		slog.InfoContext(ctx, "connecting to the database by a login that was replaced")
		return newest, nil
	}
	if s.inVain(newest, err) {
		slog.WarnContext(ctx, "the login for the database was replaced by one that does not work; the one before is used on", "error", err)
	}
	return good, nil
}

func (l Login) try(ctx context.Context, opts Options) error {
	cfg, err := l.config(opts)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, trialTimeout)
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

func (s *Source) worked(l Login) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.good = l
}

// inVain notes a login that does not work, and reports whether it is another than the last one that did not.
func (s *Source) inVain(l Login, err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	other := l != s.vain
	s.vain, s.again = l, time.Time{}
	if !strings.HasPrefix(Code(err), "28") { // invalid authorization
		s.again = time.Now().Add(trialPause)
	}
	return other
}
