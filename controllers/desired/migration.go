package desired

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	batchv1ac "k8s.io/client-go/applyconfigurations/batch/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
)

// A Phase is what a Job does to the database in an upgrade.
type Phase string

const (
	// Expand brings the schema up to date before workers get the image, beside those of the version before.
	Expand Phase = "migrate"
	// Contract removes what only workers of older versions need, once none of them is left.
	Contract Phase = "contract"
)

// Of is the value that LabelInputs has on the phase's Jobs for the inputs.
func (p Phase) Of(inputs string) string {
	if p == Contract {
		return inputs + "-contract"
	}
	return inputs
}

// Migration is the attempt-th Job of the phase; Expand also says whose the database is. It is not retried by Kubernetes: the
// operator makes the next attempt, because it may know by then that the secret has changed.
func Migration(h Homeserver, p Phase, attempt int, o Owner) *batchv1ac.JobApplyConfiguration {
	pod := migrationPod(h, p)
	name := fmt.Sprintf("%s-%s-%s-%d", h.Name, p, h.Inputs, attempt)
	l := merge(managed(h.Name), MigrationJobs(h.Name), labels.Set{LabelInputs: p.Of(h.Inputs), LabelAttempt: strconv.Itoa(attempt)})
	return batchv1ac.Job(name, h.Namespace).
		WithLabels(l).
		WithAnnotations(map[string]string{AnnotationPod: hashOf(pod)}).
		WithOwnerReferences(o.reference()).
		WithSpec(batchv1ac.JobSpec().
			WithBackoffLimit(0).
			WithActiveDeadlineSeconds(600).
			WithTemplate(corev1ac.PodTemplateSpec().
				WithLabels(labels.Set{labelName: appName, labelComponent: ComponentMigration}).
				WithSpec(pod)))
}

// AnnotationPod of a migration Job is the hash of the pod that it was made with: a Job's pod cannot be changed.
const AnnotationPod = "myelin.dev/pod"

// MigrationPod is what AnnotationPod is of a Job that is made now.
func MigrationPod(h Homeserver, p Phase) string { return hashOf(migrationPod(h, p)) }

func hashOf(pod *corev1ac.PodSpecApplyConfiguration) string {
	text, err := json.Marshal(pod)
	if err != nil {
		panic(err) // strings, numbers and quantities always marshal
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])[:10]
}

func migrationPod(h Homeserver, p Phase) *corev1ac.PodSpecApplyConfiguration {
	args := []string{
		"migrate",
		"--server-name=" + h.ServerName,
		"--homeserver-id=" + h.ID(),
		"--shards=" + strconv.Itoa(int(h.Shards)),
		"--result-file=" + corev1.TerminationMessagePathDefault,
		"--log-format=json",
	}
	if h.DatabaseID != "" {
		args = append(args, "--database-id="+h.DatabaseID)
	}
	if p == Contract {
		args = append(args, "--contract")
	}
	files := h.Postgres.files()
	pod := podSpec(h, files).
		WithRestartPolicy(corev1.RestartPolicyNever).
		WithContainers(container(h, files, nil, "migrate", args...).
			WithResources(resources(Amounts(h.Migration.Resources.Requests), Amounts(h.Migration.Resources.Limits))))
	place(pod, h.Migration.NodeSelector, h.Migration.Tolerations)
	return pod
}
