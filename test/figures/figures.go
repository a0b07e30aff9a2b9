// Package figures writes what a run measured: artifacts/NAME.json for machines, a table for people.
package figures

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
)

// Row is one figure. OK is nil when there was nothing to judge.
type Row struct {
	Name  string   `json:"name"`
	Value *float64 `json:"value"`
	Unit  string   `json:"unit"`
	Goal  string   `json:"goal"`
	OK    *bool    `json:"ok"`
}

// AtMost is a figure that is good up to limit.
func AtMost(name, unit string, value, limit float64) Row {
	ok := value <= limit
	goal := fmt.Sprintf("≤ %g", limit)
	if limit == 0 {
		goal = "0"
	}
	return Row{name, &value, unit, goal, &ok}
}

// AtLeast is a figure that is good from limit on.
func AtLeast(name, unit string, value, limit float64) Row {
	ok := value >= limit
	return Row{name, &value, unit, fmt.Sprintf("≥ %g", limit), &ok}
}

// File is what is written.
type File struct {
	Commit  string            `json:"commit"`
	Machine map[string]string `json:"machine"`
	Rows    []Row             `json:"rows"`
}

// Unmeasured is a figure of the table that this run has no value for.
func Unmeasured(name, unit, goal string) Row { return Row{Name: name, Unit: unit, Goal: goal} }

// Write writes artifacts/name.json: a row for each figure of the table, in its order, then what else was measured. What
// this run did not measure is taken from an earlier run of the same commit, if there was one.
func Write(name string, table, measured []Row) error {
	path := filepath.Join("artifacts", name+".json")
	f := File{Commit: commit(), Machine: machine()}
	var old File
	if text, err := os.ReadFile(path); err == nil && json.Unmarshal(text, &old) == nil && old.Commit != f.Commit {
		old.Rows = nil
	}
	for _, r := range append(slices.Clone(table), measured...) {
		if find(f.Rows, r.Name) != nil {
			continue
		}
		if m := find(measured, r.Name); m != nil {
			r = *m
		} else if o := find(old.Rows, r.Name); o != nil {
			r = *o
		}
		f.Rows = append(f.Rows, r)
	}
	text, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll("artifacts", 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}

func find(rows []Row, name string) *Row {
	for i := range rows {
		if rows[i].Name == name {
			return &rows[i]
		}
	}
	return nil
}

// Print writes the table.
func Print(w io.Writer, rows []Row) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "FIGURE\tVALUE\tUNIT\tGOAL\t")
	for _, r := range rows {
		value, verdict := "-", ""
		if r.Value != nil {
			value = fmt.Sprintf("%.4g", *r.Value)
		}
		if r.OK != nil && !*r.OK {
			verdict = "MISSED"
		} else if r.OK != nil {
			verdict = "ok"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", r.Name, value, r.Unit, r.Goal, verdict)
	}
	t.Flush()
}

// Broken names the rows that must be 0 and are not: promises, whatever the machine. A time or a size that misses its goal
// is printed as such and fails nothing, for the machine may be slow or busy.
func Broken(rows []Row) []string {
	var names []string
	for _, r := range rows {
		if r.Goal == "0" && r.OK != nil && !*r.OK {
			names = append(names, r.Name)
		}
	}
	return names
}

// Kept returns an error that names those of the rows that are [Broken]; nil if none is.
func Kept(rows []Row) error {
	if broken := Broken(rows); len(broken) > 0 {
		return fmt.Errorf("promised to be 0, and not: %s", strings.Join(broken, ", "))
	}
	return nil
}

func commit() string {
	out, err := exec.Command("git", "describe", "--always", "--dirty", "--abbrev=40").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

func machine() map[string]string {
	m := map[string]string{"os": runtime.GOOS, "arch": runtime.GOARCH, "cpus": fmt.Sprint(runtime.NumCPU()), "go": runtime.Version()}
	if v := field("/proc/cpuinfo", "model name"); v != "" {
		m["cpu"] = v
	}
	if v := field("/proc/meminfo", "MemTotal"); v != "" {
		m["memory"] = v
	}
	return m
}

func field(path, name string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if k, v, ok := strings.Cut(s.Text(), ":"); ok && strings.TrimSpace(k) == name {
			return strings.TrimSpace(v)
		}
	}
	return ""
}
