package app

import (
	"context"
	"fmt"
	"time"
)

// credentialsPoll is how often the file with the internal credential is looked at. How long Kubernetes takes to bring a
// changed Secret into the file, a minute or two, is another matter.
const credentialsPoll = 2 * time.Second

// followCredentials takes up a replaced internal credential without a restart.
func (w *worker) followCredentials(ctx context.Context) error {
	tick := time.NewTicker(credentialsPoll)
	defer tick.Stop()
	told := ""
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		changed, err := w.readCredentials()
		switch {
		case err != nil && err.Error() != told:
			w.log.WarnContext(ctx, "the internal credential stays what it was", "error", err)
			told = err.Error()
		case changed:
			w.log.InfoContext(ctx, "the internal credential was replaced")
		}
		if err == nil {
			told = ""
		}
	}
}

func (w *worker) readCredentials() (bool, error) {
	text, err := w.cfg.InternalCredential.Current()
	if err != nil {
		return false, fmt.Errorf("--internal-credential-file: %w", err)
	}
	changed, err := w.shared.Replace(text)
	if err != nil {
		return false, fmt.Errorf("--internal-credential-file: %w", err)
	}
	return changed, nil
}
