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
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/myelin-hs/myelin/api/v1alpha1"
	"github.com/myelin-hs/myelin/controllers/desired"
	"github.com/myelin-hs/myelin/controllers/plan"
)

// ErrNameTaken is returned for an object whose name is taken by one that another controller owns, or that the operator did not
// make.
var ErrNameTaken = errors.New("the name is taken")

// BlindRetry is how soon it is tried again what no watch tells of: to read a Secret that the operator may not, to make what the
// API server refuses, or what has a name that is taken.
const BlindRetry = 30 * time.Second

// mark is the annotation that tells with what an object was last applied: a hash of it. It outlives the operator, so that
// the next one need not apply everything once more.
const mark = "myelin.dev/applied"

// ours selects what the operator made, or an earlier one.
var ours = desired.Managed()

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

// Apply makes the object what wanted says, and writes nothing if it is. live is an empty object of its type, and gets what
// was there. controller is the uid of the object's controller: if the name is taken by an object of another, nothing is
// written and the error is ErrNameTaken. An object without a controller is adopted if the operator made it, for a Homeserver of
// the same name; one of somebody else is left alone.
func (a *Applier) Apply(ctx context.Context, wanted runtime.ApplyConfiguration, live client.Object, controller types.UID) error {
	marked, hash, err := withMark(wanted)
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
		if err := taken(live, marked, controller); err != nil {
			return fail(err)
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

// taken says whose the live object is, if it is not the controller's to change.
func taken(live, wanted client.Object, controller types.UID) error {
	owner, has := metav1.GetControllerOf(live), labels.Set(live.GetLabels())
	switch {
	case owner != nil && owner.UID == controller:
		return nil
	case owner != nil:
		return fmt.Errorf("%w by an object of the %s %s", ErrNameTaken, owner.Kind, owner.Name)
	case ours.Matches(has) && has[v1alpha1.LabelHomeserver] == wanted.GetLabels()[v1alpha1.LabelHomeserver]:
		return nil
	default:
		return fmt.Errorf("%w by an object that the operator did not make", ErrNameTaken)
	}
}

// Refused says whether the API server, or an admission webhook or quota that it asks, finds fault with what is to be made,
// rather than that something failed.
func Refused(err error) bool {
	return apierrors.IsInvalid(err) || apierrors.IsBadRequest(err) || apierrors.IsForbidden(err)
}

// Verdict says why an object cannot be had, to whoever wrote the object of the kind that asks for it: its name is taken, or it
// is refused, in the words of refused. It is nil without an error, and for any other, which is returned.
func Verdict(err error, kind string, refused func(why string) plan.Verdict) (*plan.Verdict, error) {
	var v plan.Verdict
	switch {
	case errors.Is(err, ErrNameTaken):
		v = plan.NameTaken(kind, err.Error())
	case Refused(err):
		v = refused(err.Error())
	default:
		return nil, err
	}
	return &v, nil
}

// Remove deletes the object of this name, of which live is an empty one, if it is there and its controller has that uid.
func (a *Applier) Remove(ctx context.Context, name client.ObjectKey, live client.Object, controller types.UID) error {
	if err := a.client.Get(ctx, name, live); err != nil {
		return client.IgnoreNotFound(err)
	}
	if owner := metav1.GetControllerOf(live); owner == nil || owner.UID != controller || !live.GetDeletionTimestamp().IsZero() {
		return nil
	}
	uid := live.GetUID()
	if err := a.client.Delete(ctx, live, client.Preconditions{UID: &uid}); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("remove what the spec no longer wants: %w", err)
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
