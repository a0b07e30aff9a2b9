package main

import (
	"context"
	"encoding/json"
	"fmt"
)

// external describes a database that the cluster reaches by a Service without
// selector: the shape in which a managed database appears.
func external(namespace, name string, port int, address string, target int) string {
	return fmt.Sprintf(`apiVersion: v1
kind: Service
metadata: {name: %[2]s, namespace: %[1]s, labels: {app.kubernetes.io/managed-by: myelin-cluster}}
spec: {ports: [{name: %[2]s, port: %[3]d}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: %[2]s, namespace: %[1]s, labels: {kubernetes.io/service-name: %[2]s, app.kubernetes.io/managed-by: myelin-cluster}}
addressType: IPv4
endpoints: [{addresses: ["%[4]s"], conditions: {ready: true}}]
ports: [{name: %[2]s, port: %[5]d}]
---
`, namespace, name, port, address, target)
}

// namespaceManifest is the homeserver's namespace, in which only pods run that
// meet the restricted security standard.
func namespaceManifest(name string) string {
	return fmt.Sprintf(`apiVersion: v1
kind: Namespace
metadata:
  name: %s
  labels: {app.kubernetes.io/managed-by: myelin-cluster, pod-security.kubernetes.io/enforce: restricted}
---
`, name)
}

// secretManifest holds one URI under the key "uri".
func secretManifest(namespace, name, uri string) string {
	quoted, _ := json.Marshal(uri) // JSON's strings are YAML's
	return fmt.Sprintf(`apiVersion: v1
kind: Secret
metadata: {name: %s, namespace: %s, labels: {app.kubernetes.io/managed-by: myelin-cluster}}
type: Opaque
stringData: {uri: %s}
---
`, name, namespace, quoted)
}

// offerDatabases makes Postgres and Redis known in the namespace.
func (s *State) offerDatabases(ctx context.Context, namespace string) error {
	node := s.Network.Node.String()
	manifest := namespaceManifest(namespace) +
		external(namespace, "postgres", 5432, node, s.Ports["postgres"]) +
		external(namespace, "redis", 6379, node, s.Ports["redis"]) +
		secretManifest(namespace, "myelin-postgres", postgresURI("myelin", s.Secrets["postgres"], "postgres."+namespace+".svc.cluster.local:5432", "myelin")) +
		secretManifest(namespace, "myelin-redis", redisURI(s.Secrets["redis"], "redis."+namespace+".svc.cluster.local:6379"))
	return s.kubectl(ctx, manifest, "apply", "-f", "-")
}
