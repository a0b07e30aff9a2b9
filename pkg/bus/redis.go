package bus

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
)

// Open makes a bus over Redis. Channels start with prefix, which tells homeservers that share a Redis apart. It connects
// lazily. The URI is redis://, rediss:// or unix://.
func Open(uri, prefix string) (*Bus, error) {
	opts, err := redis.ParseURL(uri)
	if err != nil {
		return nil, errors.New("parse the Redis URI: it is not of the form redis://user:password@host:port/db")
	}
	opts.DialTimeout = time.Second
	opts.ReadTimeout = time.Second
	opts.WriteTimeout = time.Second
	opts.ContextTimeoutEnabled = true // else publishTimeout would bound nothing
	opts.PoolSize = 4
	opts.MaxRetries = -1 // a late copy is worth nothing
	return &Bus{prefix: prefix, transport: &overRedis{client: redis.NewClient(opts)}}, nil
}

type overRedis struct{ client *redis.Client }

func (r *overRedis) publish(ctx context.Context, channel string, payload []byte) error {
	return r.client.Publish(ctx, channel, payload).Err()
}

func (r *overRedis) subscribe() stream {
	return &redisStream{pubsub: r.client.Subscribe(context.Background())} // no connection until a channel is added
}

func (r *overRedis) close() error { return r.client.Close() }

type redisStream struct{ pubsub *redis.PubSub }

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
