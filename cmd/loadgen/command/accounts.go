package command

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"

	"github.com/myelin-hs/myelin/cmd/loadgen/matrix"
)

// accounts returns what makes or takes the accounts of so many users.
func (o Options) accounts(users int, transport http.RoundTripper) (func(ctx context.Context, number int, name string) (*matrix.Client, error), error) {
	switch {
	case o.TokensFile != "":
		tokens, err := lines(o.TokensFile)
		if err != nil {
			return nil, err
		}
		if len(tokens) < users {
			return nil, fmt.Errorf("%s has %d access tokens, and %d users are needed: name fewer with --users and --listeners", o.TokensFile, len(tokens), users)
		}
		place := map[string]int{}
		for i, token := range tokens {
			if first, twice := place[token]; twice {
				return nil, fmt.Errorf("%s has the same access token as number %d and number %d: each must be another user's", o.TokensFile, first+1, i+1)
			}
			place[token] = i
		}
		var mu sync.Mutex
		taken := map[string]int{}
		return func(ctx context.Context, number int, _ string) (*matrix.Client, error) {
			c, err := matrix.WithToken(ctx, o.Base, tokens[number], transport, nil)
			if err != nil {
				return nil, fmt.Errorf("access token number %d of %s: %w", number+1, o.TokensFile, err)
			}
			mu.Lock()
			defer mu.Unlock()
			if other, twice := taken[c.UserID]; twice {
				return nil, fmt.Errorf("%s has two access tokens of %s, number %d and number %d: each must be another user's",
					o.TokensFile, c.UserID, min(other, number)+1, max(other, number)+1)
			}
			taken[c.UserID] = number
			return c, nil
		}, nil
	case o.SecretFile != "":
		secret, err := lines(o.SecretFile)
		if err != nil {
			return nil, err
		}
		if len(secret) != 1 {
			return nil, fmt.Errorf("%s has %d lines, and should have the secret in one", o.SecretFile, len(secret))
		}
		return func(ctx context.Context, _ int, name string) (*matrix.Client, error) {
			return matrix.Register(ctx, o.Base, secret[0], name, transport, nil)
		}, nil
	}
	return func(ctx context.Context, _ int, name string) (*matrix.Client, error) {
		return matrix.RegisterOpen(ctx, o.Base, name, transport, nil)
	}, nil
}

// lines are those of a file that are not empty.
func lines(file string) ([]string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var all []string
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" {
			all = append(all, line)
		}
	}
	return all, nil
}
