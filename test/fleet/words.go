package main

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
)

// words are what a field of text may be given: names of what is there, what some field takes for its own, and nonsense.
var words = []string{
	"one", "two", "three", "db", "cache", "nobody", // Homeservers and Secrets, and none
	"uri", "username", "password", "a", // keys
	"example.org", "example.org:8448", "[2001:db8::1]", "db.example", "10.0.0.1", "db.example:5432",
	"https://matrix.example.org", "http://example.org/x?y", "registry.example/myelin:2",
	"registry.example/myelin@sha256:" + strings.Repeat("0a", 32),
	"kubernetes.io/hostname", "topology.kubernetes.io/zone", "HTTPS_PROXY", "GOMEMLIMIT", "POD_NAME",
	"1", "8448", "true", "-", "a b", "ключ", "UPPER", "a/b/c", strings.Repeat("x", 63), strings.Repeat("y", 300), "$(POD_NAME)", "'\"\n",
}

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

// sorted are a map's keys in an order that a seed repeats.
func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
