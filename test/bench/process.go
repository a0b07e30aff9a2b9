package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// cpu is how long a process has had a core, by the scheduler's own count, over its threads that are there. The error of a
// process that is not wraps fs.ErrNotExist.
func cpu(pid int) (time.Duration, error) {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil {
		return 0, err
	}
	if len(threads) == 0 {
		return 0, fmt.Errorf("schedstat of process %d: %w", pid, fs.ErrNotExist)
	}
	var sum time.Duration
	for _, file := range threads {
		text, err := os.ReadFile(file)
		if err != nil || len(text) == 0 {
			continue // the thread has just ended
		}
		ns, err := strconv.ParseInt(strings.Fields(string(text))[0], 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", file, err)
		}
		sum += time.Duration(ns)
	}
	return sum, nil
}

// rss is a process's resident memory in MB.
func rss(pid int) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if value, found := strings.CutPrefix(line, "VmRSS:"); found {
			kb, err := strconv.ParseFloat(strings.Fields(value)[0], 64)
			return kb / 1024, err
		}
	}
	return 0, fmt.Errorf("process %d has no memory", pid)
}

// postgresPIDs are the processes of the rig's Postgres.
func (r *rig) postgresPIDs() ([]int, error) {
	text, err := os.ReadFile(filepath.Join(r.dir, "postgres", "data", "postmaster.pid"))
	if err != nil {
		return nil, err
	}
	first, _, _ := bytes.Cut(text, []byte("\n"))
	postmaster, err := strconv.Atoi(string(first))
	if err != nil {
		return nil, err
	}
	all := []int{postmaster}
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", postmaster, postmaster))
	if err != nil {
		return nil, err
	}
	for word := range strings.FieldsSeq(string(children)) {
		pid, err := strconv.Atoi(word)
		if err != nil {
			return nil, err
		}
		all = append(all, pid)
	}
	return all, nil
}

// loading is the part of a homeserver's load that is this process.
const loading = "load"

// A tally is what each process has had of the cores at one moment, by its id.
type tally struct {
	rig   *rig
	fleet *fleet
	used  map[int]time.Duration
}

func (r *rig) tally(f *fleet) (*tally, error) {
	pids, err := r.postgresPIDs()
	if err != nil {
		return nil, err
	}
	pids = append(pids, os.Getpid())
	for _, w := range f.workers {
		pids = append(pids, w.PID())
	}
	t := &tally{r, f, map[int]time.Duration{}}
	for _, pid := range pids {
		if t.used[pid], err = cpu(pid); errors.Is(err, fs.ErrNotExist) {
			delete(t.used, pid) // a session that has just ended
		} else if err != nil {
			return nil, err
		}
	}
	return t, nil
}

// each is what each part has used since then, in microseconds of a core for each of n events: workers by their roles, postgres,
// and loading.
func (t *tally) each(n int) (map[string]float64, error) {
	now, err := t.rig.tally(t.fleet)
	if err != nil {
		return nil, err
	}
	names := map[int]string{os.Getpid(): loading}
	for _, w := range t.fleet.workers {
		names[w.PID()] = w.Roles
	}
	parts := map[string]float64{}
	for pid, used := range now.used {
		// 0 of a process that is new; what has ended is not counted
		parts[cmp.Or(names[pid], "postgres")] += float64((used - t.used[pid]).Microseconds()) / float64(n)
	}
	return parts, nil
}
