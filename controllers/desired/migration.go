package desired

import (
	"fmt"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	batchv1ac "k8s.io/client-go/applyconfigurations/batch/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
)

// Migration is the attempt-th Job that migrates the database and says whose it is. It is not retried by Kubernetes: the
// operator makes the next attempt, because it may know by then that the secret has changed.
func Migration(h Homeserver, attempt int, o Owner) *batchv1ac.JobApplyConfiguration {
	name := fmt.Sprintf("%s-migrate-%s-%d", h.Name, h.Inputs, attempt)
	l := merge(managed(h.Name), MigrationJobs(h.Name), labels.Set{LabelInputs: h.Inputs, LabelAttempt: strconv.Itoa(attempt)})
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
	files := h.Postgres.files()
	pod := podSpec(h, files).
		WithRestartPolicy(corev1.RestartPolicyNever).
		WithContainers(container(h, files, nil, "migrate", args...).
			WithResources(resources(Amounts(h.Migration.Resources.Requests), Amounts(h.Migration.Resources.Limits))))
	place(pod, h.Migration.NodeSelector, h.Migration.Tolerations)
	return batchv1ac.Job(name, h.Namespace).
		WithLabels(l).
		WithOwnerReferences(o.reference()).
		WithSpec(batchv1ac.JobSpec().
			WithBackoffLimit(0).
			WithActiveDeadlineSeconds(600).
			WithTemplate(corev1ac.PodTemplateSpec().
				WithLabels(labels.Set{labelName: appName, labelComponent: ComponentMigration}).
				WithSpec(pod)))
}
