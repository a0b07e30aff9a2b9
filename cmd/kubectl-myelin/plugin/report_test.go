package plugin

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/myelin-hs/myelin/api/v1alpha1"
)

// What must not be in a report, however it got into the cluster. Each begins with leak.
const (
	leakCredential = "leak-credential-of-thirty-two-bytes"
	leakPassword   = "leak-pa55word"
	leakBody       = "leak what people wrote"
	leakUser       = "leakalice"
	leakRoom       = "leakRoomOpaque"
	leakEnv        = "leak-environment"
	leakIP         = "10.99.88.77"
)

// apiServer answers with what is in objects, by path; a string as text, all else as JSON.
func apiServer(t *testing.T, objects map[string]any) *rest.Config {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v, found := objects[r.URL.Path]
		if r.URL.Query().Get("previous") == "true" {
			v, found = objects[r.URL.Path+"?previous"]
		}
		if !found {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusForbidden)
			_, _ = fmt.Fprintf(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","code":403,"reason":"Forbidden","message":"%s is forbidden"}`, r.URL.Path)
			return
		}
		if text, ok := v.(string); ok {
			_, _ = io.WriteString(w, text)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(v)
	}))
	t.Cleanup(server.Close)
	return &rest.Config{Host: server.URL}
}

type object = map[string]any

func list(apiVersion, kind string, items ...object) object {
	for _, item := range items {
		item["apiVersion"], item["kind"] = apiVersion, kind
	}
	return object{"apiVersion": apiVersion, "kind": kind + "List", "metadata": object{}, "items": items}
}

// leakyCluster has secrets in every place.
func leakyCluster(t *testing.T) cluster {
	t.Helper()
	uri := "postgres://myelin:" + leakPassword + "@" + leakIP + ":5432/myelin"
	metadata := func(name string) object {
		return object{"name": name, "namespace": "chat", "labels": object{v1alpha1.LabelHomeserver: "demo"}, "annotations": object{
			"kubectl.kubernetes.io/last-applied-configuration": `{"x":"` + leakEnv + `"}`, "example.org/note": leakEnv, "myelin.dev/paused": "true",
		}, "managedFields": []object{{"manager": leakEnv}}}
	}
	podSpec := object{"containers": []object{{
		"name": "worker", "image": "myelin@sha256:" + strings.Repeat("0a", 32),
		"env":  []object{{"name": "HTTP_PROXY", "value": leakEnv}, {"name": "POD", "valueFrom": object{"fieldRef": object{"fieldPath": "metadata.name"}}}},
		"args": []string{"--postgres-uri=" + uri},
	}}}
	config := apiServer(t, map[string]any{
		"/api/v1/namespaces/chat/secrets/demo-internal": object{
			"kind": "Secret", "apiVersion": "v1", "metadata": object{"name": "demo-internal"}, "data": object{"credential": base64.StdEncoding.EncodeToString([]byte(leakCredential))},
		},
		"/apis/myelin.dev/v1alpha1/namespaces/chat/homeservers": list("myelin.dev/v1alpha1", "Homeserver",
			object{"metadata": metadata("demo"), "spec": object{"serverName": "example.org", "postgres": object{"secretRef": object{"name": "myelin-postgres"}},
				"ingress": object{"host": "chat.example.org", "annotations": object{"example.org/auth-key": leakEnv, "example.org/snippet": "x-key leak-header"}}},
				"status": object{"conditions": []object{{"type": "Ready", "message": "cannot connect to " + uri}}}},
			object{"metadata": metadata("other"), "spec": object{"serverName": "leak-other-homeserver"}}),
		"/apis/myelin.dev/v1alpha1/namespaces/chat/workerpools": list("myelin.dev/v1alpha1", "WorkerPool",
			object{"metadata": metadata("demo-p"), "spec": object{"homeserverRef": object{"name": "demo"}, "env": []object{{"name": "X", "value": leakEnv}}}}),
		"/apis/myelin.dev/v1alpha1/namespaces/chat/eventpersistershards": list("myelin.dev/v1alpha1", "EventPersisterShard"),
		"/apis/apps/v1/namespaces/chat/deployments": list("apps/v1", "Deployment",
			object{"metadata": metadata("demo-p"), "spec": object{"template": object{"metadata": metadata(""), "spec": podSpec}}}),
		"/api/v1/namespaces/chat/pods": list("v1", "Pod",
			object{"metadata": metadata("demo-p-0"), "spec": podSpec, "status": object{"phase": "Running", "podIP": leakIP,
				"containerStatuses": []object{{"name": "worker", "restartCount": 1}}}}),
		"/api/v1/namespaces/chat/services": list("v1", "Service"),
		"/apis/networking.k8s.io/v1/namespaces/chat/ingresses": list("networking.k8s.io/v1", "Ingress",
			object{"metadata": metadata("demo"), "spec": object{"rules": []object{{"host": "chat.example.org"}}}}),
		"/api/v1/namespaces/chat/events": list("v1", "Event",
			object{"metadata": metadata("e1"), "involvedObject": object{"name": "demo-p-0"}, "reason": "Unhealthy", "message": "Get http://" + leakIP + ":8091/ready refused"},
			object{"metadata": metadata("e2"), "involvedObject": object{"name": "another"}, "message": "leak of another's event"}),
		"/api/v1/namespaces/chat/pods/demo-p-0/log": strings.Join([]string{
			`{"level":"WARN","msg":"cannot connect","error":"` + uri + `: refused"}`,
			`{"level":"WARN","msg":"refused","room":"!` + leakRoom + `:example.org","user":"@` + leakUser + `:example.org","content":{"body":"` + leakBody + `"}}`,
			`level=WARN msg="bad request" path="/_matrix/client/v3/rooms/%21` + leakRoom + `%3Aexample.org/send?access_token=` + leakPassword + `" from=` + leakIP + `:4711`,
			`panic: header Authorization: Bearer ` + leakPassword + ` and ` + leakCredential,
			`level=INFO msg="lost a shard" shard=7 epoch=12`,
		}, "\n"),
		"/api/v1/namespaces/chat/pods/demo-p-0/log?previous": "fatal: " + uri + "\n",
	})
	core, err := kubernetes.NewForConfig(config)
	require.NoError(t, err)
	dyn, err := dynamic.NewForConfig(config)
	require.NoError(t, err)
	hs := &v1alpha1.Homeserver{ObjectMeta: metav1.ObjectMeta{Namespace: "chat", Name: "demo"}}
	return cluster{core, dyn, hs, func(_ context.Context, pod string) ([]byte, error) {
		return []byte("myelin_lease_shards_held 64\nx{peer=\"" + leakIP + "\",token=\"" + leakPassword + "\"} 1\n"), nil
	}}
}

// report runs kubectl myelin report, and returns the files of the archive.
func report(t *testing.T, k cluster, c connector, args ...string) (code int, out, errs string, files map[string]string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "report.tar.gz")
	var o, e bytes.Buffer
	code = run(t.Context(), append([]string{"report", "--file", file}, args...), &o, &e, c,
		func(context.Context, target) (cluster, error) { return k, nil })
	if code != 0 {
		require.NoFileExists(t, file)
		return code, o.String(), e.String(), nil
	}
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	raw, err := os.Open(file)
	require.NoError(t, err)
	defer raw.Close()
	zip, err := gzip.NewReader(raw)
	require.NoError(t, err)
	files = map[string]string{}
	for archive := tar.NewReader(zip); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return code, o.String(), e.String(), files
		}
		require.NoError(t, err)
		content, err := io.ReadAll(archive)
		require.NoError(t, err)
		files[strings.TrimPrefix(header.Name, "myelin-report/")] = string(content)
	}
}

func reachable(context.Context, target) (api, func(), error) { return &workers{}, func() {}, nil }

func unreachable(context.Context, target) (api, func(), error) {
	return nil, nil, unreachableError(errors.New("no worker could be reached: dial " + leakIP + ":8090"))
}

func TestAReportHoldsNothingSecret(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]connector{"workers answer": reachable, "no worker answers": unreachable} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, out, errs, files := report(t, leakyCluster(t), c)
			require.Zero(t, code, errs)
			for file, content := range files {
				require.NotContains(t, strings.ToLower(content), "leak", file)
				require.NotContains(t, content, leakIP, file)
			}
			require.NotContains(t, strings.ToLower(out), "leak-")
			require.NotContains(t, out, leakIP)
		})
	}
}

func TestAReportHasWhatSupportAsksFor(t *testing.T) {
	t.Parallel()
	code, out, errs, files := report(t, leakyCluster(t), reachable)
	require.Zero(t, code, errs)
	for file, has := range map[string]string{
		"README.txt":                          "pseudonyms",
		"version.txt":                         "kubectl-myelin",
		"status.json":                         `"pod": "p-1"`,
		"resources/homeservers.yaml":          "name: myelin-postgres",
		"resources/workerpools.yaml":          "name: X",
		"resources/deployments.yaml":          "fieldPath: metadata.name",
		"resources/pods.yaml":                 "sha256:0a0a",
		"events.yaml":                         "reason: Unhealthy",
		"logs/demo-p-0.log":                   `level=INFO msg="lost a shard" shard=7 epoch=12`,
		"logs/demo-p-0.previous.log":          "fatal",
		"metrics/demo-p-0.txt":                "myelin_lease_shards_held 64",
		"errors.txt":                          "replicasets",
		"resources/services.yaml":             "[]",
		"resources/ingresses.yaml":            "host: chat.example.org",
		"resources/eventpersistershards.yaml": "[]",
	} {
		require.Contains(t, files[file], has, file)
	}
	require.Contains(t, files["resources/homeservers.yaml"], "myelin.dev/paused")
	require.NotContains(t, files, "resources/secrets.yaml")
	require.Contains(t, out, "missing: replicasets: ", "the server forbids them")
	require.Contains(t, out, "missing: the operator's log: ")
}

func TestReportsAreBoundedAndNeverOverwrite(t *testing.T) {
	t.Parallel()
	k := leakyCluster(t)
	code, _, _, files := report(t, k, reachable, "--tail=0", "--operator-namespace=")
	require.Zero(t, code)
	require.NotContains(t, files, "logs/demo-p-0.log")
	require.NotContains(t, files["errors.txt"], "operator")
	code, _, errs, _ := report(t, k, reachable, "--tail=-1")
	require.Equal(t, exitUsage, code, errs)

	there := filepath.Join(t.TempDir(), "there")
	require.NoError(t, os.WriteFile(there, []byte("x"), 0o600))
	var o, e bytes.Buffer
	code = run(t.Context(), []string{"report", "--file", there}, &o, &e, reachable, func(context.Context, target) (cluster, error) { return k, nil })
	require.Equal(t, exitUsage, code)
	require.Contains(t, e.String(), "choose another --file")
	require.FileExists(t, there)

	kept, err := lastBytes(strings.NewReader("password=hunter2\n"+strings.Repeat("0123456\n", 100_000)), 1000)
	require.NoError(t, err)
	require.LessOrEqual(t, len(kept), 1000)
	require.True(t, bytes.HasPrefix(kept, []byte("0123456\n")), "from the beginning of a line")
}
