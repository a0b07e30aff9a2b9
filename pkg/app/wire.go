package app

import (
	"context"
	"fmt"
	"net"
	"net/http"

	"github.com/myelin-hs/myelin/pkg/admin"
	"github.com/myelin-hs/myelin/pkg/adminapi"
	"github.com/myelin-hs/myelin/pkg/clientapi"
	"github.com/myelin-hs/myelin/pkg/fedin"
	"github.com/myelin-hs/myelin/pkg/gateway"
	"github.com/myelin-hs/myelin/pkg/persister"
	"github.com/myelin-hs/myelin/pkg/route"
	"github.com/myelin-hs/myelin/pkg/store"
	"github.com/myelin-hs/myelin/pkg/sync"
	"github.com/myelin-hs/myelin/pkg/telemetry"
)

// constructors build each role, in this order: the gateway is last, so that it stops first.
var constructors = []struct {
	role  string
	build func(*worker, context.Context) error
}{
	{RolePersister, (*worker).persister},
	{RoleClient, (*worker).client},
	{RoleFederationInbound, (*worker).federationInbound},
	{RoleSync, (*worker).syncing},
	{RoleGateway, (*worker).public},
}

func (w *worker) roles(ctx context.Context) error {
	for _, c := range constructors {
		if !w.has[c.role] {
			continue
		}
		if err := c.build(w, ctx); err != nil {
			return fmt.Errorf("%s: %w", c.role, err)
		}
	}
	w.lease.SetMeasure(w.lag)
	return nil
}

// serve makes a role's handler known to this process and to others.
func (w *worker) serve(role string, h http.Handler, run func(context.Context) error) {
	w.handlers[role] = h
	w.forwarder.SetLocal(role, h)
	w.group.Add(role, run, "leases", "forwarder")
}

func (w *worker) persister(context.Context) error {
	p, err := persister.New(persister.Options{
		Source: w.source, Pool: w.pool, DatabaseID: w.db.DatabaseID, SendCopies: w.sendCopies,
		ServerName: w.server, Signer: w.own.Key(), Leases: persister.LeasesOf(w.lease), Publisher: w.bus, Poke: w.announcer.Poke,
		Logger: w.log, Registerer: telemetry.Registry,
	})
	if err != nil {
		return err
	}
	w.writes = p
	w.lease.SetHolder(p)
	w.lease.OnReset(p.Reset)
	w.serve(RolePersister, p.Handler(), p.Run)
	return nil
}

func (w *worker) client(context.Context) error {
	api := clientapi.New(clientapi.Options{
		Auth: w.auth, Store: store.New(w.pool), ServerName: w.server, Signer: w.own.Key(), Rooms: roomOwners{w.forwarder},
		PublicBaseURL: w.cfg.PublicBaseURL,
	})
	w.serve(RoleClient, api.Handler(), api.Run)
	return nil
}

func (w *worker) federationInbound(context.Context) error {
	api := fedin.New(fedin.Options{Keys: w.own, Notary: w.verifier, Version: telemetry.Version})
	w.serve(RoleFederationInbound, api.Handler(), api.Run)
	return nil
}

func (w *worker) syncing(context.Context) error {
	w.sync = sync.New(sync.Config{Pool: w.pool, Bus: w.bus, Follower: w.follower})
	w.serve(RoleSync, w.sync.Handler(), w.sync.Run)
	return nil
}

func (w *worker) public(ctx context.Context) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", w.cfg.PublicAddr)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	w.gateway = gateway.New(gateway.Options{Resolver: w.auth, Horizon: w.follower, Forwarder: w.forwarder, Listener: l})
	w.group.Add(RoleGateway, w.gateway.Run, "leases", "forwarder")
	return nil
}

// finish opens the doors: the follower runs once all its listeners are registered, the internal port answers once all
// handlers are known, and the worker is ready once the group runs.
func (w *worker) finish(context.Context) error {
	if w.follower != nil {
		w.group.Add("follower", w.follower.Run)
	}
	drained := make(chan struct{}, 1)
	w.group.Add("drain", func(ctx context.Context) error { return w.drainOnDemand(ctx, drained) }, "leases")
	api := adminapi.New(adminapi.Options{
		Pool: w.pool, Lease: w.lease, Pod: w.cfg.PodName, Redis: w.bus.Check,
		Drain: func() {
			select {
			case drained <- struct{}{}:
			default:
			}
		},
		Remote: func(addr string) *admin.Client {
			return admin.NewClient("http://"+addr, w.shared.Text(), nil)
		},
	})
	mux := byRole(w.handlers)
	mux.Handle(admin.Prefix, api.Handler())
	servePeers(mux, w.lease, w.peer)
	w.port.install(w.lease.ID(), route.Pulse(w.shared.Verifier().Handler(mux, max(maxInternalBody, persister.MaxCopiesBytes))))
	w.group.Add("ready", func(ctx context.Context) error {
		w.ready.watch(w.lease.Silence)
		w.ready.set("")
		w.log.InfoContext(ctx, "ready", "worker", w.lease.ID(), "roles", w.cfg.Roles, "database", w.db.DatabaseID)
		<-ctx.Done()
		return nil
	})
	w.group.BeforeStop(w.leave)
	return nil
}
