// Package apply carries desired objects to the API server by server-side apply, under one field owner a controller, and
// writes nothing where nothing differs.
package apply

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// ErrNameTaken is returned for an object whose name is taken by one that another controller owns.
var ErrNameTaken = errors.New("the name is taken")

// mark is the annotation that tells with what an object was last applied: a hash of it. It outlives the operator, so that
// the next one need not apply everything once more.
const mark = "myelin.dev/applied"

// An Applier applies for one controller. It is safe for concurrent use.
type Applier struct {
	client client.Client
	reader client.Reader // not cached: the cache holds only what the operator made
	owner  client.FieldOwner
}

// New makes an Applier for a controller of the given name.
func New(c client.Client, reader client.Reader, controller string) *Applier {
	return &Applier{client: c, reader: reader, owner: client.FieldOwner("myelin-" + controller)}
}

// Owner is the field owner, for the few writes that are not applied.
func (a *Applier) Owner() client.FieldOwner { return a.owner }

// Apply makes the object what desired says, and writes nothing if it is. live is an empty object of its type, and gets what
// was there. controller is the uid of the object's controller: if the name is taken by an object of another, nothing is
// written and the error is ErrNameTaken. An object without a controller is adopted.
func (a *Applier) Apply(ctx context.Context, desired runtime.ApplyConfiguration, live client.Object, controller types.UID) error {
	marked, hash, err := withMark(desired)
	if err != nil {
		return fmt.Errorf("apply: %w", err)
	}
	fail := func(err error) error { return fmt.Errorf("apply %s %s: %w", marked.GetKind(), marked.GetName(), err) }
	name := client.ObjectKeyFromObject(marked)
	err = a.client.Get(ctx, name, live)
	if apierrors.IsNotFound(err) {
		err = a.reader.Get(ctx, name, live)
	}
	if client.IgnoreNotFound(err) != nil {
		return fail(err)
	}
	if err == nil {
		if owner := metav1.GetControllerOf(live); owner != nil && owner.UID != controller {
			return fail(fmt.Errorf("%w by an object of the %s %s", ErrNameTaken, owner.Kind, owner.Name))
		}
		if live.GetAnnotations()[mark] == hash && holds(live, marked) {
			return nil
		}
	}
	if err := a.client.Apply(ctx, client.ApplyConfigurationFromUnstructured(marked), a.owner, client.ForceOwnership); err != nil {
		return fail(err)
	}
	return nil
}

// Settle turns a version conflict into another look, soon: the cache was behind, and nothing is wrong.
func Settle(result ctrl.Result, err error) (ctrl.Result, error) {
	if apierrors.IsConflict(err) {
		return ctrl.Result{RequeueAfter: 50 * time.Millisecond}, nil
	}
	return result, err
}

// Status writes the status of changed, where it differs from that of before. Both are the same object. A version conflict
// is an error, and the caller looks again.
func (a *Applier) Status(ctx context.Context, before, changed client.Object) error {
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := a.client.Status().Patch(ctx, changed, patch, a.owner); err != nil {
		return fmt.Errorf("write the status of %s: %w", changed.GetName(), err)
	}
	return nil
}
