package app

import (
	"fmt"

	"github.com/myelin-hs/myelin/pkg/bus"
	"github.com/myelin-hs/myelin/pkg/config"
	"github.com/myelin-hs/myelin/pkg/postgres"
)

// databaseSource is the database by a login that is read anew, where it comes from files, for each connection.
func databaseSource(uri, user, password config.Secret) *postgres.Source {
	return postgres.NewSource(func() (l postgres.Login, err error) {
		for _, part := range []struct {
			secret config.Secret
			into   *string
		}{{uri, &l.URI}, {user, &l.User}, {password, &l.Password}} {
			if *part.into, err = part.secret.Current(); err != nil {
				return postgres.Login{}, fmt.Errorf("read the login for the database: %w", err)
			}
		}
		return l, nil
	})
}

// openBus opens the bus over Redis, or within this process if there is no Redis. Secrets that are in files are read anew
// for each connection. The database's id tells homeservers that share a Redis apart.
func openBus(cfg config.Config, databaseID string) (*bus.Bus, error) {
	if cfg.RedisURI.Empty() {
		return bus.Local(), nil
	}
	o := bus.Options{
		URI: cfg.RedisURI.Current, SentinelPassword: cfg.RedisSentinelPassword.Reveal(), Prefix: "myelin:" + databaseID + ":",
	}
	if !cfg.RedisPassword.Empty() {
		o.Password = cfg.RedisPassword.Current
	}
	if !cfg.RedisCA.Empty() {
		o.CA = func() ([]byte, error) {
			pem, err := cfg.RedisCA.Current()
			return []byte(pem), err
		}
	}
	return bus.Open(o)
}
