package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/myelin-hs/myelin/pkg/config"
	"github.com/myelin-hs/myelin/pkg/postgres"
	"github.com/myelin-hs/myelin/pkg/schema"
)

// migrateLimit bounds a migration.
const migrateLimit = 10 * time.Minute

// The reasons of a MigrationResult; the operator shows them as conditions.
const (
	ReasonMigrated               = "Migrated"
	ReasonDatabaseUnreachable    = "DatabaseUnreachable"
	ReasonAuthenticationFailed   = "DatabaseAuthenticationFailed"
	ReasonDatabaseIdentityChange = "DatabaseIdentityChanged"
	ReasonDatabaseClaimed        = "DatabaseClaimed"
	ReasonDowngradeRefused       = "DowngradeRefused"
	ReasonUpgradeRefused         = "UpgradeRefused"
	ReasonMigrationFailed        = "MigrationFailed"
)

// A MigrationResult says how a migration ended, in one line of JSON.
type MigrationResult struct {
	Reason        string `json:"reason"`
	Message       string `json:"message"`
	DatabaseID    string `json:"databaseID,omitempty"`
	SchemaVersion int    `json:"schemaVersion,omitempty"`
}

// Migrate brings the database to this build's schema, or with cfg.Contract removes what only older builds need, and writes the
// result to out and to cfg.ResultFile. The error is for the exit code: it has been told in the result.
func Migrate(ctx context.Context, cfg config.Migration, log *slog.Logger, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, migrateLimit)
	defer cancel()
	id, err := migrate(ctx, cfg)
	result := MigrationResult{
		Reason:     ReasonMigrated,
		Message:    fmt.Sprintf("The database has schema version %d and takes protocol %d or newer.", id.SchemaVersion, id.MinProtocol),
		DatabaseID: id.DatabaseID, SchemaVersion: id.SchemaVersion,
	}
	if err != nil {
		result = MigrationResult{Reason: migrationReason(err), Message: err.Error()}
		log.ErrorContext(ctx, "migrate", "reason", result.Reason, "error", err)
	}
	line, merr := json.Marshal(result)
	if merr != nil {
		return merr
	}
	line = append(line, '\n')
	if _, werr := out.Write(line); werr != nil {
		return werr
	}
	if cfg.ResultFile != "" {
		if werr := os.WriteFile(cfg.ResultFile, line, 0o644); werr != nil {
			return fmt.Errorf("write the result: %w", werr)
		}
	}
	return err
}

// errConnect marks that the database could not be reached.
var errConnect = errors.New("connect to the database")

func migrate(ctx context.Context, cfg config.Migration) (schema.Identity, error) {
	source := databaseSource(cfg.PostgresURI, cfg.PostgresUser, cfg.PostgresPassword)
	conn, err := source.Session(ctx, postgres.Options{ApplicationName: "myelin-migrate"})
	if err != nil {
		return schema.Identity{}, fmt.Errorf("%w: %w", errConnect, err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	// A migration may take longer than what a worker's statement may.
	if _, err := conn.Exec(ctx, "SET statement_timeout = 0; SET lock_timeout = '1min'; SET idle_in_transaction_session_timeout = 0"); err != nil {
		return schema.Identity{}, err
	}
	step := schema.Migrate
	if cfg.Contract {
		step = schema.Contract
	}
	return step(ctx, conn, schema.Options{
		ServerName: cfg.ServerName, HomeserverID: cfg.HomeserverID, ExpectDatabaseID: cfg.DatabaseID, Shards: cfg.Shards,
		Protocol: protocol, Beside: beside,
	})
}

func migrationReason(err error) string {
	code := postgres.Code(err)
	switch {
	case errors.Is(err, schema.ErrIdentityChanged):
		return ReasonDatabaseIdentityChange
	case errors.Is(err, schema.ErrOtherServer), errors.Is(err, schema.ErrOtherHomeserver):
		return ReasonDatabaseClaimed
	case errors.Is(err, schema.ErrTooOld):
		return ReasonDowngradeRefused
	case errors.Is(err, schema.ErrTooFar):
		return ReasonUpgradeRefused
	case strings.HasPrefix(code, "28"): // invalid authorization
		return ReasonAuthenticationFailed
	case errors.Is(err, errConnect), strings.HasPrefix(code, "08"), strings.HasPrefix(code, "57"):
		return ReasonDatabaseUnreachable
	default:
		return ReasonMigrationFailed
	}
}
