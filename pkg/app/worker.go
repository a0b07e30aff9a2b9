package app

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/myelin-hs/myelin/pkg/auth"
	"github.com/myelin-hs/myelin/pkg/bus"
	"github.com/myelin-hs/myelin/pkg/config"
	"github.com/myelin-hs/myelin/pkg/gateway"
	"github.com/myelin-hs/myelin/pkg/horizon"
	"github.com/myelin-hs/myelin/pkg/id"
	"github.com/myelin-hs/myelin/pkg/internalauth"
	"github.com/myelin-hs/myelin/pkg/keyring"
	"github.com/myelin-hs/myelin/pkg/lease"
	"github.com/myelin-hs/myelin/pkg/persister"
	"github.com/myelin-hs/myelin/pkg/postgres"
	"github.com/myelin-hs/myelin/pkg/route"
	"github.com/myelin-hs/myelin/pkg/schema"
	"github.com/myelin-hs/myelin/pkg/service"
	"github.com/myelin-hs/myelin/pkg/sync"
	"github.com/myelin-hs/myelin/pkg/telemetry"
)

const (
	// protocol is the newest protocol between workers that this build speaks. 2: pulses (route.Pulse),
	// and the map from rooms to shards may change.
	protocol = 2
	// beside is the oldest protocol of workers that this build is rolled out beside: that of the version before.
	beside = 2
	// maxInternalBody bounds a request between workers: a new room is the largest.
	maxInternalBody = persister.MaxCreateRoomBytes
	// leaseConns is the lease manager's own pool, so that no slow read delays a heartbeat.
	leaseConns = 3
	// longPoll is how long a request in flight may take at most.
	longPoll = 35 * time.Second
)

// A worker is a process while it is put together; then its group runs it.
type worker struct {
	cfg    config.Config
	log    *slog.Logger
	server id.ServerName
	has    map[string]bool // roles
	db     schema.Identity
	group  service.Group
	ready  readiness
	probe  *server
	pprof  *server // nil: not asked for

	source    *postgres.Source
	pool      *pgxpool.Pool
	leasePool *pgxpool.Pool
	bus       *bus.Bus
	port      internalPort
	internal  *server
	peer      *peer
	shared    *internalauth.Credentials // internal credentials
	signer    *internalauth.Signer
	keys      []*keyring.Key // of the key file
	notaries  []id.ServerName
	own       *keyring.Own
	verifier  *keyring.Verifier
	lease     *lease.Manager
	follower  *horizon.Follower
	announcer *horizon.Announcer
	forwarder *route.Forwarder
	auth      *auth.Auth
	gateway   *gateway.Gateway
	writes    *persister.Persister
	sync      *sync.Sync
	handlers  map[string]http.Handler // by role
}

// Run runs a worker until ctx ends and it has handed over what it owned, or until it fails.
func Run(ctx context.Context, cfg config.Config, log *slog.Logger) error {
	w := &worker{cfg: cfg, log: log, has: map[string]bool{}, handlers: map[string]http.Handler{}}
	for _, r := range cfg.Roles {
		w.has[r] = true
	}
	w.group.Log, w.group.StopTimeout = log, longPoll+5*time.Second
	defer w.close()
	if err := w.build(ctx); err != nil {
		return err
	}
	return w.group.Run(ctx)
}

func (w *worker) close() {
	if w.bus != nil {
		_ = w.bus.Close()
	}
	for _, p := range []*pgxpool.Pool{w.pool, w.leasePool} {
		if p != nil {
			p.Close()
		}
	}
	for _, s := range []*server{w.probe, w.pprof, w.internal} {
		if s != nil {
			_ = s.listener.Close()
		}
	}
}

// build puts the worker together. The order is that of the dependencies; the group stops it in the reverse order.
func (w *worker) build(ctx context.Context) error {
	var err error
	if w.probe, err = listen(ctx, w.cfg.ProbeAddr, probes(&w.ready), time.Second); err != nil {
		return err
	}
	w.group.Add("probes", w.probe.run)
	if w.cfg.PprofAddr != "" {
		if w.pprof, err = listen(ctx, w.cfg.PprofAddr, profiles(), time.Second); err != nil {
			return err
		}
		w.group.Add("profiles", w.pprof.run)
	}
	for _, step := range []func(context.Context) error{w.secrets, w.database, w.join, w.signing, w.positions, w.routing, w.roles, w.resets, w.finish} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (w *worker) secrets(context.Context) error {
	var err error
	if w.server, err = id.ParseServerName(w.cfg.ServerName); err != nil {
		return fmt.Errorf("--server-name: %w", err)
	}
	for _, name := range w.cfg.TrustedNotaries {
		notary, err := id.ParseServerName(name)
		if err != nil {
			return fmt.Errorf("--trusted-notaries: %w", err)
		}
		w.notaries = append(w.notaries, notary)
	}
	if err := internalauth.Check(w.cfg.InternalCredential.Reveal()); err != nil {
		return fmt.Errorf("--internal-credential-file: %w", err)
	}
	w.shared = internalauth.NewCredentials(w.cfg.InternalCredential.Reveal())
	w.signer = w.shared.Signer()
	w.group.Add("credentials", w.followCredentials)
	for role := range w.has {
		if !needs[role].signing || w.keys != nil {
			continue
		}
		if w.cfg.SigningKey.Empty() {
			return fmt.Errorf("--signing-key-file is needed by the role %s", role)
		}
		if w.keys, err = keyring.ParseFile(w.server, []byte(w.cfg.SigningKey.Reveal())); err != nil {
			return fmt.Errorf("--signing-key-file: %w", err)
		}
	}
	return nil
}

// database refuses a database that is not this homeserver's before anything is written.
func (w *worker) database(ctx context.Context) error {
	w.source = databaseSource(w.cfg.PostgresURI, w.cfg.PostgresUser, w.cfg.PostgresPassword)
	conn, err := w.source.Session(ctx, postgres.Options{ApplicationName: "myelin-check"})
	if err != nil {
		return fmt.Errorf("connect to the database: %w", err)
	}
	w.db, err = schema.Check(ctx, conn, schema.Options{
		ServerName: w.cfg.ServerName, HomeserverID: w.cfg.HomeserverID, ExpectDatabaseID: w.cfg.DatabaseID, Protocol: protocol,
	})
	if cerr := conn.Close(ctx); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("check the database: %w", err)
	}
	reads := postgres.Options{MaxConns: int32(w.cfg.MaxConns), ApplicationName: "myelin-reads", DatabaseID: w.db.DatabaseID}
	source := w.source
	if !w.cfg.PostgresReadURI.Empty() {
		source, reads.Pooled = databaseSource(w.cfg.PostgresReadURI, config.Secret{}, config.Secret{}), true
	}
	if w.pool, err = source.Open(ctx, reads); err != nil {
		return fmt.Errorf("open the pool for reads: %w", err)
	}
	if reads.Pooled {
		if err := w.pool.Ping(ctx); err != nil {
			return fmt.Errorf("connect to the database through --postgres-read-uri: %w", err)
		}
	}
	w.bus, err = openBus(w.cfg, w.db.DatabaseID)
	return err
}

// join makes this process a worker. The internal port accepts connections before that, or peers would take the newcomer
// for dead; it answers once the group runs.
func (w *worker) join(ctx context.Context) error {
	pool, err := w.source.Open(ctx, postgres.Options{
		MaxConns: leaseConns, ApplicationName: "myelin-lease", DatabaseID: w.db.DatabaseID,
	})
	if err != nil {
		return err
	}
	w.leasePool = pool
	if w.internal, err = listen(ctx, w.cfg.InternalAddr, &w.port, longPoll); err != nil {
		return err
	}
	w.group.Add("internal port", w.internal.run)
	w.peer = newPeer(w.signer)
	w.lease, err = lease.Join(ctx, pool, lease.Self{
		Pod: w.cfg.PodName, Addr: w.cfg.AdvertiseAddr, Pool: w.cfg.Pool, Roles: w.cfg.Roles, Protocol: protocol,
	}, lease.Options{Peer: w.peer, Logger: w.log, Registerer: telemetry.Registry})
	if err != nil {
		return err
	}
	m := newMembership(w.lease)
	w.group.Add("leases", m.run, "internal port")
	w.group.Add("membership", m.live, "leases")
	return nil
}

// positions starts what moves or follows the horizon, for the roles that need it.
func (w *worker) positions(context.Context) error {
	for role := range w.has {
		if needs[role].announcer && w.announcer == nil {
			w.announcer = horizon.NewAnnouncer(horizon.AnnouncerConfig{
				Source: w.source, DatabaseID: w.db.DatabaseID, Pool: w.pool, Bus: w.bus, WorkerID: w.lease.ID(),
				ApplicationName: "myelin-announcer", Generation: w.lease.Generation, Log: w.log,
			})
			w.group.Add("announcer", w.announcer.Run, "leases")
		}
		if needs[role].follower && w.follower == nil {
			w.follower = horizon.NewFollower(w.pool, w.bus)
		}
	}
	return nil
}

func (w *worker) routing(ctx context.Context) error {
	alive := context.WithoutCancel(ctx)
	w.forwarder = route.New(directory{w.lease}, route.Options{Transport: w.signer.Transport(route.NewTransport()), Sign: func(r *http.Request, body []byte) {
		who, _ := internalauth.IdentityFrom(r.Context())
		w.signer.Sign(r, body, who)
	}})
	w.group.Add("forwarder", w.forwarder.Run, "leases")
	w.auth = auth.New(auth.Options{
		DB: w.pool, ServerName: w.server, Keys: w.shared.Keys, Poke: func() { w.poke(alive) },
		Registration: auth.Registration{
			Mode:         auth.RegistrationMode(w.cfg.Registration),
			Token:        auth.Secret(w.cfg.RegistrationToken.Reveal()),
			SharedSecret: auth.Secret(w.cfg.RegistrationSharedSecret.Reveal()),
		},
	})
	return nil
}

// poke wakes whichever announcer leads.
func (w *worker) poke(ctx context.Context) {
	if w.announcer != nil && w.announcer.Poke() {
		return
	}
	if err := w.bus.PublishPoke(ctx); err != nil {
		w.log.Info("poke the announcer", "error", err)
	}
}
