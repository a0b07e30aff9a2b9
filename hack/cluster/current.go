package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// upCurrent uses somebody's cluster: it makes a namespace of its own with the
// two Secrets, and nothing else. The databases and the image are the user's.
func (s *State) upCurrent(ctx context.Context, p *Progress, namespace string) error {
	if s.Context == "" {
		name, err := currentContext(ctx)
		if err != nil {
			return err
		}
		// A copy of that context alone; the user's own file is only read.
		config, err := output(ctx, "kubectl", "config", "view", "--minify", "--flatten", "--raw")
		if err != nil {
			return err
		}
		if err := writeFile(s.kubeconfig(), []byte(config), 0o600); err != nil {
			return err
		}
		s.Context = name
		if err := s.save(); err != nil {
			return err
		}
	}
	if s.Namespace == "" {
		// create, not apply: a namespace that exists is not ours to delete.
		if err := s.kubectl(ctx, namespaceManifest(namespace), "create", "-f", "-"); err != nil {
			return fmt.Errorf("make the namespace (choose another by --namespace when it exists): %w", err)
		}
		s.Namespace = namespace
		if err := s.save(); err != nil {
			return err
		}
	}
	if namespace != s.Namespace {
		return fmt.Errorf("the namespace of this cluster is %s: run down before choosing another", s.Namespace)
	}
	return p.Step(ctx, "Secrets in "+namespace, func(ctx context.Context) error {
		return s.kubectl(ctx, secretManifest(namespace, "myelin-postgres", os.Getenv("MYELIN_POSTGRES_URI"))+
			secretManifest(namespace, "myelin-redis", os.Getenv("MYELIN_REDIS_URI")), "apply", "-f", "-")
	})
}

// downCurrent deletes the namespace that up made, by the copied kubeconfig.
func (s *State) downCurrent(ctx context.Context, p *Progress) error {
	if s.Namespace != "" {
		err := p.Step(ctx, "deleted namespace "+s.Namespace, func(ctx context.Context) error {
			return s.kubectl(ctx, "", "delete", "namespace", s.Namespace, "--ignore-not-found", "--timeout=5m")
		})
		if err != nil {
			return err
		}
	}
	return s.removeState()
}

func currentContext(ctx context.Context) (string, error) {
	name, err := output(ctx, "kubectl", "config", "current-context")
	return strings.TrimSpace(name), err
}

func preflightCurrent(ctx context.Context, r *Report) {
	r.add("kubectl", found("kubectl"), "kubectl is "+presence(found("kubectl")), "Install kubectl")
	name, err := currentContext(ctx)
	confirmed := err == nil && name != "" && os.Getenv("CONFIRM") == name
	r.add("context", confirmed, fmt.Sprintf("the current context is %q, CONFIRM is %q", name, os.Getenv("CONFIRM")), "Set CONFIRM to the name of the current context")
	for _, v := range []struct{ name, remedy string }{
		{"MYELIN_POSTGRES_URI", "Set it to a server that the cluster's pods reach"},
		{"MYELIN_REDIS_URI", "Set it to a server that the cluster's pods reach"},
		{"IMAGE", "Set it to a name that the cluster can pull: it does not see images that are built here"},
	} {
		set := os.Getenv(v.name) != ""
		r.add(v.name, set, map[bool]string{true: "given", false: "not given"}[set], v.remedy)
	}
}

// clientKubectl is the user's kubectl, for clusters that are not made here, and
// our own for the others.
func (s *State) clientKubectl() (string, error) {
	if s.Flavour == Current {
		path, err := exec.LookPath("kubectl")
		if err != nil {
			return "", errors.New("kubectl is not installed")
		}
		return path, nil
	}
	b, err := openBinaries(nil)
	if err != nil {
		return "", err
	}
	return b.Path("kubectl"), nil
}
