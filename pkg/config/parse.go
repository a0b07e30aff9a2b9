package config

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"regexp"
	"slices"
	"strings"
	"time"
)

const envPrefix = "MYELIN_"

// Event persister shards of a new homeserver: as many as the operator makes by default, and at most one a slot.
const (
	defaultShards = 64
	maxShards     = 4096
)

// ErrHelp is returned when the arguments ask for the list of flags; it has been written to the given writer.
var ErrHelp = flag.ErrHelp

// Run reads the configuration of `worker run`. known are the names of all roles, environ is like os.Environ, and usage
// gets the list of flags when asked for it.
func Run(args, environ, known []string, usage io.Writer) (Config, error) {
	c := Config{}
	set := newSettings("run", usage)
	roles := set.String("roles", "all", "roles to serve, separated by commas, of "+strings.Join(known, ", ")+", or all")
	set.StringVar(&c.ServerName, "server-name", "", "Matrix server name, as in @user:server-name")
	set.StringVar(&c.Pool, "pool", "default", "name of the WorkerPool")
	set.StringVar(&c.PodName, "pod-name", "", "name of the pod (default $POD_NAME, then \"local\")")
	set.StringVar(&c.PublicAddr, "public-addr", ":8008", "listen here for clients and other servers (role gateway)")
	set.StringVar(&c.InternalAddr, "internal-addr", ":8090", "listen here for other workers and the operator")
	set.StringVar(&c.ProbeAddr, "probe-addr", ":8091", "listen here for /healthz, /ready and /metrics; no authentication")
	set.StringVar(&c.PprofAddr, "pprof-addr", "", "listen here for /debug/pprof/, such as 127.0.0.1:6060; no authentication, and what is in memory can be read (default: nowhere)")
	set.StringVar(&c.AdvertiseAddr, "advertise-addr", "", "host:port where other workers reach the internal address (default $POD_IP, then 127.0.0.1, with its port)")
	set.StringVar(&c.PublicBaseURL, "public-base-url", "", "base URL for clients, for /.well-known/matrix/client (default: from the request)")
	postgres := set.postgres(&c.PostgresURI, &c.PostgresUser, &c.PostgresPassword)
	set.secret(&c.PostgresReadURI, "postgres-read-uri", "postgres:// URI of a pooler in front of the same database, for what needs no session of its own (default: the database itself)", true)
	set.secret(&c.RedisURI, "redis-uri", "redis:// URI, redis+sentinel://host,host/0?master=name or redis+cluster://host,host, or rediss for TLS; without it one process must have all roles", true)
	set.secret(&c.RedisPassword, "redis-password", "password for Redis (default: the URI's)", false)
	set.secret(&c.RedisSentinelPassword, "redis-sentinel-password", "password for the Sentinels", false)
	set.secret(&c.RedisCA, "redis-ca", "certificates, in PEM, that Redis's is checked with (default: the system's)", false)
	set.IntVar(&c.MaxConns, "max-conns", 4, "most pooled database connections, besides those of leases, lanes and announcer")
	set.database(&c.DatabaseID, &c.HomeserverID)
	credential := set.secret(&c.InternalCredential, "internal-credential", "credential that workers share, at least 32 bytes; while it is replaced several, a line each", false)
	set.secret(&c.SigningKey, "signing-key", "the server's signing keys, the newest last", false)
	notaries := set.String("trusted-notaries", "", "server names, separated by commas, to ask for the signing keys of servers that do not answer")
	set.StringVar(&c.Registration, "registration", RegistrationClosed, "who may register: closed, token or open")
	set.secret(&c.RegistrationToken, "registration-token", "token for --registration=token", false)
	set.secret(&c.RegistrationSharedSecret, "registration-shared-secret", "shared secret for administrators to register accounts", false)
	set.DurationVar(&c.StopDelay, "stop-delay", 4*time.Second, "how long a gateway that was told to stop goes on serving, so that load balancers notice")
	set.logging(&c.LogFormat, &c.LogLevel)
	env, err := set.parse(args, environ)
	if err != nil {
		return Config{}, err
	}

	var bad problems
	c.Roles = bad.roles(*roles, known)
	bad.serverName(c.ServerName)
	if *notaries != "" {
		c.TrustedNotaries = strings.Split(*notaries, ",")
	}
	if c.HomeserverID == "" {
		c.HomeserverID = c.ServerName
	}
	if c.PodName == "" {
		c.PodName = firstOf(env["POD_NAME"], "local")
	}
	if c.AdvertiseAddr == "" {
		if _, port, err := net.SplitHostPort(c.InternalAddr); err == nil {
			c.AdvertiseAddr = net.JoinHostPort(firstOf(env["POD_IP"], "127.0.0.1"), port)
		}
	}
	for name, addr := range map[string]string{"internal-addr": c.InternalAddr, "probe-addr": c.ProbeAddr, "pprof-addr": c.PprofAddr, "advertise-addr": c.AdvertiseAddr, "public-addr": c.PublicAddr} {
		if name == "pprof-addr" && addr == "" {
			continue
		}
		if _, _, err := net.SplitHostPort(addr); err != nil {
			bad.add("--%s: %q is not host:port", name, addr)
		}
	}
	bad.required(postgres, c.PostgresURI)
	bad.required(credential, c.InternalCredential)
	if c.RedisURI.Empty() && len(c.Roles) > 0 && len(c.Roles) < len(known) {
		bad.add("--redis-uri or --redis-uri-file is needed unless --roles=all: workers hear of each other's writes through Redis")
	}
	if c.RedisURI.Empty() && !(c.RedisPassword.Empty() && c.RedisSentinelPassword.Empty() && c.RedisCA.Empty()) {
		bad.add("--redis-password-file, --redis-sentinel-password-file and --redis-ca-file are only used with --redis-uri or --redis-uri-file")
	}
	if !slices.Contains([]string{RegistrationClosed, RegistrationToken, RegistrationOpen}, c.Registration) {
		bad.add("--registration: %q is not closed, token or open", c.Registration)
	}
	if c.MaxConns < 1 || c.MaxConns > 1000 {
		bad.add("--max-conns: %d is not between 1 and 1000", c.MaxConns)
	}
	if c.StopDelay < 0 || c.StopDelay > 30*time.Second {
		bad.add("--stop-delay: %v is not between 0 and 30s", c.StopDelay)
	}
	return c, bad.err()
}

// Migrate reads the configuration of `worker migrate`; see [Run] for the arguments.
func Migrate(args, environ []string, usage io.Writer) (Migration, error) {
	m := Migration{}
	set := newSettings("migrate", usage)
	set.StringVar(&m.ServerName, "server-name", "", "Matrix server name, as in @user:server-name")
	postgres := set.postgres(&m.PostgresURI, &m.PostgresUser, &m.PostgresPassword)
	set.database(&m.DatabaseID, &m.HomeserverID)
	set.IntVar(&m.Shards, "shards", defaultShards, "event persister shards of a new homeserver")
	set.BoolVar(&m.Contract, "contract", false, "instead, remove what only workers of older versions need, once none of them lives")
	set.StringVar(&m.ResultFile, "result-file", "", "write the result here too")
	set.logging(&m.LogFormat, &m.LogLevel)
	if _, err := set.parse(args, environ); err != nil {
		return Migration{}, err
	}
	var bad problems
	bad.serverName(m.ServerName)
	if m.HomeserverID == "" {
		m.HomeserverID = m.ServerName
	}
	bad.required(postgres, m.PostgresURI)
	if m.Shards < 1 || m.Shards > maxShards {
		bad.add("--shards: %d is not between 1 and %d", m.Shards, maxShards)
	}
	return m, bad.err()
}

// KeysCommand reads the configuration of `worker keys`; see [Run] for the arguments. Other variables of `worker run` are
// passed over, so that it can be run inside a worker's container.
func KeysCommand(args, environ []string, usage io.Writer) (Keys, error) {
	k := Keys{}
	set := newSettings("keys", usage)
	set.guest = true
	set.StringVar(&k.ServerName, "server-name", "", "Matrix server name, as in @user:server-name")
	postgres := set.postgres(&k.PostgresURI, &k.PostgresUser, &k.PostgresPassword)
	set.database(&k.DatabaseID, &k.HomeserverID)
	set.BoolVar(&k.Force, "force", false, "retire a key that is in use, because it was lost or stolen")
	if _, err := set.parse(args, environ); err != nil {
		return Keys{}, err
	}
	var bad problems
	bad.serverName(k.ServerName)
	if k.HomeserverID == "" {
		k.HomeserverID = k.ServerName
	}
	bad.required(postgres, k.PostgresURI)
	return k, bad.err()
}

// problems collects what is wrong, so that a person sees all of it at once.
type problems []error

func (p *problems) add(format string, args ...any) { *p = append(*p, fmt.Errorf(format, args...)) }

func (p *problems) err() error { return errors.Join(*p...) }

func (p *problems) required(flags string, s Secret) {
	if s.Empty() {
		p.add("%s is required", flags)
	}
}

func (p *problems) serverName(s string) {
	if s == "" {
		p.add("--server-name is required")
	}
}

func (p *problems) roles(list string, known []string) []string {
	if list == "all" {
		return slices.Clone(known)
	}
	var roles []string
	for _, r := range strings.Split(list, ",") {
		r = strings.TrimSpace(r)
		switch {
		case !slices.Contains(known, r):
			p.add("--roles: there is no role %q; there are %s", r, strings.Join(known, ", "))
		case slices.Contains(roles, r):
			p.add("--roles: %q is listed twice", r)
		default:
			roles = append(roles, r)
		}
	}
	return roles
}

func firstOf(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// serviceLink matches what Kubernetes puts into the environment of pods for each Service of the namespace: a Service
// named "myelin" or "myelin-redis" must not stop a worker.
var serviceLink = regexp.MustCompile(`^MYELIN_([A-Z0-9_]+_)?(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$`)
