package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"

	"github.com/myelin-hs/myelin/controllers/operator"
)

// operatorNamespace is where the operator's Lease is.
const operatorNamespace = "myelin-system"

// APIServer is a real kube-apiserver with its etcd, without nodes and controllers.
type APIServer struct {
	env    *envtest.Environment
	Config *rest.Config // administrator
	Client client.Client
	// Kubeconfig is a file for a user who may do what config/rbac and config/components/all-secrets grant, and no more.
	Kubeconfig string
}

// StartAPIServer starts it with the CRDs below root/config. Files go to dir. The binaries are those that
// KUBEBUILDER_ASSETS names.
func StartAPIServer(ctx context.Context, root, dir string) (*APIServer, error) {
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		return nil, errors.New("KUBEBUILDER_ASSETS is not set: it names the folder with kube-apiserver and etcd; `go run -C hack/cluster . assets` prints it")
	}
	env := &envtest.Environment{
		CRDDirectoryPaths:     []string{filepath.Join(root, "config", "crd", "bases")},
		ErrorIfCRDPathMissing: true,
	}
	// Nothing here outlives the process, so no write waits for the disk.
	env.ControlPlane.Etcd = &envtest.Etcd{}
	env.ControlPlane.Etcd.Configure().Append("unsafe-no-fsync", "true")
	// A hundred Homeservers have more Services than the usual range has addresses.
	env.ControlPlane.GetAPIServer().Configure().Set("service-cluster-ip-range", "10.0.0.0/16")
	config, err := env.Start()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start the API server: %w", err), env.Stop())
	}
	config.QPS = -1
	a := &APIServer{env: env, Config: config, Kubeconfig: filepath.Join(dir, "operator.kubeconfig")}
	if err := a.prepare(ctx, root); err != nil {
		return nil, errors.Join(err, env.Stop())
	}
	return a, nil
}

// Stop ends both processes.
func (a *APIServer) Stop() error { return a.env.Stop() }

// prepare makes the client, and the operator's user with its roles.
func (a *APIServer) prepare(ctx context.Context, root string) error {
	scheme := operator.Scheme()
	if err := rbacv1.AddToScheme(scheme); err != nil {
		return err
	}
	var err error
	if a.Client, err = client.New(a.Config, client.Options{Scheme: scheme}); err != nil {
		return err
	}
	user, err := a.env.AddUser(envtest.User{Name: "operator"}, nil)
	if err != nil {
		return err
	}
	kubeconfig, err := user.KubeConfig()
	if err != nil {
		return err
	}
	if err := os.WriteFile(a.Kubeconfig, kubeconfig, 0o600); err != nil {
		return err
	}
	var all, secrets rbacv1.ClusterRole
	var election rbacv1.Role
	for file, into := range map[string]any{
		"rbac/role.yaml": &all, "components/all-secrets/role.yaml": &secrets, "rbac/leader_election_role.yaml": &election,
	} {
		if err := read(filepath.Join(root, "config", file), into); err != nil {
			return err
		}
	}
	election.Namespace = operatorNamespace
	who := []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: "operator"}}
	for _, o := range []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: operatorNamespace}},
		&all, bound(all.Name, who), &secrets, bound(secrets.Name, who),
		&election,
		&rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: "operator", Namespace: operatorNamespace}, Subjects: who,
			RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: election.Name},
		},
	} {
		if err := a.Client.Create(ctx, o); err != nil {
			return fmt.Errorf("create %s: %w", o.GetName(), err)
		}
	}
	return nil
}

func bound(role string, who []rbacv1.Subject) *rbacv1.ClusterRoleBinding {
	return &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: role}, Subjects: who,
		RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
	}
}

func read(file string, into any) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if err := yaml.UnmarshalStrict(text, into); err != nil {
		return fmt.Errorf("read %s: %w", file, err)
	}
	return nil
}
