package command

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"

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
		return func(ctx context.Context, number int, _ string) (*matrix.Client, error) {
			return matrix.WithToken(ctx, o.Base, tokens[number], transport, nil)
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
