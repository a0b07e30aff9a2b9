package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Flavour is what kind of cluster it is.
type Flavour string

const (
	Bare    Flavour = "bare"    // made here, of processes on this machine
	Kind    Flavour = "kind"    // made by kind, in Docker's containers
	Current Flavour = "current" // somebody's, named by the current kubeconfig context
)

// chooseFlavour obeys the environment's CLUSTER; unset, it is kind where
// Docker's engine answers and bare elsewhere.
func chooseFlavour(ctx context.Context) (Flavour, error) {
	switch f := Flavour(os.Getenv("CLUSTER")); f {
	case Bare, Kind, Current:
		return f, nil
	case "":
		if dockerWorks(ctx) {
			return Kind, nil
		}
		return Bare, nil
	default:
		return "", fmt.Errorf("CLUSTER=%s: choose bare, kind or current", f)
	}
}

func dockerWorks(ctx context.Context) bool {
	if !found("docker") {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return do(ctx, "docker", "info") == nil
}

// up starts the cluster, or completes the one that is there.
func up(ctx context.Context, set Settings) error {
	p := newProgress(set.Out)
	unlock, err := exclude(ctx, set.State)
	if err != nil {
		return err
	}
	defer unlock()
	s, err := loadState(set.State)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		flavour, err := chooseFlavour(ctx)
		if err != nil {
			return err
		}
		if err := preflight(ctx, set, flavour).err(); err != nil {
			return err
		}
		if s, err = createState(set.State, flavour); err != nil {
			return err
		}
	case err != nil:
		return err
	case os.Getenv("CLUSTER") != "" && Flavour(os.Getenv("CLUSTER")) != s.Flavour:
		return fmt.Errorf("%s holds a cluster of the flavour %s: run down first", set.State, s.Flavour)
	case s.Flavour == Bare && s.BootID != bootID():
		p.Say("the machine was restarted since: starting afresh")
		if err := s.downBare(ctx, p); err != nil {
			return err
		}
		if s, err = createState(set.State, Bare); err != nil {
			return err
		}
	}
	if set.Nodes > 1 && s.Flavour != Bare {
		return fmt.Errorf("--nodes %d: only a bare cluster is given nodes here, and this is a %s", set.Nodes, s.Flavour)
	}
	if set.Autoscaling && s.Flavour != Bare {
		return fmt.Errorf("--autoscaling: only a bare cluster is given a metrics-server here, and this is a %s", s.Flavour)
	}
	if set.Nodes > s.Nodes || set.Autoscaling && !s.Autoscaling {
		s.Nodes, s.Autoscaling = max(set.Nodes, s.Nodes), set.Autoscaling || s.Autoscaling
		if err := s.save(); err != nil {
			return err
		}
	}
	switch s.Flavour {
	case Bare:
		err = s.upBare(ctx, p, set.Namespace)
	case Kind:
		err = s.upKind(ctx, p, set.Namespace)
	default:
		// Again, for what the Secrets are made of.
		if err = preflight(ctx, set, Current).err(); err == nil {
			err = s.upCurrent(ctx, p, set.Namespace)
		}
	}
	if err != nil {
		return err
	}
	p.Say("the cluster is up; KUBECONFIG=%s", s.kubeconfig())
	return nil
}

// down removes what up made, however far that went.
func down(ctx context.Context, set Settings) error {
	p := newProgress(set.Out)
	unlock, err := exclude(ctx, set.State)
	if err != nil {
		return err
	}
	defer unlock()
	if isOurPolicy(policyFile) {
		if err := os.Remove(policyFile); err != nil {
			return err
		}
	}
	s, err := loadState(set.State)
	if errors.Is(err, fs.ErrNotExist) {
		if bridgeOwner() != set.State {
			p.Say("there is no cluster in %s", set.State)
			return nil
		}
		// The folder was deleted under a running cluster.
		s, err = &State{dir: set.State, Flavour: Bare, Firewall: true}, nil
	}
	if err != nil {
		return err
	}
	switch s.Flavour {
	case Bare:
		err = s.downBare(ctx, p)
	case Kind:
		err = s.downKind(ctx, p)
	default:
		err = s.downCurrent(ctx, p)
	}
	if err != nil {
		return err
	}
	p.Say("nothing of the cluster is left")
	return nil
}

// env prints what a shell needs to use the cluster and its databases.
func env(set Settings) error {
	s, err := loadState(set.State)
	if err != nil {
		return noCluster(err)
	}
	kubectl, err := s.clientKubectl()
	if err != nil {
		return err
	}
	fmt.Fprintf(set.Out, "export CLUSTER=%s\nexport KUBECONFIG='%s'\nexport KUBECTL='%s'\n", s.Flavour, s.kubeconfig(), kubectl)
	for _, uri := range s.hostURIs() {
		fmt.Fprintf(set.Out, "export %s='%s'\n", uri[0], uri[1])
	}
	return nil
}

// hostURIs are the databases as this machine reaches them, beside the cluster.
func (s *State) hostURIs() [][2]string {
	switch s.Flavour {
	case Bare, Kind:
		if s.Ports["postgres"] == 0 || s.Ports["redis"] == 0 {
			return nil
		}
		node := s.Network.Node.String()
		return [][2]string{
			{"MYELIN_POSTGRES_URI", postgresURI("myelin", s.Secrets["postgres"], s.at(node, "postgres"), "myelin")},
			{"MYELIN_POSTGRES_ADMIN_URI", postgresURI("postgres", s.Secrets["postgres-admin"], s.at(node, "postgres"), "postgres")},
			{"MYELIN_REDIS_URI", redisURI(s.Secrets["redis"], s.at(node, "redis"))},
		}
	default:
		return [][2]string{
			{"MYELIN_POSTGRES_URI", os.Getenv("MYELIN_POSTGRES_URI")},
			{"MYELIN_REDIS_URI", os.Getenv("MYELIN_REDIS_URI")},
		}
	}
}

// noCluster says what to do when a command needs a cluster and finds none.
func noCluster(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return errors.New("there is no cluster; `up` makes one")
	}
	return err
}

// removeState deletes the state directory, which by now holds files alone.
func (s *State) removeState() error {
	// state.json goes last: without it, down would not know the folder again.
	entries, err := os.ReadDir(s.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		if e.Name() != stateFile {
			if err := os.RemoveAll(filepath.Join(s.dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return os.RemoveAll(s.dir)
}
