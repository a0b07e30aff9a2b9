package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"time"
)

// Pool is what is read of a WorkerPool.
type Pool struct {
	Wanted, Ready int
	Conditions    map[string]Condition
}

// Condition of a WorkerPool.
type Condition struct{ Status, Reason, Message string }

// WatchPool tells of each state that a WorkerPool takes, the present one first, until ctx ends.
func (k Kube) WatchPool(ctx context.Context, name string, seen func(Pool)) error {
	for {
		err := k.watchPool(ctx, name, seen)
		if ctx.Err() != nil {
			return nil
		}
		if !errors.Is(err, io.EOF) { // at its end the API server has ended a watch that grew old
			return fmt.Errorf("watch workerpool %s: %w", name, err)
		}
	}
}

func (k Kube) watchPool(ctx context.Context, name string, seen func(Pool)) error {
	cmd := exec.CommandContext(ctx, k.Kubectl, "-n", k.Namespace, "get", "workerpool", name, "--watch", "-o", "json")
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	err = readPools(out, seen)
	_ = cmd.Process.Kill()
	_ = cmd.Wait() // it was killed
	return err
}

// readPools reads one object after the other; its error is never nil.
func readPools(from io.Reader, seen func(Pool)) error {
	for d := json.NewDecoder(from); ; {
		var o struct {
			Spec   struct{ Replicas int }
			Status struct {
				ReadyReplicas int
				Conditions    []struct {
					Type string
					Condition
				}
			}
		}
		if err := d.Decode(&o); err != nil {
			return err
		}
		p := Pool{Wanted: o.Spec.Replicas, Ready: o.Status.ReadyReplicas, Conditions: map[string]Condition{}}
		for _, c := range o.Status.Conditions {
			p.Conditions[c.Type] = c.Condition
		}
		seen(p)
	}
}
