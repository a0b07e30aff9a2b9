package homeserver

import (
	"context"
	"fmt"
	"io"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/myelin-hs/myelin/api/v1alpha1"
	"github.com/myelin-hs/myelin/controllers/desired"
)

// createSecrets makes the secrets that the spec leaves to the operator, where they are absent. It only ever creates: the
// operator may not update Secrets at all.
func (c *Controller) createSecrets(ctx context.Context, hs *v1alpha1.Homeserver, d desired.Homeserver, owner desired.Owner) error {
	if hs.Spec.InternalCredentialSecretRef == nil {
		err := c.createSecret(ctx, d.Namespace, d.Credential.Secret, desired.CredentialLength, func(random []byte) *corev1.Secret {
			return desired.InternalCredential(d, owner, random)
		})
		if err != nil {
			return err
		}
	}
	if makesSigningKey(hs) {
		return c.createSecret(ctx, d.Namespace, d.SigningKey.Secret, desired.SigningSeedLength, func(random []byte) *corev1.Secret {
			return desired.SigningKey(d, random)
		})
	}
	return nil
}

// makesSigningKey says whether the operator is to make a key where there is none. Not for a homeserver that has run: another key
// would make it a stranger to other servers, its workers would not start with it, and the file in those that run, which may be
// the last copy of the old one, would be overwritten.
func makesSigningKey(hs *v1alpha1.Homeserver) bool {
	return hs.Spec.SigningKeySecretRef == nil && hs.Status.Database == nil
}

func (c *Controller) createSecret(ctx context.Context, namespace, name string, length int, build func([]byte) *corev1.Secret) error {
	known := metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"}}
	err := c.reader.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &known)
	switch {
	case err == nil:
		return nil
	case !apierrors.IsNotFound(err) && !apierrors.IsForbidden(err): // which the look at all secrets will tell of
		return fmt.Errorf("look for the Secret %s: %w", name, err)
	}
	random := make([]byte, length)
	if _, err := io.ReadFull(c.random, random); err != nil {
		return fmt.Errorf("make the Secret %s: %w", name, err)
	}
	err = c.client.Create(ctx, build(random), c.apply.Owner())
	if err != nil && !apierrors.IsAlreadyExists(err) && !apierrors.IsForbidden(err) { // the same
		return fmt.Errorf("create the Secret %s: %w", name, err)
	}
	return nil
}
