// Package kube drives a homeserver on a cluster as a user would: by kubectl and its plugin. What no user does, killing
// a container's process, it does through the cluster tool.
package kube

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/myelin-hs/myelin/pkg/admin"
)

// Kube is one homeserver on a cluster.
type Kube struct {
	Kubectl    string   // path of kubectl; KUBECONFIG comes from the environment
	Plugin     string   // path of kubectl-myelin
	Tool       []string // the cluster tool and its flags
	Namespace  string
	Homeserver string
	Operator   string // namespace of the operator
}

// Pod is what the tour reads of a pod.
type Pod struct {
	Name, UID, IP, Node string
	Ready               bool
	Leaving             bool
	Restarts            int
}

func (k Kube) run(ctx context.Context, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return nil, fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(string(exit.Stderr)))
	}
	return out, err
}

// Do runs kubectl in the homeserver's namespace.
func (k Kube) Do(ctx context.Context, args ...string) ([]byte, error) {
	return k.run(ctx, k.Kubectl, append([]string{"-n", k.Namespace}, args...)...)
}

// Scale sets a pool's replicas.
func (k Kube) Scale(ctx context.Context, pool string, replicas int) error {
	_, err := k.Do(ctx, "scale", "workerpool", pool, "--replicas="+strconv.Itoa(replicas))
	return err
}

// Pods of the homeserver by pool.
func (k Kube) Pods(ctx context.Context) (map[string][]Pod, error) {
	out, err := k.Do(ctx, "get", "pods", "-l", "myelin.dev/homeserver="+k.Homeserver+",myelin.dev/pool", "-o", "json")
	if err != nil {
		return nil, err
	}
	var list struct {
		Items []struct {
			Metadata struct {
				Name, UID         string
				DeletionTimestamp *string
				Labels            map[string]string
			}
			Spec   struct{ NodeName string }
			Status struct {
				PodIP             string
				Conditions        []struct{ Type, Status string }
				ContainerStatuses []struct{ RestartCount int }
			}
		}
	}
	if err := json.Unmarshal(out, &list); err != nil {
		return nil, err
	}
	pools := map[string][]Pod{}
	for _, i := range list.Items {
		p := Pod{Name: i.Metadata.Name, UID: i.Metadata.UID, IP: i.Status.PodIP, Node: i.Spec.NodeName, Leaving: i.Metadata.DeletionTimestamp != nil}
		for _, c := range i.Status.Conditions {
			p.Ready = p.Ready || c.Type == "Ready" && c.Status == "True"
		}
		for _, c := range i.Status.ContainerStatuses {
			p.Restarts += c.RestartCount
		}
		pool := i.Metadata.Labels["myelin.dev/pool"]
		pools[pool] = append(pools[pool], p)
	}
	for _, pods := range pools {
		sort.Slice(pods, func(i, j int) bool { return pods[i].Name < pods[j].Name })
	}
	return pools, nil
}

// Status asks the plugin who owns what.
func (k Kube) Status(ctx context.Context) (admin.Status, error) {
	var s admin.Status
	out, err := k.run(ctx, k.Plugin, "-n", k.Namespace, "status", "--homeserver", k.Homeserver, "-o", "json")
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal(out, &s)
}

// Failover moves a shard away from its owner.
func (k Kube) Failover(ctx context.Context, shard int) error {
	_, err := k.run(ctx, k.Plugin, "-n", k.Namespace, "failover", strconv.Itoa(shard), "--homeserver", k.Homeserver)
	return err
}

// Kill kills the process of a pod's worker as the kernel would, and returns when.
func (k Kube) Kill(ctx context.Context, p Pod) (time.Time, error) {
	out, err := k.tool(ctx, "kill", "--pod-uid", p.UID, "--container", "worker")
	if err != nil {
		return time.Time{}, err
	}
	return killedAt(out)
}

// Secret reads one key of a secret.
func (k Kube) Secret(ctx context.Context, name, key string) (string, error) {
	out, err := k.Do(ctx, "get", "secret", name, "-o", "json")
	if err != nil {
		return "", err
	}
	var s struct{ Data map[string]string }
	if err := json.Unmarshal(out, &s); err != nil {
		return "", err
	}
	value, err := base64.StdEncoding.DecodeString(s.Data[key])
	if err == nil && len(value) == 0 {
		err = fmt.Errorf("secret %s has no key %s", name, key)
	}
	return string(value), err
}

// Address is a Service's cluster IP.
func (k Kube) Address(ctx context.Context, service string) (string, error) {
	out, err := k.Do(ctx, "get", "service", service, "-o", "jsonpath={.spec.clusterIP}")
	return string(out), err
}

// OperatorReplicas sets how many operators run, and waits until it is so.
func (k Kube) OperatorReplicas(ctx context.Context, n int) error {
	return k.replicas(ctx, "myelin-operator", "operator", n)
}

// AdapterReplicas sets how many external metrics adapters run, and waits until it is so.
func (k Kube) AdapterReplicas(ctx context.Context, n int) error {
	return k.replicas(ctx, adapter, "metrics-adapter", n)
}

// Adapters is how many external metrics adapters there are to be.
func (k Kube) Adapters(ctx context.Context) (int, error) {
	out, err := k.run(ctx, k.Kubectl, "-n", k.Operator, "get", "deployment", adapter, "-o", "jsonpath={.spec.replicas}")
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(string(out))
}

// adapter is the Deployment of the external metrics adapter.
const adapter = "myelin-metrics-adapter"

// replicas of a Deployment beside the operator's, whose pods have that component.
func (k Kube) replicas(ctx context.Context, deployment, component string, n int) error {
	if _, err := k.run(ctx, k.Kubectl, "-n", k.Operator, "scale", "deployment/"+deployment, "--replicas="+strconv.Itoa(n)); err != nil {
		return err
	}
	if n > 0 {
		_, err := k.run(ctx, k.Kubectl, "-n", k.Operator, "rollout", "status", "deployment/"+deployment, "--timeout=120s")
		return err
	}
	_, err := k.run(ctx, k.Kubectl, "-n", k.Operator, "wait", "--for=delete", "pod", "-l", "app.kubernetes.io/component="+component, "--timeout=60s")
	return err
}

// RSS is the resident memory, in MB, of the first process of each pod whose uid is given, read from the host.
func RSS(uid string) (float64, error) {
	dirs, err := os.ReadDir("/proc")
	if err != nil {
		return 0, err
	}
	for _, d := range dirs {
		cgroup, err := os.ReadFile("/proc/" + d.Name() + "/cgroup")
		if err != nil || !strings.Contains(string(cgroup), uid) && !strings.Contains(string(cgroup), strings.ReplaceAll(uid, "-", "_")) {
			continue
		}
		status, err := os.ReadFile("/proc/" + d.Name() + "/status")
		if err != nil {
			continue
		}
		var name string
		var kb float64
		for line := range strings.Lines(string(status)) {
			field, value, _ := strings.Cut(line, ":")
			switch field {
			case "Name":
				name = strings.TrimSpace(value)
			case "VmRSS":
				kb, _ = strconv.ParseFloat(strings.Fields(value)[0], 64)
			}
		}
		if name == "worker" || name == "operator" {
			return kb / 1024, nil
		}
	}
	return 0, fmt.Errorf("no process of pod %s on this machine", uid)
}

// OperatorPod is the uid of the operator's pod.
func (k Kube) OperatorPod(ctx context.Context) (string, error) {
	out, err := k.run(ctx, k.Kubectl, "-n", k.Operator, "get", "pods", "-l", "app.kubernetes.io/component=operator", "-o", "jsonpath={.items[0].metadata.uid}")
	return string(out), err
}
