package desired

import (
	"net/url"
	"strconv"
	"strings"

	"github.com/myelin-hs/myelin/api/v1alpha1"
)

// Redis says how workers reach Redis.
type Redis struct {
	// Secret holds the URI. If it is nil, URI is one without passwords, which are in Password and SentinelPassword.
	Secret                     *Key
	URI                        string
	Password, SentinelPassword *Key
	// CA holds the certificates that Redis's is checked with; nil: the system's. caField of the spec names it.
	CA      *Key
	caField string
}

func redisOf(r v1alpha1.Redis) Redis {
	var d Redis
	d.CA, d.caField = authority("spec.redis", r.CASecretRef, r.CAConfigMapRef)
	switch parts := r.Parts; {
	case r.SecretRef != nil:
		d.Secret = &Key{Secret: r.SecretRef.Name, Key: r.SecretRef.Key}
	case parts != nil:
		d.URI = redisURI(parts)
		d.Password, d.SentinelPassword = keyOf(parts.PasswordSecretRef), keyOf(parts.SentinelPasswordSecretRef)
	}
	return d
}

func redisURI(p *v1alpha1.RedisParts) string {
	uri := "redis"
	if p.TLS == v1alpha1.RedisTLSVerifyFull {
		uri = "rediss"
	}
	if p.Mode != v1alpha1.RedisStandalone && p.Mode != "" {
		uri += "+" + string(p.Mode)
	}
	uri += "://"
	if p.Username != "" {
		uri += url.User(p.Username).String() + "@"
	}
	hosts := make([]string, len(p.Hosts))
	for i, h := range p.Hosts {
		hosts[i] = string(h)
	}
	uri += strings.Join(hosts, ",") + "/" + strconv.Itoa(int(p.Database))
	if p.MasterName != "" {
		uri += "?master=" + url.QueryEscape(p.MasterName)
	}
	return uri
}

// keys are the Secret keys, with the field that names each and the setting that reads it.
func (r Redis) keys() []redisKey {
	return []redisKey{
		{"spec.redis.secretRef", RedisURI, "MYELIN_REDIS_URI_FILE", "redis-uri", r.Secret},
		{"spec.redis.parts.passwordSecretRef", ReadAnew, "MYELIN_REDIS_PASSWORD_FILE", "redis-password", r.Password},
		{"spec.redis.parts.sentinelPasswordSecretRef", ReadAtStart, "MYELIN_REDIS_SENTINEL_PASSWORD_FILE", "redis-sentinel-password", r.SentinelPassword},
		{r.caField, ReadAnew, "MYELIN_REDIS_CA_FILE", "redis-ca", r.CA},
	}
}

type redisKey struct {
	field     string // of the spec
	use       Use
	env, file string
	key       *Key
}

func (r Redis) references() []Reference {
	var all []Reference
	for _, k := range r.keys() {
		if k.key != nil {
			all = append(all, Reference{k.field, *k.key, k.use})
		}
	}
	return all
}

func (r Redis) files() []secretFile {
	var files []secretFile
	for _, k := range r.keys() {
		if k.key != nil {
			files = append(files, secretFile{k.env, k.file, *k.key})
		}
	}
	return files
}
