// Package auth says who a client is: accounts with their passwords, devices with their access tokens, and who may
// make an account (client-server API, "Legacy API" and "Account management").
//
// Passwords are kept as argon2id hashes, tokens as SHA-256 hashes; neither is ever logged. A revocation takes a block
// of the stream, so that every worker that caches tokens hears of it with the horizon.
//
// Everything here is stateless between requests: any worker can answer the second request of a registration that
// another one answered first.
package auth

import (
	"log/slog"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/myelin-hs/myelin/pkg/id"
)

// Options of [New].
type Options struct {
	DB         *pgxpool.Pool
	ServerName id.ServerName
	// Keys are secrets that all workers of the homeserver share, made from the internal credential: usually one, and while
	// it is replaced several, the oldest last, which all workers know. They sign the sessions and nonces that clients carry
	// from one request to the next.
	Keys func() [][]byte
	// Registration says who may make an account. The zero value: nobody.
	Registration Registration
	// Poke wakes the announcer after a revocation, so that it is heard at once. May be nil.
	Poke func()
}

// Auth keeps accounts, devices and access tokens in Postgres. It is safe for concurrent use.
type Auth struct {
	db      *pgxpool.Pool
	server  id.ServerName
	policy  Registration
	hasher  *hasher
	tickets tickets
	poke    func()
}

// New returns an Auth. It does not touch the database.
func New(o Options) *Auth {
	a := &Auth{
		db:      o.DB,
		server:  o.ServerName,
		policy:  o.Registration,
		hasher:  newHasher(),
		tickets: tickets{keys: o.Keys},
		poke:    o.Poke,
	}
	if a.poke == nil {
		a.poke = func() {}
	}
	return a
}

// A Secret is a password or a token. It prints as ***; convert it to a string to use it.
type Secret string

// String returns "***".
func (Secret) String() string { return "***" }

// GoString returns "***".
func (Secret) GoString() string { return "***" }

// LogValue returns "***".
func (Secret) LogValue() slog.Value { return slog.StringValue("***") }
