package app

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/myelin-hs/myelin/pkg/config"
	"github.com/myelin-hs/myelin/pkg/keyring"
	"github.com/myelin-hs/myelin/pkg/postgres"
	"github.com/myelin-hs/myelin/pkg/schema"
)

// manageKeys is `worker keys`.
func (p Process) manageKeys(ctx context.Context, args []string) error {
	verb, keyID := "", ""
	if len(args) > 0 {
		verb, args = args[0], args[1:]
	}
	switch verb {
	case "list", "--help", "-h":
	case "retire":
		if len(args) == 0 {
			return &badUsage{errors.New("keys retire: which key id? See worker keys list")}
		}
		keyID, args = args[0], args[1:]
	default:
		return &badUsage{fmt.Errorf("there is no command \"keys %s\"", verb)}
	}
	if verb != "list" && verb != "retire" {
		args = []string{verb}
	}
	cfg, err := config.KeysCommand(args, p.Environ, p.Stdout)
	if err != nil {
		return &badUsage{err}
	}
	pool, err := openChecked(ctx, cfg)
	if err != nil {
		return err
	}
	defer pool.Close()
	if verb == "retire" {
		return keyring.Retire(ctx, pool, keyID, cfg.Force)
	}
	return p.listKeys(ctx, pool)
}

// openChecked opens the database if it is this homeserver's.
func openChecked(ctx context.Context, cfg config.Keys) (*pgxpool.Pool, error) {
	source := databaseSource(cfg.PostgresURI, cfg.PostgresUser, cfg.PostgresPassword)
	conn, err := source.Session(ctx, postgres.Options{ApplicationName: "myelin-keys"})
	if err != nil {
		return nil, fmt.Errorf("connect to the database: %w", err)
	}
	_, err = schema.Check(ctx, conn, schema.Options{
		ServerName: cfg.ServerName, HomeserverID: cfg.HomeserverID, ExpectDatabaseID: cfg.DatabaseID,
	})
	if err = errors.Join(err, conn.Close(ctx)); err != nil {
		return nil, fmt.Errorf("check the database: %w", err)
	}
	return source.Open(ctx, postgres.Options{MaxConns: 1, ApplicationName: "myelin-keys"})
}

func (p Process) listKeys(ctx context.Context, pool *pgxpool.Pool) error {
	keys, err := keyring.List(ctx, pool)
	if err != nil {
		return err
	}
	out := tabwriter.NewWriter(p.Stdout, 0, 0, 3, ' ', 0)
	fmt.Fprintln(out, "KEY ID\tSTATE\tSINCE\tWORKERS THAT SIGN")
	for _, k := range keys {
		state, since := "announced, to be used from", k.UseFrom
		switch {
		case k.RetiredAt != nil:
			state, since = "retired", *k.RetiredAt
		case k.Used:
			state = "in use"
		}
		fmt.Fprintf(out, "%s\t%s\t%s\t%d\n", k.KeyID, state, since.UTC().Format(time.RFC3339), k.Signers)
	}
	return out.Flush()
}
