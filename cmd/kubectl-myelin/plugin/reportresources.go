package plugin

import (
	"context"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/myelin-hs/myelin/api/v1alpha1"
	"github.com/myelin-hs/myelin/cmd/kubectl-myelin/redact"
)

// Bounds of the lists in a report.
const (
	maxReportObjects = 2000
	maxReportEvents  = 1000
)

// reported are the kinds in a report: ours by the homeserver that they name, the rest by its label. Never a Secret.
var reported = []schema.GroupVersionResource{
	v1alpha1.GroupVersion.WithResource("homeservers"),
	v1alpha1.GroupVersion.WithResource("workerpools"),
	v1alpha1.GroupVersion.WithResource("eventpersistershards"),
	{Group: "apps", Version: "v1", Resource: "deployments"},
	{Group: "apps", Version: "v1", Resource: "replicasets"},
	{Group: "batch", Version: "v1", Resource: "jobs"},
	{Version: "v1", Resource: "pods"},
	{Version: "v1", Resource: "services"},
	{Group: "policy", Version: "v1", Resource: "poddisruptionbudgets"},
	{Group: "autoscaling", Version: "v2", Resource: "horizontalpodautoscalers"},
}

// reportResources adds the homeserver's resources and the Events about them.
func reportResources(ctx context.Context, a *archive, k cluster) {
	names := map[string]bool{k.homeserver.Name: true}
	for _, resource := range reported {
		var options metav1.ListOptions
		ours := resource.Group == v1alpha1.GroupVersion.Group
		if !ours {
			options.LabelSelector = v1alpha1.LabelHomeserver + "=" + k.homeserver.Name
		}
		list, err := listed(ctx, k, resource, options)
		if err != nil {
			a.lacks(resource.Resource, err)
			continue
		}
		list = slices.DeleteFunc(list, func(x unstructured.Unstructured) bool { return ours && !belongs(x, k.homeserver.Name) })
		objects := []any{}
		for _, x := range list {
			names[x.GetName()] = true
			objects = append(objects, bare(x))
		}
		a.value("resources/"+resource.Resource+".yaml", objects)
	}
	events, err := listed(ctx, k, schema.GroupVersionResource{Version: "v1", Resource: "events"}, metav1.ListOptions{})
	if err != nil {
		a.lacks("events", err)
		return
	}
	about := []any{}
	for _, x := range events {
		involved, _, _ := unstructured.NestedString(x.Object, "involvedObject", "name")
		if names[involved] && len(about) < maxReportEvents {
			about = append(about, bare(x))
		}
	}
	a.value("events.yaml", about)
}

// listed is a bounded list, page by page.
func listed(ctx context.Context, k cluster, resource schema.GroupVersionResource, options metav1.ListOptions) ([]unstructured.Unstructured, error) {
	ctx, cancel := context.WithTimeout(ctx, reportPatience)
	defer cancel()
	const page = 500
	options.Limit = page
	var all []unstructured.Unstructured
	for {
		list, err := k.dynamic.Resource(resource).Namespace(k.homeserver.Namespace).List(ctx, options)
		if err != nil {
			return nil, err
		}
		all = append(all, list.Items...)
		if options.Continue = list.GetContinue(); options.Continue == "" {
			return all, nil
		}
		if len(all) >= maxReportObjects {
			return nil, fmt.Errorf("there are more than %d", maxReportObjects)
		}
	}
}

func belongs(x unstructured.Unstructured, homeserver string) bool {
	ref, found, _ := unstructured.NestedString(x.Object, "spec", "homeserverRef", "name")
	return found && ref == homeserver || x.GetKind() == "Homeserver" && x.GetName() == homeserver
}

// bare is an object without what others wrote on it: whose fields are whose, annotations that are not ours or Kubernetes'
// own, and values of environment variables, which may be secrets by mistake.
func bare(x unstructured.Unstructured) map[string]any {
	x = *x.DeepCopy()
	x.SetManagedFields(nil)
	kept := map[string]string{}
	for key, value := range x.GetAnnotations() {
		group, _, _ := strings.Cut(key, "/")
		if group == v1alpha1.GroupVersion.Group || group == "deployment.kubernetes.io" || group == "controller.kubernetes.io" {
			kept[key] = value
		}
	}
	x.SetAnnotations(kept)
	hideEnvironment(x.Object)
	return x.Object
}

// hideEnvironment takes the values out of every list called env, and annotations and owners of fields out of pod templates.
func hideEnvironment(v any) {
	switch v := v.(type) {
	case map[string]any:
		delete(v, "managedFields")
		for key, x := range v {
			if variables, ok := x.([]any); ok && key == "env" {
				for _, one := range variables {
					if variable, ok := one.(map[string]any); ok && variable["value"] != nil {
						variable["value"] = redact.Gone
					}
				}
			}
			if key == "template" {
				unstructured.RemoveNestedField(v, "template", "metadata", "annotations")
			}
			hideEnvironment(x)
		}
	case []any:
		for _, x := range v {
			hideEnvironment(x)
		}
	}
}
