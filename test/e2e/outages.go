package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/url"
	"sync"
	"time"

	"github.com/myelin-hs/myelin/test/command"
	"github.com/myelin-hs/myelin/test/e2e/load"
	"github.com/myelin-hs/myelin/test/figures"
)

// outage is how long a server is away.
const outage = time.Minute

// redisDown takes Redis away for a minute: what goes through it is read from Postgres meanwhile.
func (t *tour) redisDown(ctx context.Context, l *load.Load) ([]figures.Row, error) {
	return t.planned(ctx, l, "redis_down.failed", func() error { return t.without(ctx, "redis") })
}

// databaseDown takes Postgres away for a minute, and measures how long after its return the last room writes again.
func (t *tour) databaseDown(ctx context.Context, l *load.Load) ([]figures.Row, error) {
	start := time.Now()
	if err := t.without(ctx, "postgres"); err != nil {
		return nil, err
	}
	back := time.Now()
	var wg sync.WaitGroup
	var mu sync.Mutex
	var failed error
	for _, room := range l.Rooms() {
		wg.Go(func() {
			if err := l.SendOne(ctx, room); err != nil {
				mu.Lock()
				failed = fmt.Errorf("a room does not write again: %w", err)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if failed != nil {
		return nil, failed
	}
	took := time.Since(back)
	t.say("all rooms write again %s after Postgres is back; %d attempts failed meanwhile", took.Round(time.Millisecond), len(l.Failures.Since(start)))
	rows := []figures.Row{figures.AtMost("database_down.recovery_max", "ms", float64(took.Microseconds())/1000, 10000)}
	return rows, t.condition(ctx, "Ready", "True", "", 5*time.Minute)
}

// without stops a database for a minute, and starts it again whatever happens.
func (t *tour) without(ctx context.Context, database string) error {
	if err := t.kube.Database(ctx, "stop", database); err != nil {
		return err
	}
	t.say("%s is away for %s", database, outage)
	waited := command.Wait(ctx, outage)
	if err := t.kube.Database(context.WithoutCancel(ctx), "start", database); err != nil {
		return err
	}
	t.say("%s is back", database)
	return waited
}

// badSecret gives the Secret of the database a wrong password: the status says so, the workers that run go on, and all is
// well once the Secret is.
func (t *tour) badSecret(ctx context.Context, l *load.Load) ([]figures.Row, error) {
	const secret = "myelin-postgres"
	good, err := t.kube.Secret(ctx, secret, "uri")
	if err != nil {
		return nil, err
	}
	bad, err := url.Parse(good)
	if err != nil {
		return nil, fmt.Errorf("parse the database's URI: %w", err)
	}
	bad.User = url.UserPassword(bad.User.Username(), "wrong")
	put := func(ctx context.Context, uri string) error {
		patch := fmt.Sprintf(`{"data":{"uri":%q}}`, base64.StdEncoding.EncodeToString([]byte(uri)))
		_, err := t.kube.Do(ctx, "patch", "secret", secret, "--type=merge", "-p", patch)
		return err
	}
	return t.planned(ctx, l, "bad_secret.failed", func() error {
		if err := put(ctx, bad.String()); err != nil {
			return err
		}
		told := t.condition(ctx, "DatabaseReady", "False", "DatabaseAuthenticationFailed", 2*time.Minute)
		if err := put(context.WithoutCancel(ctx), good); err != nil {
			return err
		}
		if told != nil {
			return told
		}
		t.say("the status names the wrong password; the Secret is right again")
		if err := t.condition(ctx, "Ready", "True", "", 5*time.Minute); err != nil {
			return err
		}
		return t.spread(ctx, 4)
	})
}
