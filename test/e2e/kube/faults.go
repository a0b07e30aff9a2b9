package kube

import (
	"context"
	"encoding/json"
	"time"
)

// tool runs the cluster tool.
func (k Kube) tool(ctx context.Context, args ...string) ([]byte, error) {
	return k.run(ctx, k.Tool[0], append(append([]string{}, k.Tool[1:]...), args...)...)
}

// KillNode kills all of a node at once, and returns when.
func (k Kube) KillNode(ctx context.Context, node string) (time.Time, error) {
	out, err := k.tool(ctx, "kill-node", node)
	if err != nil {
		return time.Time{}, err
	}
	return killedAt(out)
}

// RaiseNodes starts what is not running of the cluster, and waits until its nodes are Ready.
func (k Kube) RaiseNodes(ctx context.Context) error {
	_, err := k.tool(ctx, "up")
	return err
}

// Database stops or starts postgres or redis.
func (k Kube) Database(ctx context.Context, command, name string) error {
	_, err := k.tool(ctx, command, name)
	return err
}

// KillOperator kills the operator's process as the kernel would; its pod starts another.
func (k Kube) KillOperator(ctx context.Context) error {
	uid, err := k.OperatorPod(ctx)
	if err != nil {
		return err
	}
	_, err = k.tool(ctx, "kill", "--pod-uid", uid, "--container", "operator")
	return err
}

func killedAt(out []byte) (time.Time, error) {
	var killed struct {
		KilledAtUnixNano int64 `json:"killedAtUnixNano"`
	}
	if err := json.Unmarshal(out, &killed); err != nil {
		return time.Time{}, err
	}
	return time.Unix(0, killed.KilledAtUnixNano), nil
}
