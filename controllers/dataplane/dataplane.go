// Package dataplane is how controllers ask a homeserver's workers: by the admin API, through the internal Service, with the
// internal credential.
package dataplane

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/myelin-hs/myelin/api/v1alpha1"
	"github.com/myelin-hs/myelin/controllers/desired"
	"github.com/myelin-hs/myelin/pkg/admin"
)

// Timeout bounds one question.
const Timeout = 3 * time.Second

// An Asker asks a homeserver's workers for their status.
type Asker func(ctx context.Context, homeserver types.NamespacedName, credential string) (admin.Status, error)

// A Drainer has one of a homeserver's workers give away all that it owns. It returns when the worker has been told.
type Drainer func(ctx context.Context, homeserver types.NamespacedName, credential string, worker int64) error

// Service asks through the homeservers' internal Services.
func Service() (Asker, Drainer) {
	h := &http.Client{Timeout: Timeout}
	at := func(hs types.NamespacedName, credential string) *admin.Client {
		return admin.NewClient(desired.InternalURL(hs.Namespace, hs.Name), credential, h)
	}
	ask := func(ctx context.Context, hs types.NamespacedName, credential string) (admin.Status, error) {
		return at(hs, credential).Status(ctx)
	}
	drain := func(ctx context.Context, hs types.NamespacedName, credential string, worker int64) error {
		return at(hs, credential).Drain(ctx, worker)
	}
	return ask, drain
}

// Credential reads a homeserver's internal credential, as its workers read it.
func Credential(ctx context.Context, r client.Reader, hs *v1alpha1.Homeserver) (string, error) {
	key := desired.HomeserverOf(hs).Credential
	var secret corev1.Secret
	if err := r.Get(ctx, client.ObjectKey{Namespace: hs.Namespace, Name: key.Secret}, &secret); err != nil {
		return "", fmt.Errorf("read the internal credential: %w", err)
	}
	return strings.TrimSpace(string(secret.Data[key.Key])), nil
}
