package homeserver

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/myelin-hs/myelin/api/v1alpha1"
	"github.com/myelin-hs/myelin/controllers/desired"
	"github.com/myelin-hs/myelin/controllers/plan"
)

// contents are what was seen of a Secret or ConfigMap.
type contents struct {
	found, denied bool
	data          map[string][]byte
}

// lookAtSecrets reads the keys that the spec names, each Secret and ConfigMap once.
func (c *Controller) lookAtSecrets(ctx context.Context, hs *v1alpha1.Homeserver, d desired.Homeserver, s *seen) error {
	type object struct {
		inConfigMap bool
		name        string
	}
	read := map[object]contents{}
	var values [][]byte
	for _, k := range d.References() {
		o := object{k.InConfigMap, k.Secret}
		if _, known := read[o]; !known {
			var err error
			if read[o], err = c.contents(ctx, client.ObjectKey{Namespace: d.Namespace, Name: k.Secret}, k.InConfigMap); err != nil {
				return err
			}
		}
		key := plan.SecretKey{
			Field: k.Field, InConfigMap: k.InConfigMap, Secret: k.Secret, Key: k.Key.Key,
			Denied: read[o].denied, SecretFound: read[o].found, Content: read[o].data[k.Key.Key],
			Lost: k.Key == d.SigningKey && hs.Spec.SigningKeySecretRef == nil && !makesSigningKey(hs),
		}
		s.keys = append(s.keys, key)
		values = append(values, key.Content)
	}
	if plan.Secrets(s.keys).Is() {
		s.inputs, s.podInputs = d.InputsOf(values)
	}
	return nil
}

func (c *Controller) contents(ctx context.Context, name client.ObjectKey, inConfigMap bool) (contents, error) {
	var secret corev1.Secret
	var configMap corev1.ConfigMap
	kind, o := "Secret", client.Object(&secret)
	if inConfigMap {
		kind, o = "ConfigMap", &configMap
	}
	switch err := c.reader.Get(ctx, name, o); {
	case apierrors.IsNotFound(err):
		return contents{}, nil
	case apierrors.IsForbidden(err):
		return contents{denied: true}, nil
	case err != nil:
		return contents{}, fmt.Errorf("read the %s %s: %w", kind, name.Name, err)
	}
	seen := contents{found: true, data: secret.Data}
	if inConfigMap {
		seen.data = map[string][]byte{}
		for key, text := range configMap.Data {
			seen.data[key] = []byte(text)
		}
	}
	return seen, nil
}

// readable are the names of the Secrets, or of the ConfigMaps, that the spec names and the operator may read.
func (s *seen) readable(inConfigMap bool) []string {
	var names []string
	for _, k := range s.keys {
		if k.InConfigMap == inConfigMap && !k.Denied && !slices.Contains(names, k.Secret) {
			names = append(names, k.Secret)
		}
	}
	return names
}
