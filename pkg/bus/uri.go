package bus

import (
	"errors"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"
)

// mode is how servers of Redis stand to each other.
type mode string

const (
	standalone mode = ""
	sentinel   mode = "sentinel"
	cluster    mode = "cluster"
)

// location is what a URI says.
type location struct {
	mode mode
	// hosts are the server, the Sentinels, or some nodes of the cluster.
	hosts []string
	// master is the name under which the Sentinels know the servers.
	master string
	// options are the rest: user, password, number of the database, and TLS if its config is there.
	options *redis.Options
}

// errURI names no part of the URI: all of it may be a password.
var errURI = errors.New("parse the Redis URI: it is not of the form redis://user:password@host:port/0, " +
	"redis+sentinel://user:password@host:port,host:port/0?master=name or redis+cluster://user:password@host:port,host:port, or the same with rediss for TLS")

// parseURI reads the forms that Open names. Package url knows no list of hosts.
func parseURI(uri string) (location, error) {
	var l location
	scheme, rest, ok := strings.Cut(uri, "://")
	if !ok {
		return l, errURI
	}
	base, kind, several := strings.Cut(scheme, "+")
	if several {
		l.mode = mode(kind)
	}
	if several && (l.mode != sentinel && l.mode != cluster || base != "redis" && base != "rediss") {
		return l, errURI
	}
	authority, tail := rest, ""
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		authority, tail = rest[:i], rest[i:]
	}
	user, hosts := "", authority
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		user, hosts = authority[:i+1], authority[i+1:]
	}
	if several {
		for _, host := range strings.Split(hosts, ",") {
			l.hosts = append(l.hosts, withPort(host, l.mode))
		}
		hosts = l.hosts[0]
	}
	path, query, _ := strings.Cut(tail, "?")
	values, err := url.ParseQuery(query)
	if err != nil {
		return l, errURI
	}
	if several {
		l.master = values.Get("master")
		values.Del("master")
	}
	if l.options, err = redis.ParseURL(base + "://" + user + hosts + path + "?" + values.Encode()); err != nil {
		return l, errURI
	}
	if !several {
		l.hosts = []string{l.options.Addr}
	}
	switch {
	case slices.ContainsFunc(l.hosts, func(h string) bool { return strings.HasPrefix(h, ":") }):
		return l, errURI
	case l.mode == sentinel && l.master == "":
		return l, errors.New("parse the Redis URI: ?master= is missing, the name under which the Sentinels know the servers")
	case l.mode != sentinel && l.master != "":
		return l, errors.New("parse the Redis URI: ?master= is for redis+sentinel:// only")
	case l.mode == cluster && l.options.DB != 0:
		return l, errors.New("parse the Redis URI: a cluster has the database 0 only")
	}
	return l, nil
}

// withPort adds the port that servers or Sentinels listen on, unless there is one.
func withPort(host string, m mode) string {
	if _, _, err := net.SplitHostPort(host); err == nil {
		return host
	}
	port := "6379"
	if m == sentinel {
		port = "26379"
	}
	return net.JoinHostPort(strings.Trim(host, "[]"), port)
}
