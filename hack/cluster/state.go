package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// State is what a cluster remembers between commands, in state.json of its
// state directory. It is written before the thing it tells of is made, so that
// down knows of everything even when up was cut short.
type State struct {
	dir string

	Flavour   Flavour `json:"flavour"`
	BootID    string  `json:"bootID"`              // the machine's boot in which it was made
	Context   string  `json:"context,omitempty"`   // kubeconfig context, CLUSTER=current
	Namespace string  `json:"namespace,omitempty"` // namespace that down deletes, CLUSTER=current

	Nodes int `json:"nodes,omitempty"` // of a bare cluster; 0 is one
	// Autoscaling says that a bare cluster has what pools that scale by themselves need (see autoscaling.go).
	Autoscaling bool              `json:"autoscaling,omitempty"`
	Network     Network           `json:"network,omitzero"`
	Ports       map[string]int    `json:"ports,omitempty"`
	Secrets     map[string]Secret `json:"secrets,omitempty"`
	Sysctls     map[string]string `json:"sysctls,omitempty"` // values to put back
	Folders     []string          `json:"folders,omitempty"` // outside the state directory, absent before
	Firewall    bool              `json:"firewall,omitempty"`
}

// Secret is a password; it prints as stars but is stored as it is, in a file
// that only root reads.
type Secret string

// String keeps the password out of logs and error messages.
func (Secret) String() string { return "***" }

// stateFile marks a state directory: down removes none that lacks it.
const stateFile = "state.json"

// loadState reads the state; fs.ErrNotExist when there is none.
func loadState(dir string) (*State, error) {
	data, err := os.ReadFile(filepath.Join(dir, stateFile))
	if err != nil {
		return nil, err
	}
	s := &State{dir: dir}
	if err := json.Unmarshal(data, s); err != nil {
		return nil, fmt.Errorf("read %s: %w", filepath.Join(dir, stateFile), err)
	}
	return s, nil
}

// createState makes a new state directory, or refuses one with other things in it.
func createState(dir string, flavour Flavour) (*State, error) {
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return nil, fmt.Errorf("%s is not empty and no cluster's state directory; name another by --state", dir)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	s := &State{dir: dir, Flavour: flavour, BootID: bootID()}
	return s, s.save()
}

func (s *State) save() error {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(s.path(stateFile), data, 0o600)
}

// path is a name below the state directory.
func (s *State) path(elements ...string) string {
	return filepath.Join(append([]string{s.dir}, elements...)...)
}

// kubeconfig is the administrator's.
func (s *State) kubeconfig() string { return s.path("kubeconfig") }

// secret returns the password of that name, made on first use.
func (s *State) secret(name string) (Secret, error) {
	if v, ok := s.Secrets[name]; ok {
		return v, nil
	}
	if s.Secrets == nil {
		s.Secrets = map[string]Secret{}
	}
	s.Secrets[name] = Secret(rand.Text())
	return s.Secrets[name], s.save()
}

// foreseeFolders notes those of the folders that do not exist yet, for down to
// remove what others' programs will make there.
func (s *State) foreseeFolders(folders ...string) error {
	for _, f := range folders {
		if _, err := os.Stat(f); errors.Is(err, fs.ErrNotExist) && !slices.Contains(s.Folders, f) {
			s.Folders = append(s.Folders, f)
		}
	}
	return s.save()
}

// bootID differs between two starts of the machine.
func bootID() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(id))
}

// writeFile replaces a file whole, never leaving half of it.
func writeFile(path string, data []byte, mode fs.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	fresh := path + ".new"
	if err := os.WriteFile(fresh, data, mode); err != nil {
		return err
	}
	if err := os.Chmod(fresh, mode); err != nil {
		return err
	}
	return os.Rename(fresh, path)
}

// lock takes the file's lock, waiting while another command holds it. The
// kernel drops it when the holder ends, however it ends.
func lock(ctx context.Context, path string) (unlock func(), err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	err = await(ctx, 20*time.Minute, 100*time.Millisecond, func(context.Context) error {
		return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	})
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("another command holds %s: %w", path, err)
	}
	return func() { f.Close() }, nil
}

// exclude keeps two commands from changing one cluster at once. The lock is a
// socket without a file, since down leaves no file behind; it too goes with its
// holder.
func exclude(ctx context.Context, dir string) (done func(), err error) {
	var listener net.Listener
	err = await(ctx, 20*time.Minute, 100*time.Millisecond, func(ctx context.Context) error {
		listener, err = new(net.ListenConfig).Listen(ctx, "unix", "@myelin-cluster "+dir)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("another command is changing the cluster in %s: %w", dir, err)
	}
	return func() { listener.Close() }, nil
}
