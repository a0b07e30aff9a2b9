package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/myelin-hs/myelin/test/processes"
)

// stepSource is a file that package time gets when a worker is built whose clock can be stepped.
//
//go:embed stepped/step.go.txt
var stepSource []byte

// stepVariable names the file with a process's step to it.
const stepVariable = "STEPPED_CLOCK"

// Clocks are the times of day of a fleet's workers, each a step of its own away from the machine's. As with a real step,
// what measures durations is not touched. The workers are built with another time.Now (`go build -overlay`), so the step
// reaches whatever they are made of, the libraries too, and nothing in the program itself knows of it.
type Clocks struct {
	Start time.Duration // by how much the clocks of workers are off that are yet to be prepared
	run   *Run
}

// NewClocks is for scenarios that say Steps; Prepare is the fleet's.
func NewClocks(r *Run) *Clocks { return &Clocks{run: r} }

// buildStepped builds the worker whose clock can be stepped, unless that was done.
func (g *rig) buildStepped() error {
	g.building.Lock()
	defer g.building.Unlock()
	if g.stepped != "" {
		return nil
	}
	dir := filepath.Join(g.dir, "stepped")
	flags, err := overlay(dir)
	if err != nil {
		return err
	}
	g.stepped, err = processes.Build(dir, append(flags, g.buildFlags()...)...)
	return err
}

// overlay writes into dir what makes `go build`, with the flags that it returns, build a program whose clock can be stepped.
func overlay(dir string) (flags []string, err error) {
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return nil, fmt.Errorf("find Go's own packages: %w", err)
	}
	original := filepath.Join(string(bytes.TrimSpace(out)), "src", "time")
	source, err := os.ReadFile(filepath.Join(original, "time.go"))
	if err != nil {
		return nil, err
	}
	const reads, steps = ":= runtimeNow()", ":= steppedNow()"
	if bytes.Count(source, []byte(reads)) != 1 {
		return nil, errors.New("time.Now of this Go reads the clock in another way: adapt test/chaos/clock.go")
	}
	files := map[string][]byte{"time.go": bytes.Replace(source, []byte(reads), []byte(steps), 1), "step.go": stepSource}
	replace := map[string]string{}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	for name, text := range files {
		replace[filepath.Join(original, name)] = filepath.Join(dir, name)
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			return nil, err
		}
	}
	list, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return nil, err
	}
	return []string{"-overlay=" + filepath.Join(dir, "overlay.json")}, os.WriteFile(filepath.Join(dir, "overlay.json"), list, 0o644)
}

// writeStep sets the clocks of the processes that have this file to the machine's plus offset, of whole seconds, at once.
func writeStep(path string, offset time.Duration) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(binary.NativeEndian.AppendUint64(nil, uint64(int64(offset/time.Second))))
	return errors.Join(err, f.Close())
}

func (c *Clocks) file(w *processes.Worker) string { return filepath.Join(c.run.Dir(), w.Name+".clock") }

// Prepare gives a worker that has not been started a clock of its own.
func (c *Clocks) Prepare(w *processes.Worker) error {
	w.Binary, w.Env = c.run.rig.stepped, append(w.Env, stepVariable+"="+c.file(w))
	return writeStep(c.file(w), c.Start)
}

// Set steps the clock of a worker that runs.
func (c *Clocks) Set(ctx context.Context, w *processes.Worker, offset time.Duration) error {
	if err := writeStep(c.file(w), offset); err != nil {
		return err
	}
	return shows(ctx, "http://"+w.Probe+"/ready", offset)
}

// shows returns an error unless the clock of an HTTP server is off by offset: each answer of one tells its time.
func shows(ctx context.Context, url string, offset time.Duration) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	before := time.Now()
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	_ = resp.Body.Close()
	date, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		return fmt.Errorf("read a worker's clock: %w", err)
	}
	// It tells whole seconds.
	if early := before.Add(offset - time.Second); date.Before(early) || date.After(time.Now().Add(offset)) {
		return fmt.Errorf("the step of %v does not reach the worker: its clock shows %v", offset, date)
	}
	return nil
}
