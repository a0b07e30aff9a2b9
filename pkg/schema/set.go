package schema

import (
	"embed"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"sync"
)

//go:embed migrations/*.sql
var migrations embed.FS

// A set is a build's migrations. NNNN_words.sql expands: it only adds what the version before does not look at.
// NNNN_words.contract.sql takes back what older versions needed. Its first line says which workers do without it, in the form
// `-- protocol: 3`; it runs once none of an older protocol lives, and none can join any more.
type set struct {
	expand   []migration // numbered 1, 2, 3 …
	contract []migration // by number; their protocols grow too
	oldest   int         // see Oldest
}

type migration struct {
	version  int
	name     string
	sql      string
	protocol int // of a contraction
}

var (
	fileName     = regexp.MustCompile(`^(\d{4})_[a-z0-9_]+(\.contract)?\.sql$`)
	protocolLine = regexp.MustCompile(`^-- protocol: ([1-9]\d{0,5})\n`)
)

// embedded is this build's set.
var embedded = sync.OnceValue(func() *set {
	s, err := load(migrations, Oldest)
	if err != nil {
		panic(err) // embedded at build time, checked by a test
	}
	return s
})

func load(files fs.FS, oldest int) (*set, error) {
	entries, err := fs.ReadDir(files, "migrations") // sorted by name
	if err != nil {
		return nil, err
	}
	s := &set{oldest: oldest}
	for _, e := range entries {
		name := fileName.FindStringSubmatch(e.Name())
		if name == nil {
			return nil, fmt.Errorf("migration %s: name is not NNNN_words.sql or NNNN_words.contract.sql", e.Name())
		}
		sql, err := fs.ReadFile(files, "migrations/"+e.Name())
		if err != nil {
			return nil, err
		}
		m := migration{name: e.Name(), sql: string(sql)}
		m.version, _ = strconv.Atoi(name[1])
		if name[2] == "" {
			s.expand = append(s.expand, m)
			continue
		}
		line := protocolLine.FindSubmatch(sql)
		if line == nil {
			return nil, fmt.Errorf("migration %s: its first line is not `-- protocol: N`", m.name)
		}
		m.protocol, _ = strconv.Atoi(string(line[1]))
		s.contract = append(s.contract, m)
	}
	slices.SortFunc(s.expand, func(a, b migration) int { return a.version - b.version })
	for i, m := range s.expand {
		if m.version != i+1 {
			return nil, fmt.Errorf("migration %s: expected number %d", m.name, i+1)
		}
	}
	slices.SortFunc(s.contract, func(a, b migration) int { return a.version - b.version })
	for i, m := range s.contract {
		switch {
		case m.version > len(s.expand):
			return nil, fmt.Errorf("migration %s: there is no migration %d that it belongs to", m.name, m.version)
		case i > 0 && m.protocol <= s.contract[i-1].protocol:
			return nil, fmt.Errorf("migration %s: its protocol is not above that of %s", m.name, s.contract[i-1].name)
		}
	}
	return s, nil
}
