// Package apply carries desired objects to the API server by server-side apply, under one field owner a controller, and
// does not repeat what it was just told.
package apply

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"sync"
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

// An Applier applies for one controller. It is safe for concurrent use.
type Applier struct {
	client client.Client
	reader client.Reader // not cached: the cache holds only what the operator made
	owner  client.FieldOwner

	mu   sync.Mutex
	done map[string]applied // as many as there are objects: Forget removes those that are gone
}

// applied remembers what was asked, and what the object looked like afterwards.
type applied struct {
	asked, got [sha256.Size]byte
}

// New makes an Applier for a controller of the given name.
func New(c client.Client, reader client.Reader, controller string) *Applier {
	return &Applier{client: c, reader: reader, owner: client.FieldOwner("myelin-" + controller), done: map[string]applied{}}
}

// Owner is the field owner, for the few writes that are not applied.
func (a *Applier) Owner() client.FieldOwner { return a.owner }

// Apply makes the object what desired says. live is an empty object of its type, and gets what was there. controller is the uid of the object's controller: if the name is taken by an object of another,
// nothing is written and the error is ErrNameTaken. An object without a controller is adopted.
func (a *Applier) Apply(ctx context.Context, desired runtime.ApplyConfiguration, live client.Object, controller types.UID) error {
	text, err := json.Marshal(desired)
	if err != nil {
		return fmt.Errorf("apply: %w", err)
	}
	head := metav1.PartialObjectMetadata{}
	if err := json.Unmarshal(text, &head); err != nil {
		return fmt.Errorf("apply: %w", err)
	}
	fail := func(err error) error { return fmt.Errorf("apply %s %s: %w", head.Kind, head.Name, err) }
	name := client.ObjectKeyFromObject(&head)
	key := head.Kind + "/" + name.String()
	asked := sha256.Sum256(text)

	err = a.client.Get(ctx, name, live)
	if err == nil {
		a.mu.Lock()
		unchanged := a.done[key] == applied{asked, fingerprint(live)}
		a.mu.Unlock()
		if unchanged {
			return nil
		}
	} else if apierrors.IsNotFound(err) {
		err = a.reader.Get(ctx, name, live)
	}
	if client.IgnoreNotFound(err) != nil {
		return fail(err)
	}
	if owner := metav1.GetControllerOf(live); err == nil && owner != nil && owner.UID != controller {
		return fail(fmt.Errorf("%w by an object of the %s %s", ErrNameTaken, owner.Kind, owner.Name))
	}
	if err := a.client.Apply(ctx, desired, a.owner, client.ForceOwnership); err != nil {
		return fail(err)
	}
	// The answer was decoded into desired.
	if text, err = json.Marshal(desired); err != nil {
		return fail(err)
	}
	now := reflect.New(reflect.TypeOf(live).Elem()).Interface().(client.Object)
	if err := json.Unmarshal(text, now); err != nil {
		return fail(err)
	}
	a.mu.Lock()
	a.done[key] = applied{asked, fingerprint(now)}
	a.mu.Unlock()
	return nil
}

// Forget drops what is remembered of objects that are gone.
func (a *Applier) Forget(kind, namespace string, names ...string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, name := range names {
		delete(a.done, kind+"/"+types.NamespacedName{Namespace: namespace, Name: name}.String())
	}
}

// fingerprint is what changes when somebody else changes the object. An object's generation moves with its spec and not
// with its status; an object without one has its version.
func fingerprint(o client.Object) [sha256.Size]byte {
	version := o.GetResourceVersion()
	if o.GetGeneration() > 0 {
		version = ""
	}
	text, err := json.Marshal([]any{o.GetUID(), o.GetGeneration(), version, o.GetLabels(), o.GetOwnerReferences()})
	if err != nil {
		panic(err) // strings and numbers always marshal
	}
	return sha256.Sum256(text)
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
