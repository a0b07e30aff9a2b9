package main

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"time"
)

// kindName is the kind cluster's. Its node, a container, is kindName-control-plane.
const kindName = "myelin"

// nodePorts are where kind's databases listen on the node, for this machine.
var nodePorts = map[string]int{"postgres": 30432, "redis": 30379}

// upKind makes a cluster in Docker's containers. Nothing is installed on the
// machine: Postgres and Redis run as pods of the same namespace.
func (s *State) upKind(ctx context.Context, p *Progress, namespace string) error {
	b, err := openBinaries(p)
	if err != nil {
		return err
	}
	if err := b.Build(ctx, "kind", "kubectl"); err != nil {
		return err
	}
	clusters, err := s.kindOutput(ctx, "get", "clusters")
	if err != nil {
		return err
	}
	if !strings.Contains("\n"+clusters, "\n"+kindName+"\n") {
		err := p.Step(ctx, "made the kind cluster", func(ctx context.Context) error {
			return s.kind(ctx, "create", "cluster", "--name", kindName, "--kubeconfig", s.kubeconfig(), "--wait", "3m")
		})
		if err != nil {
			return err
		}
	} else if err := s.kind(ctx, "export", "kubeconfig", "--name", kindName, "--kubeconfig", s.kubeconfig()); err != nil {
		return err
	}
	for _, name := range []string{"postgres", "postgres-admin", "redis"} {
		if _, err := s.secret(name); err != nil {
			return err
		}
	}
	address, err := s.kubectlOutput(ctx, "", "get", "nodes", "-o", `jsonpath={.items[0].status.addresses[?(@.type=="InternalIP")].address}`)
	if err != nil {
		return err
	}
	if s.Network.Node, err = netip.ParseAddr(strings.Fields(address + " ")[0]); err != nil {
		return fmt.Errorf("the node's address: %w", err)
	}
	s.Network.Services, s.Ports = netip.MustParsePrefix("10.96.0.0/16"), nodePorts
	if err := s.save(); err != nil {
		return err
	}
	// The host reaches Services by way of the node; only root may say so, and
	// without it port-forward still works.
	if os.Geteuid() == 0 {
		if err := do(ctx, "ip", "route", "replace", s.Network.Services.String(), "via", s.Network.Node.String()); err != nil {
			p.Say("Service addresses are not reachable from this machine, use kubectl port-forward: %v", err)
		}
	}
	return p.Step(ctx, "Postgres and Redis as pods", func(ctx context.Context) error {
		if err := s.kubectl(ctx, s.kindDatabases(namespace), "apply", "-f", "-"); err != nil {
			return err
		}
		return await(ctx, 5*time.Minute, time.Second, func(ctx context.Context) error {
			return s.kubectl(ctx, "", "-n", namespace, "wait", "--for=condition=Available", "deployment/postgres", "deployment/redis", "--timeout=10s")
		})
	})
}

func (s *State) downKind(ctx context.Context, p *Progress) error {
	b, err := openBinaries(p)
	if err != nil {
		return err
	}
	if !b.Has("kind") {
		return s.removeState() // up has not come as far as making anything
	}
	if os.Geteuid() == 0 && s.Network.Node.IsValid() {
		// It may be gone with Docker's network.
		_ = do(ctx, "ip", "route", "delete", s.Network.Services.String(), "via", s.Network.Node.String())
	}
	err = p.Step(ctx, "deleted the kind cluster", func(ctx context.Context) error {
		return s.kind(ctx, "delete", "cluster", "--name", kindName, "--kubeconfig", s.kubeconfig())
	})
	if err != nil {
		return err
	}
	return s.removeState()
}

func (s *State) kind(ctx context.Context, args ...string) error {
	_, err := s.kindOutput(ctx, args...)
	return err
}

func (s *State) kindOutput(ctx context.Context, args ...string) (string, error) {
	b, err := openBinaries(nil)
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, b.Path("kind"), args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+s.kubeconfig())
	return finish(cmd)
}

// kindDatabases are the two servers with their Services and Secrets. Like the
// bare cluster's they keep their data as long as the cluster, or the pod, lives.
func (s *State) kindDatabases(namespace string) string {
	admin, password, redis := string(s.Secrets["postgres-admin"]), s.Secrets["postgres"], s.Secrets["redis"]
	init := fmt.Sprintf("CREATE ROLE myelin LOGIN PASSWORD '%s';\nCREATE DATABASE myelin OWNER myelin TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C';\n", string(password))
	secret := fmt.Sprintf(`apiVersion: v1
kind: Secret
metadata: {name: databases, namespace: %s}
stringData: {postgres: "%s", redis: "%s", init.sql: %q}
---
`, namespace, admin, string(redis), init)
	return namespaceManifest(namespace) + secret +
		kindServer(namespace, "postgres", "postgres:16", 5432, "/var/lib/postgresql/data",
			`["postgres", "-c", "max_connections=300", "-c", "max_wal_size=2GB"]`, "args",
			`["sh", "-c", "pg_isready -h 127.0.0.1 -U postgres"]`) +
		kindServer(namespace, "redis", "redis:7", 6379, "/data",
			`["sh", "-c", "exec redis-server --save '' --requirepass \"$REDIS_PASSWORD\""]`, "command",
			`["sh", "-c", "REDISCLI_AUTH=\"$REDIS_PASSWORD\" redis-cli ping | grep -q PONG"]`) +
		secretManifest(namespace, "myelin-postgres", postgresURI("myelin", password, "postgres."+namespace+".svc.cluster.local:5432", "myelin")) +
		secretManifest(namespace, "myelin-redis", redisURI(redis, "redis."+namespace+".svc.cluster.local:6379"))
}

// kindServer is one of them, under the restricted pod security standard; 999 is
// the user of both images.
func kindServer(namespace, name, image string, port int, data, run, runAs, probe string) string {
	return fmt.Sprintf(`apiVersion: v1
kind: Service
metadata: {name: %[2]s, namespace: %[1]s}
spec:
  type: NodePort
  selector: {app: %[2]s}
  ports: [{name: %[2]s, port: %[4]d, nodePort: %[9]d}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: %[2]s, namespace: %[1]s}
spec:
  strategy: {type: Recreate}
  selector: {matchLabels: {app: %[2]s}}
  template:
    metadata: {labels: {app: %[2]s}}
    spec:
      automountServiceAccountToken: false
      securityContext: {runAsNonRoot: true, runAsUser: 999, runAsGroup: 999, fsGroup: 999, seccompProfile: {type: RuntimeDefault}}
      containers:
      - name: %[2]s
        image: %[3]s
        %[7]s: %[6]s
        securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
        env:
        - {name: PGDATA, value: /var/lib/postgresql/data/pgdata}
        - {name: POSTGRES_PASSWORD, valueFrom: {secretKeyRef: {name: databases, key: postgres}}}
        - {name: REDIS_PASSWORD, valueFrom: {secretKeyRef: {name: databases, key: redis}}}
        readinessProbe: {exec: {command: %[8]s}, periodSeconds: 2, timeoutSeconds: 5}
        volumeMounts:
        - {name: data, mountPath: %[5]s}
        - {name: init, mountPath: /docker-entrypoint-initdb.d}
      volumes:
      - {name: data, emptyDir: {}}
      - {name: init, secret: {secretName: databases, items: [{key: init.sql, path: init.sql}]}}
---
`, namespace, name, image, port, data, run, runAs, probe, nodePorts[name])
}
