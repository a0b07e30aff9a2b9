package lagmetrics

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/myelin-hs/myelin/api/v1alpha1"
	"github.com/myelin-hs/myelin/controllers/dataplane"
	"github.com/myelin-hs/myelin/pkg/admin"
	"github.com/myelin-hs/myelin/pkg/lag"
)

// A Reader answers questions. Make it with [New].
type Reader struct {
	resources client.Reader // a cache
	secrets   client.Reader // no cache
	shared    *sharing
}

// New makes a Reader that finds Homeservers and WorkerPools in resources and reads internal credentials from secrets, each
// by its name. Resources should be a cache, secrets should be none.
func New(resources, secrets client.Reader, ask dataplane.Asker) *Reader {
	r := &Reader{resources: resources, secrets: secrets}
	r.shared = newSharing(func(ctx context.Context, hs *v1alpha1.Homeserver) (admin.Status, error) {
		credential, err := dataplane.Credential(ctx, r.secrets, hs)
		if err != nil {
			return admin.Status{}, err
		}
		return ask(ctx, client.ObjectKeyFromObject(hs), credential)
	})
	return r
}

// Find says whether there is such a pool, without asking any worker. Its error wraps ErrInvalid or ErrMissing, or is of the
// Kubernetes API.
func (r *Reader) Find(ctx context.Context, q Question) error {
	_, _, err := r.find(ctx, q)
	return err
}

func (r *Reader) find(ctx context.Context, q Question) (*v1alpha1.Homeserver, *v1alpha1.WorkerPool, error) {
	switch {
	case q.Homeserver == "":
		return nil, nil, fmt.Errorf("%w: it names no homeserver", ErrInvalid)
	case q.Pool == "":
		return nil, nil, fmt.Errorf("%w: it names no pool", ErrInvalid)
	case q.Target != 0 && (q.Target < MinTarget || q.Target > MaxTarget):
		return nil, nil, fmt.Errorf("%w: the target %v is not between %v and %v", ErrInvalid, q.Target, MinTarget, MaxTarget)
	}
	hs, pool := &v1alpha1.Homeserver{}, &v1alpha1.WorkerPool{}
	for _, o := range []struct {
		kind, name string
		into       client.Object
	}{{"Homeserver", q.Homeserver, hs}, {"WorkerPool", q.Pool, pool}} {
		err := r.resources.Get(ctx, types.NamespacedName{Namespace: q.Namespace, Name: o.name}, o.into)
		if apierrors.IsNotFound(err) {
			return nil, nil, fmt.Errorf("%w: the namespace %s has no %s %s", ErrMissing, q.Namespace, o.kind, o.name)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("read the %s %s: %w", o.kind, o.name, err)
		}
	}
	if of := pool.Spec.HomeserverRef.Name; of != hs.Name {
		return nil, nil, fmt.Errorf("%w: the WorkerPool %s is of the Homeserver %s, not of %s", ErrMissing, pool.Name, of, hs.Name)
	}
	return hs, pool, nil
}

// Lag answers the question. Its error wraps ErrInvalid, ErrMissing or lag.ErrUnknown, or is of the Kubernetes API. It takes no
// longer than [dataplane.Timeout].
func (r *Reader) Lag(ctx context.Context, q Question) (Answer, error) {
	hs, pool, err := r.find(ctx, q)
	if err != nil {
		return Answer{}, err
	}
	target, err := targetOf(q, pool)
	if err != nil {
		return Answer{}, err
	}
	told, at, err := r.shared.status(ctx, hs)
	if err != nil {
		return Answer{}, lag.Unknown("ask the workers of %s: %w", hs.Name, err)
	}
	total, err := signal(pool, told, target)
	if err != nil {
		return Answer{}, err
	}
	return Answer{Total: total, Target: target, At: at}, nil
}
