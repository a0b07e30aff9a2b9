package plugin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"

	"github.com/myelin-hs/myelin/api/v1alpha1"
	"github.com/myelin-hs/myelin/pkg/admin"
)

// The ports of a worker: internalPort answers the admin API, probePort /metrics.
const (
	internalPort = 8090
	probePort    = 8091
)

// target says which homeserver, by which kubeconfig. Empty fields are found out.
type target struct {
	kubeconfig, context, namespace, homeserver string
}

// connect forwards a port to a ready worker.
func connect(ctx context.Context, t target) (api, func(), error) {
	config, namespace, err := load(t)
	if err != nil {
		return nil, nil, usageError(err)
	}
	k, err := openConfig(ctx, config, namespace, t.homeserver)
	if err != nil {
		return nil, nil, err
	}
	core, hs := k.core, k.homeserver
	credential, err := readCredential(ctx, core, hs)
	if err != nil {
		return nil, nil, err
	}
	pods, err := readyWorkers(ctx, core, hs)
	if err != nil {
		return nil, nil, err
	}
	var failed []error
	for _, pod := range pods {
		port, stop, err := forward(ctx, config, core, namespace, pod, internalPort)
		if err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", pod, err))
			continue
		}
		return admin.NewClient(fmt.Sprintf("http://127.0.0.1:%d", port), credential, nil), stop, nil
	}
	return nil, nil, unreachableError(fmt.Errorf("no worker of %s could be reached: %w", hs.Name, errors.Join(failed...)))
}

func load(t target) (*rest.Config, string, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = t.kubeconfig
	overrides := &clientcmd.ConfigOverrides{CurrentContext: t.context}
	overrides.Context.Namespace = t.namespace
	loader := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, overrides)
	config, err := loader.ClientConfig()
	if err != nil {
		return nil, "", fmt.Errorf("read the kubeconfig: %w", err)
	}
	namespace, _, err := loader.Namespace()
	if err != nil {
		return nil, "", fmt.Errorf("read the kubeconfig: %w", err)
	}
	return config, namespace, nil
}

func findHomeserver(ctx context.Context, client dynamic.Interface, namespace, name string) (*v1alpha1.Homeserver, error) {
	list, err := client.Resource(v1alpha1.GroupVersion.WithResource("homeservers")).Namespace(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, unreachableError(fmt.Errorf("list Homeservers: %w", err))
	}
	var names []string
	var found *v1alpha1.Homeserver
	for _, item := range list.Items {
		names = append(names, item.GetName())
		if name != "" && item.GetName() != name {
			continue
		}
		found = &v1alpha1.Homeserver{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(item.Object, found); err != nil {
			return nil, fmt.Errorf("read the Homeserver %s: %w", item.GetName(), err)
		}
	}
	switch {
	case found == nil && name != "":
		return nil, unreachableError(fmt.Errorf("there is no Homeserver %q in namespace %s", name, namespace))
	case found == nil:
		return nil, unreachableError(fmt.Errorf("there is no Homeserver in namespace %s; choose another with -n", namespace))
	case name == "" && len(names) > 1:
		return nil, usageError(fmt.Errorf("namespace %s has several Homeservers (%s): choose one with --homeserver", namespace, strings.Join(names, ", ")))
	}
	return found, nil
}

func readCredential(ctx context.Context, core kubernetes.Interface, hs *v1alpha1.Homeserver) (string, error) {
	ref := v1alpha1.SecretKeyRef{Name: hs.Name + "-internal", Key: "credential"}
	if hs.Spec.InternalCredentialSecretRef != nil {
		ref = *hs.Spec.InternalCredentialSecretRef
	}
	secret, err := core.CoreV1().Secrets(hs.Namespace).Get(ctx, ref.Name, metav1.GetOptions{})
	if err != nil {
		return "", unreachableError(fmt.Errorf("read the internal credential: %w", err))
	}
	credential := strings.TrimSpace(string(secret.Data[ref.Key]))
	if credential == "" {
		return "", unreachableError(fmt.Errorf("the Secret %s has nothing under the key %s", ref.Name, ref.Key))
	}
	return credential, nil
}

// readyWorkers are the names of the homeserver's ready pods, of which at most a few are tried.
func readyWorkers(ctx context.Context, core kubernetes.Interface, hs *v1alpha1.Homeserver) ([]string, error) {
	selector := labels.Set{v1alpha1.LabelHomeserver: hs.Name, "app.kubernetes.io/component": "worker"}
	pods, err := core.CoreV1().Pods(hs.Namespace).List(ctx, metav1.ListOptions{LabelSelector: selector.String()})
	if err != nil {
		return nil, unreachableError(fmt.Errorf("list the workers' pods: %w", err))
	}
	const most = 5
	var ready []string
	for _, pod := range pods.Items {
		for _, c := range pod.Status.Conditions {
			if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue && pod.DeletionTimestamp == nil && len(ready) < most {
				ready = append(ready, pod.Name)
			}
		}
	}
	if len(ready) == 0 {
		return nil, unreachableError(errors.New(noReadyWorker(hs)))
	}
	return ready, nil
}

// noReadyWorker says so, and why, as far as the operator knows.
func noReadyWorker(hs *v1alpha1.Homeserver) string {
	text := fmt.Sprintf("the Homeserver %s has no ready worker", hs.Name)
	if c := meta.FindStatusCondition(hs.Status.Conditions, v1alpha1.ConditionReady); c != nil && c.Status != metav1.ConditionTrue {
		text += fmt.Sprintf(": %s: %s", c.Reason, c.Message)
	}
	return text
}

// forward forwards a free local port to the pod's, until stop is called or ctx ends.
func forward(ctx context.Context, config *rest.Config, core kubernetes.Interface, namespace, pod string, to int) (port uint16, stop func(), err error) {
	transport, upgrader, err := spdy.RoundTripperFor(config)
	if err != nil {
		return 0, nil, err
	}
	url := core.CoreV1().RESTClient().Post().Resource("pods").Namespace(namespace).Name(pod).SubResource("portforward").URL()
	dialer := spdy.NewDialer(upgrader, &http.Client{Transport: transport}, http.MethodPost, url)
	ctx, cancel := context.WithCancel(ctx)
	ready := make(chan struct{})
	forwarder, err := portforward.NewOnAddresses(dialer, []string{"127.0.0.1"}, []string{fmt.Sprintf("0:%d", to)}, ctx.Done(), ready, io.Discard, io.Discard)
	if err != nil {
		cancel()
		return 0, nil, err
	}
	ended := make(chan error, 1)
	go func() { ended <- forwarder.ForwardPorts() }()
	stop = func() { cancel(); <-ended }
	select {
	case err := <-ended:
		cancel()
		if err == nil {
			err = context.Cause(ctx)
		}
		return 0, nil, err
	case <-ready:
	}
	ports, err := forwarder.GetPorts()
	if err != nil {
		stop()
		return 0, nil, err
	}
	return ports[0].Local, stop, nil
}
