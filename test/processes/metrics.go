package processes

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Metrics reads w's metrics, by name and labels as they are written.
func (w *Worker) Metrics(ctx context.Context) (map[string]float64, error) {
	text, err := fetch(ctx, "http://"+w.Probe+"/metrics")
	if err != nil {
		return nil, err
	}
	all := map[string]float64{}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		at := strings.LastIndexByte(line, ' ')
		if at < 0 || line[0] == '#' {
			continue
		}
		if all[line[:at]], err = strconv.ParseFloat(line[at+1:], 64); err != nil {
			return nil, fmt.Errorf("the metric %q: %w", line, err)
		}
	}
	return all, nil
}

// Profile takes a CPU profile of so long, in whole seconds, as go tool pprof reads it. It needs Pprof.
func (w *Worker) Profile(ctx context.Context, length time.Duration) ([]byte, error) {
	return fetch(ctx, fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%.0f", w.Pprof, length.Seconds()))
}

// fetch returns what is served there.
func fetch(ctx context.Context, url string) ([]byte, error) {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(q)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", url, answer.Status)
	}
	return text, err
}
