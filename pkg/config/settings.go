package config

import (
	"flag"
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// settings is a flag set whose flags can also be given by the environment and, for secrets, by a file.
type settings struct {
	*flag.FlagSet
	files []fileSetting
	// guest: the command runs in the environment of a worker, whose other settings are not its business.
	guest bool
}

type fileSetting struct {
	flag string
	path *string
	to   *Secret
}

func newSettings(command string, usage io.Writer) *settings {
	s := &settings{FlagSet: flag.NewFlagSet("worker "+command, flag.ContinueOnError)}
	s.SetOutput(io.Discard)
	s.Usage = func() {
		fmt.Fprintf(usage, "Usage: worker %s [flags]\n\nEach flag can also be set by the environment: --log-level is MYELIN_LOG_LEVEL.\n\n", command)
		s.SetOutput(usage)
		s.PrintDefaults()
	}
	return s
}

// secret adds --NAME-file, and --NAME too if it may be given directly. It returns the flags' names, for messages.
func (s *settings) secret(to *Secret, name, usage string, direct bool) string {
	flags := "--" + name + "-file"
	if direct {
		s.Func(name, usage, func(text string) error { *to = NewSecret(text); return nil })
		flags = "--" + name + " or " + flags
	}
	path := s.String(name+"-file", "", "file that holds the "+usage)
	s.files = append(s.files, fileSetting{name, path, to})
	return flags
}

// postgres adds how to reach the database. It returns the flags' names, for messages.
func (s *settings) postgres(uri, user, password *Secret) string {
	s.secret(user, "postgres-user", "user of the database (default: the URI's)", false)
	s.secret(password, "postgres-password", "password of the database (default: the URI's)", false)
	return s.secret(uri, "postgres-uri", "postgres:// URI of the database", true)
}

func (s *settings) database(databaseID, homeserverID *string) {
	s.StringVar(databaseID, "database-id", "", "id of the database that this homeserver is known to live in; any other is refused")
	s.StringVar(homeserverID, "homeserver-id", "", "identity that claims the database (default: the server name)")
}

func (s *settings) logging(format *string, level *slog.Level) {
	*format, *level = "text", slog.LevelInfo
	s.Func("log-format", "text or json (default text)", func(v string) error {
		if v != "text" && v != "json" {
			return fmt.Errorf("%q is not text or json", v)
		}
		*format = v
		return nil
	})
	s.TextVar(level, "log-level", slog.LevelInfo, "debug, info, warn or error")
}

// parse reads environ, then args, then the files of secrets. It returns the environment as a map.
func (s *settings) parse(args, environ []string) (map[string]string, error) {
	env := make(map[string]string, len(environ))
	for _, kv := range environ {
		key, value, _ := strings.Cut(kv, "=")
		env[key] = value
		if !strings.HasPrefix(key, envPrefix) || serviceLink.MatchString(key) {
			continue
		}
		name := strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(key, envPrefix), "_", "-"))
		if s.Lookup(name) == nil && s.guest {
			continue
		}
		if s.Lookup(name) == nil {
			return nil, fmt.Errorf("the environment variable %s is not a setting of %s", key, s.Name())
		}
		if err := s.Set(name, value); err != nil {
			return nil, fmt.Errorf("the environment variable %s: %w", key, err)
		}
	}
	if err := s.Parse(args); err != nil {
		return nil, err
	}
	if s.NArg() > 0 {
		return nil, fmt.Errorf("%s takes no argument %q", s.Name(), s.Arg(0))
	}
	for _, f := range s.files {
		if *f.path == "" {
			continue
		}
		if !f.to.Empty() {
			return nil, fmt.Errorf("--%s and --%s-file exclude each other", f.flag, f.flag)
		}
		var err error
		if *f.to, err = readSecret(*f.path); err != nil {
			return nil, fmt.Errorf("--%s-file: %w", f.flag, err)
		}
	}
	return env, nil
}
