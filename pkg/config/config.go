package config

import (
	"log/slog"
	"time"
)

// The values of Registration.
const (
	RegistrationClosed = "closed" // only by the shared secret, if there is one
	RegistrationToken  = "token"  // with a registration token
	RegistrationOpen   = "open"   // anyone
)

// A Config is all that a worker is told.
type Config struct {
	// Roles that this worker serves; "all" has been replaced by their names.
	Roles []string
	// ServerName is the homeserver's Matrix server name, not yet checked against the grammar.
	ServerName string
	// Pool and PodName say where this worker runs; for people, and for noticing a pod's successor.
	Pool, PodName string

	// PublicAddr, InternalAddr and ProbeAddr are what the worker listens on: clients and other servers (role gateway),
	// other workers, and the kubelet and Prometheus.
	PublicAddr, InternalAddr, ProbeAddr string
	// PprofAddr is where profiles can be taken from. Empty: nowhere.
	PprofAddr string
	// AdvertiseAddr is host:port where other workers reach InternalAddr.
	AdvertiseAddr string
	// PublicBaseURL is what /.well-known/matrix/client names. Empty: derived from the request.
	PublicBaseURL string

	// PostgresURI and RedisURI. An empty RedisURI is for a single process that has every role.
	PostgresURI, RedisURI Secret
	// PostgresUser and PostgresPassword are the URI's when empty.
	PostgresUser, PostgresPassword Secret
	// RedisPassword and RedisSentinelPassword are for servers and Sentinels. Empty: the URI's, and none.
	RedisPassword, RedisSentinelPassword Secret
	// RedisCA are the certificates, in PEM, that those of servers and Sentinels are checked with. Empty: the system's.
	RedisCA Secret
	// PostgresReadURI is for what needs no session of its own, and may be a pooler's. Empty: PostgresURI.
	PostgresReadURI Secret
	// MaxConns bounds the pool of database connections. The connections of leases, lanes and announcer are on top of it.
	MaxConns int
	// DatabaseID is the database that this homeserver is known to live in; empty: not known yet.
	DatabaseID string
	// HomeserverID claims the database for one homeserver: the operator gives namespace/name. Default: the server name.
	HomeserverID string

	// InternalCredential authenticates workers to each other.
	InternalCredential Secret
	// SigningKey holds the server's signing keys, a line each in the form that generate-signing-key prints, the newest last.
	SigningKey Secret
	// TrustedNotaries are server names, not yet checked, of those believed about other servers' signing keys.
	TrustedNotaries []string

	// Registration is one of the constants above.
	Registration string
	// RegistrationToken opens Registration "token". RegistrationSharedSecret lets an administrator register accounts.
	RegistrationToken, RegistrationSharedSecret Secret

	// StopDelay is how long a draining gateway goes on serving, so that load balancers notice. 0 to 30 s.
	StopDelay time.Duration

	LogFormat string
	LogLevel  slog.Level
}

// A Migration is what `worker migrate` is told.
type Migration struct {
	ServerName   string
	DatabaseID   string
	HomeserverID string
	// PostgresUser and PostgresPassword are the URI's when empty.
	PostgresURI, PostgresUser, PostgresPassword Secret
	// Shards is the number of event persister shards of a new homeserver, 1 to 4096.
	Shards int
	// Contract: remove what only workers of older versions need, instead of bringing the schema up to date.
	Contract bool
	// ResultFile gets a copy of the result line, such as a container's termination log. Empty: none.
	ResultFile string

	LogFormat string
	LogLevel  slog.Level
}

// Keys is what `worker keys` is told.
type Keys struct {
	ServerName   string
	DatabaseID   string
	HomeserverID string
	// PostgresUser and PostgresPassword are the URI's when empty.
	PostgresURI, PostgresUser, PostgresPassword Secret
	// Force retires a key that is in use.
	Force bool
}
