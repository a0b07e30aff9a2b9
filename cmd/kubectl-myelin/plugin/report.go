package plugin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/myelin-hs/myelin/cmd/kubectl-myelin/redact"
	"github.com/myelin-hs/myelin/pkg/telemetry"
)

// reportReadme is in every report.
const reportReadme = `What kubectl myelin report found of a Myelin homeserver, for support.

status.json     what the workers say: who they are, and who owns the shards
resources/      the Homeserver, its pools and shards, and what the operator made of them; no Secret
events.yaml     Kubernetes Events about them
logs/           the ends of the workers' and the operator's logs; .previous: before the last restart
metrics/        what each worker's /metrics said
errors.txt      what could not be had, and why

Taken out: secrets, contents of events, values of environment variables, annotations of others. Replaced by pseudonyms, one
for each within this archive, by a key that was thrown away: ids of users, rooms, events and aliases, e-mail and IP
addresses. Left as they are: the server name, names of namespaces, pods, nodes, images, pools and Secrets. It was done by
rules: read it before you pass it on.
`

type reportOptions struct {
	file, operatorNamespace string
	tail                    int64
	since                   time.Duration
}

// A reportResult says what was written.
type reportResult struct {
	File  string `json:"file"`
	Files int    `json:"files"`
	Bytes int64  `json:"bytes"`
	// Missing is what could not be had, a sentence each.
	Missing []string `json:"missing"`
}

func reportCommand(s *session) *cobra.Command {
	var o reportOptions
	cmd := &cobra.Command{
		Use:   "report",
		Short: "Write an archive for support: resources, events, status, logs, metrics; redacted",
		Long: "Write an archive (.tar.gz) for support: resources, events, what the workers say, the ends of logs, metrics. No Secret is\n" +
			"in it; secrets, contents of events and values of environment variables are taken out, ids of users and rooms and addresses\n" +
			"replaced by pseudonyms. It is made as far as it can be: what could not be had is named, and is no failure.",
		Example: "  kubectl myelin report\n  kubectl myelin report --file case-1234.tar.gz --since 2h",
		Args: func(cmd *cobra.Command, args []string) error {
			if err := exactArgs(0)(cmd, args); err != nil {
				return err
			}
			if o.tail < 0 || o.since < 0 {
				return usageError(errors.New("--tail and --since must not be negative"))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			k, err := s.open(cmd.Context(), s.target)
			if err != nil {
				return err
			}
			result, err := s.report(cmd.Context(), k, o, time.Now())
			if err != nil {
				return err
			}
			text := fmt.Sprintf("wrote %s: %d files, %d KiB", result.File, result.Files, (result.Bytes+1023)/1024)
			for _, missing := range result.Missing {
				text += "\nmissing: " + missing
			}
			return s.print(result, text)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.file, "file", "", "write here; there must be no such file yet (default myelin-report-HOMESERVER-TIME.tar.gz)")
	flags.StringVar(&o.operatorNamespace, "operator-namespace", "myelin-system", "where the operator is, for its log; empty leaves it out")
	flags.Int64Var(&o.tail, "tail", 5000, "lines from the end of each log, at most 2 MiB; 0 leaves logs out")
	flags.DurationVar(&o.since, "since", 24*time.Hour, "only what is younger than this of logs; 0 is all")
	return cmd
}

// report writes the archive. A file that was begun is removed again on an error.
func (s *session) report(ctx context.Context, k cluster, o reportOptions, now time.Time) (_ reportResult, err error) {
	if o.file == "" {
		o.file = fmt.Sprintf("myelin-report-%s-%s.tar.gz", k.homeserver.Name, now.UTC().Format("20060102T150405Z"))
	}
	file, err := os.OpenFile(o.file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return reportResult{}, usageError(fmt.Errorf("%s is there already: choose another --file", o.file))
	}
	if err != nil {
		return reportResult{}, usageError(fmt.Errorf("write the report: %w", err))
	}
	defer func() {
		if err = errors.Join(err, file.Close()); err != nil {
			_ = os.Remove(o.file)
		}
	}()
	secret, err := readCredential(ctx, k.core, k.homeserver)
	if err != nil {
		secret = "" // the rules do without: to take it out wherever it stands is a second line
	}
	a := newArchive(file, redact.New(secret), now)
	a.text("README.txt", []byte(reportReadme))
	a.text("version.txt", fmt.Appendf(nil, "kubectl-myelin %s\n", telemetry.Version))
	s.reportStatus(ctx, a)
	reportResources(ctx, a, k)
	reportPods(ctx, a, k, o)
	if ctx.Err() != nil {
		return reportResult{}, fmt.Errorf("write the report: %w", ctx.Err())
	}
	if err := a.close(); err != nil {
		return reportResult{}, fmt.Errorf("write the report: %w", err)
	}
	return reportResult{File: o.file, Files: a.files, Bytes: a.bytes, Missing: a.missing}, nil
}

// reportStatus asks the workers.
func (s *session) reportStatus(ctx context.Context, a *archive) {
	ctx, cancel := context.WithTimeout(ctx, reportPatience)
	defer cancel()
	client, closeConnection, err := s.connect(ctx, s.target)
	if err != nil {
		a.lacks("the workers' status", err)
		return
	}
	defer closeConnection()
	status, err := client.Status(ctx)
	if err != nil {
		a.lacks("the workers' status", err)
		return
	}
	a.value("status.json", status)
}

// reportPatience is how long one part of a report is waited for.
const reportPatience = 30 * time.Second
