package desired

import (
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/apimachinery/pkg/types"

	"github.com/myelin-hs/myelin/api/v1alpha1"
)

const (
	labelName      = "app.kubernetes.io/name"
	labelComponent = "app.kubernetes.io/component"
	labelManagedBy = "app.kubernetes.io/managed-by"
	appName        = "myelin"
	manager        = "myelin-operator"

	// LabelInputs and LabelAttempt tell migration Jobs apart: what they were made for, and the how manieth try it is.
	LabelInputs  = "myelin.dev/inputs"
	LabelAttempt = "myelin.dev/attempt"
	// LabelLeaving marks a worker's pod that the operator is about to stop; it says since when, in seconds since 1970.
	LabelLeaving = "myelin.dev/leaving"
	// ComponentMigration marks migration Jobs.
	ComponentMigration = "migration"
)

// Managed selects everything that the operator makes. Its caches hold nothing else.
func Managed() labels.Selector { return labels.SelectorFromSet(labels.Set{labelManagedBy: manager}) }

// Leaving selects the pods of workers that the operator is about to stop.
func Leaving() labels.Selector {
	marked, err := labels.NewRequirement(LabelLeaving, selection.Exists, nil)
	if err != nil {
		panic(err) // of constants
	}
	return labels.NewSelector().Add(*marked)
}

// MigrationJobs selects a homeserver's migration Jobs.
func MigrationJobs(homeserver string) labels.Set {
	return labels.Set{v1alpha1.LabelHomeserver: homeserver, labelComponent: ComponentMigration}
}

// WorkerPods selects a homeserver's workers.
func WorkerPods(homeserver string) labels.Set {
	return labels.Set{labelName: appName, v1alpha1.LabelHomeserver: homeserver, labelComponent: "worker"}
}

// PoolPods selects the pods of a pool. A Deployment's selector cannot change: neither can this.
func PoolPods(homeserver, pool string) labels.Set {
	return labels.Set{labelName: appName, v1alpha1.LabelHomeserver: homeserver, v1alpha1.LabelPool: pool}
}

func managed(homeserver string) labels.Set {
	return labels.Set{labelName: appName, labelManagedBy: manager, v1alpha1.LabelHomeserver: homeserver}
}

func merge(sets ...labels.Set) labels.Set {
	all := labels.Set{}
	for _, s := range sets {
		for k, v := range s {
			all[k] = v
		}
	}
	return all
}

func uid(s string) types.UID { return types.UID(s) }
