package bus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"
)

// Options say where Redis is.
type Options struct {
	// URI returns where the servers are, and who to be there:
	//
	//	redis://user:password@host:port/0                                one server; unix:///path too
	//	redis+sentinel://user:password@host:port,host:port/0?master=name  the one that Sentinels name, which the hosts are
	//	redis+cluster://user:password@host:port,host:port                 a cluster, some of whose nodes the hosts are
	//
	// and rediss for TLS, by which Sentinels are asked too. It is asked again for each connection, about user and password
	// only: hosts stay what they were.
	URI func() (string, error)
	// Password returns the password, asked anew for each connection. Nil: it is in the URI.
	Password func() (string, error)
	// SentinelPassword is what the Sentinels themselves want to hear.
	SentinelPassword string
	// CA returns the certificates, in PEM, that servers' are checked with, asked anew for each connection. Nil: the system's.
	CA func() ([]byte, error)
	// Prefix begins the names of channels: it tells homeservers that share a Redis apart.
	Prefix string
}

// Open makes a bus over Redis. It connects lazily.
func Open(o Options) (*Bus, error) {
	uri, err := o.URI()
	if err != nil {
		return nil, fmt.Errorf("read the Redis URI: %w", err)
	}
	l, err := parseURI(uri)
	if err != nil {
		return nil, err
	}
	return &Bus{prefix: o.Prefix, transport: newRedis(l, o)}, nil
}

// At is the URI of a Redis that stays what it is.
func At(uri string) func() (string, error) {
	return func() (string, error) { return uri, nil }
}

// credentials are asked for each new connection.
func (o Options) credentials(context.Context) (user, password string, err error) {
	uri, err := o.URI()
	if err != nil {
		return "", "", fmt.Errorf("read the Redis URI: %w", err)
	}
	l, err := parseURI(uri)
	if err != nil {
		return "", "", err
	}
	user, password = l.options.Username, l.options.Password
	if o.Password != nil {
		if password, err = o.Password(); err != nil {
			return "", "", fmt.Errorf("read the Redis password: %w", err)
		}
	}
	return user, password, nil
}

const (
	answerTimeout = time.Second
	poolSize      = 4  // of each server
	noRetries     = -1 // a late copy is worth nothing
)

// overRedis is Redis in one of its modes. ContextTimeoutEnabled is set, or publishTimeout would bound nothing.
type overRedis struct {
	client redis.UniversalClient
	// checked is a channel to which nobody listens.
	checked string
	// lookAgain makes the client ask where the servers are; nil where it does so by itself.
	lookAgain func(context.Context)
	// through is the server that a channel's messages pass, so that they stay in order.
	through func(ctx context.Context, channel string) (redis.Cmdable, error)
}

func newRedis(l location, o Options) *overRedis {
	dial := dialer{tls: l.options.TLSConfig != nil, ca: o.CA}.dial
	r := &overRedis{checked: o.Prefix + "check"}
	switch l.mode {
	case sentinel:
		r.client = redis.NewFailoverClient(&redis.FailoverOptions{
			MasterName: l.master, SentinelAddrs: l.hosts, SentinelPassword: o.SentinelPassword,
			DB: l.options.DB, CredentialsProviderContext: o.credentials, Dialer: dial,
			DialTimeout: dialTimeout, ReadTimeout: answerTimeout, WriteTimeout: answerTimeout, ContextTimeoutEnabled: true,
			PoolSize: poolSize, MaxRetries: noRetries, DialerRetries: 1,
		})
	case cluster:
		c := redis.NewClusterClient(&redis.ClusterOptions{
			Addrs: l.hosts, CredentialsProviderContext: o.credentials, Dialer: dial,
			DialTimeout: dialTimeout, ReadTimeout: answerTimeout, WriteTimeout: answerTimeout, ContextTimeoutEnabled: true,
			PoolSize: poolSize, MaxRetries: noRetries, DialerRetries: 1,
		})
		r.client, r.lookAgain = c, c.ReloadState
		r.through = func(ctx context.Context, channel string) (redis.Cmdable, error) { return c.MasterForKey(ctx, channel) }
	default:
		opts := l.options
		opts.Dialer, opts.CredentialsProviderContext = dial, o.credentials
		opts.DialTimeout, opts.ReadTimeout, opts.WriteTimeout, opts.ContextTimeoutEnabled = dialTimeout, answerTimeout, answerTimeout, true
		opts.PoolSize, opts.MaxRetries, opts.DialerRetries = poolSize, noRetries, 1
		r.client = redis.NewClient(opts)
	}
	return r
}

// publish sends a batch also if something of the one before has failed: what was in that readers find in Postgres.
func (r *overRedis) publish(ctx context.Context, batches ...[]message) error {
	if r.through == nil {
		batches = [][]message{slices.Concat(batches...)} // one server does one thing after the other
	}
	var failed []error
	for _, batch := range batches {
		if err := r.send(ctx, batch); err != nil {
			failed = append(failed, fmt.Errorf("publish %d messages: %w", len(batch), err))
		}
	}
	if len(failed) > 0 && r.lookAgain != nil {
		r.lookAgain(ctx)
	}
	return errors.Join(failed...)
}

// send sends all messages that pass a server in one round trip, to all servers at once.
func (r *overRedis) send(ctx context.Context, batch []message) error {
	pipes := map[redis.Cmdable]redis.Pipeliner{}
	for _, m := range batch {
		server := redis.Cmdable(r.client)
		if r.through != nil {
			var err error
			if server, err = r.through(ctx, m.channel); err != nil {
				return err
			}
		}
		pipe := pipes[server]
		if pipe == nil {
			pipe = server.Pipeline()
			pipes[server] = pipe
		}
		pipe.Publish(ctx, m.channel, m.payload)
	}
	var group errgroup.Group
	for _, pipe := range pipes {
		group.Go(func() error {
			_, err := pipe.Exec(ctx)
			return err
		})
	}
	return group.Wait()
}

func (r *overRedis) subscribe() stream {
	// No connection until a channel is added.
	return &redisStream{pubsub: r.client.Subscribe(context.Background()), lookAgain: r.lookAgain}
}

// check publishes, which is what workers have to be allowed: a user may be that may do nothing.
func (r *overRedis) check(ctx context.Context) error {
	err := r.publish(ctx, []message{{channel: r.checked}})
	if redis.IsAuthError(err) || redis.IsPermissionError(err) {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return err
}

func (r *overRedis) close() error { return r.client.Close() }

type redisStream struct {
	pubsub    *redis.PubSub
	lookAgain func(context.Context)
}

// add and remove: on an error the client has noted the channels and subscribes when it reconnects.
func (s *redisStream) add(ctx context.Context, channels []string) {
	_ = s.pubsub.Subscribe(ctx, channels...)
}

func (s *redisStream) remove(ctx context.Context, channels []string) {
	_ = s.pubsub.Unsubscribe(ctx, channels...)
}

// Silence is broken by a ping after pingAfter; a connection that stays silent for another pingAfter is given up.
const (
	pingAfter      = 2 * time.Second
	reconnectPause = 100 * time.Millisecond
)

func (s *redisStream) run(ctx context.Context, message func(string, []byte), up, down func()) error {
	defer s.pubsub.Close()
	defer context.AfterFunc(ctx, func() { _ = s.pubsub.Close() })()
	connected, pinged := false, false
	for ctx.Err() == nil {
		msg, err := s.pubsub.ReceiveTimeout(ctx, pingAfter)
		if err == nil {
			pinged = false
			if !connected {
				connected = true
				up()
			}
			if m, ok := msg.(*redis.Message); ok {
				message(m.Channel, []byte(m.Payload))
			}
			continue
		}
		var timeout interface{ Timeout() bool }
		if connected && !pinged && errors.As(err, &timeout) && timeout.Timeout() && s.pubsub.Ping(ctx) == nil {
			pinged = true
			continue
		}
		if connected {
			connected, pinged = false, false
			down()
			s.giveUp(ctx)
		}
		if s.lookAgain != nil {
			s.lookAgain(ctx)
		}
		select {
		case <-ctx.Done():
		case <-time.After(reconnectPause):
		}
	}
	return nil
}

// giveUp makes the client connect anew. It does not do so after a timeout of its own, only of a context's; else a host
// that vanished without a reset would be listened to until the kernel gives the connection up, a quarter of an hour later.
func (s *redisStream) giveUp(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, time.Millisecond)
	defer cancel()
	_, _ = s.pubsub.ReceiveTimeout(ctx, 0)
}
