package operator_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/myelin-hs/myelin/api/v1alpha1"
)

// demo makes the Homeserver demo with its secrets.
func (s *space) demo() {
	s.t.Helper()
	s.create(s.secret("db", "postgres://one"), s.secret("cache", "redis://one"), object(s.t, homeserverYAML, "{}"))
}

// migrated makes the Homeserver demo and a pool of persisters for each of the changes, which is what differs in it, starts the
// operator, and has the database migrated.
func (s *space) migrated(changes ...string) {
	s.t.Helper()
	s.demo()
	for _, change := range changes {
		s.create(object(s.t, poolYAML, change))
	}
	s.start()
	s.finish(s.running(), result("Migrated", "", "db-1"))
}

// running is the migration Job that has not ended and has not been seen before, as soon as there is one.
func (s *space) running() *batchv1.Job {
	s.t.Helper()
	var found *batchv1.Job
	s.eventually(func() string {
		var jobs batchv1.JobList
		require.NoError(s.t, cluster.List(s.t.Context(), &jobs, client.InNamespace(s.name)))
		for i := range jobs.Items {
			if j := &jobs.Items[i]; len(j.Status.Conditions) == 0 && j.DeletionTimestamp.IsZero() {
				found = j
				return ""
			}
		}
		return "no Job runs"
	})
	return found
}

// finish ends the Job as kubelet and Job controller would: with a pod that left the message.
func (s *space) finish(job *batchv1.Job, message string) {
	s.t.Helper()
	code := int32(1)
	if strings.Contains(message, `"Migrated"`) {
		code = 0
	}
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{GenerateName: job.Name + "-", Namespace: s.name, Labels: map[string]string{batchv1.JobNameLabel: job.Name}},
		Spec:       job.Spec.Template.Spec,
	}
	require.NoError(s.t, cluster.Create(s.t.Context(), pod))
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{
		Name: pod.Spec.Containers[0].Name,
		State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
			ExitCode: code, Message: message,
		}},
	}}
	require.NoError(s.t, cluster.Status().Update(s.t.Context(), pod))

	now := metav1.Now()
	job.Status.StartTime = &now
	condition := func(kind batchv1.JobConditionType) batchv1.JobCondition {
		return batchv1.JobCondition{Type: kind, Status: corev1.ConditionTrue, LastTransitionTime: now, LastProbeTime: now}
	}
	if code == 0 {
		job.Status.Succeeded, job.Status.CompletionTime = 1, &now
		job.Status.Conditions = []batchv1.JobCondition{condition(batchv1.JobSuccessCriteriaMet), condition(batchv1.JobComplete)}
	} else {
		job.Status.Failed = 1
		job.Status.Conditions = []batchv1.JobCondition{condition(batchv1.JobFailureTarget), condition(batchv1.JobFailed)}
	}
	require.NoError(s.t, cluster.Status().Update(s.t.Context(), job))
}

func result(reason, message, database string) string {
	text, err := json.Marshal(map[string]any{"reason": reason, "message": message, "databaseID": database, "schemaVersion": 3})
	if err != nil {
		panic(err)
	}
	return string(text) + "\n"
}

// condition waits until the Homeserver's condition has the status and reason for its present spec, and returns it.
func (s *space) condition(kind string, status metav1.ConditionStatus, reason string) metav1.Condition {
	s.t.Helper()
	var c metav1.Condition
	s.eventually(func() string {
		var hs v1alpha1.Homeserver
		s.get("demo", &hs)
		if found := meta.FindStatusCondition(hs.Status.Conditions, kind); found != nil {
			c = *found
			if c.Status == status && c.Reason == reason && c.ObservedGeneration == hs.Generation && hs.Status.ObservedGeneration == hs.Generation {
				return ""
			}
		}
		return "wanted " + kind + "=" + string(status) + "(" + reason + "), have " + describe(hs.Status.Conditions)
	})
	return c
}

func (s *space) setSecret(name, uri string) {
	s.t.Helper()
	var secret corev1.Secret
	s.get(name, &secret)
	secret.Data = map[string][]byte{"uri": []byte(uri)}
	require.NoError(s.t, cluster.Update(s.t.Context(), &secret))
}

func hasArg(job *batchv1.Job, arg string) bool {
	return slices.Contains(job.Spec.Template.Spec.Containers[0].Args, arg)
}

func TestHomeserverIsMigratedOnce(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.demo()
	s.start()
	job := s.running()
	require.True(t, hasArg(job, "--homeserver-id="+s.name+"/demo"))
	require.True(t, hasArg(job, "--server-name=example.org"))
	s.condition(v1alpha1.ConditionDatabaseReady, "Unknown", v1alpha1.ReasonMigrationRunning)
	s.condition(v1alpha1.ConditionReconciling, "True", v1alpha1.ReasonMigrationRunning)
	s.finish(job, result("Migrated", "", "db-1"))
	s.condition(v1alpha1.ConditionDatabaseReady, "True", v1alpha1.ReasonMigrated)
	var hs v1alpha1.Homeserver
	s.get("demo", &hs)
	require.Equal(t, "db-1", hs.Status.Database.ID)
	require.Equal(t, int32(3), hs.Status.Database.SchemaVersion)
	s.condition(v1alpha1.ConditionReady, "False", v1alpha1.ReasonRoleMissing)

	for _, name := range []string{"demo", "demo-federation", "demo-internal"} {
		var service corev1.Service
		s.get(name, &service)
		require.Equal(t, "demo", service.Spec.Selector[v1alpha1.LabelHomeserver])
	}

	// A new image migrates again, and says which database it must be.
	patch := []byte(`{"spec":{"image":"registry.example/myelin:2"}}`)
	require.NoError(t, cluster.Patch(t.Context(), &hs, client.RawPatch("application/merge-patch+json", patch)))
	job = s.running()
	require.True(t, hasArg(job, "--database-id=db-1"))
	require.Equal(t, "registry.example/myelin:2", job.Spec.Template.Spec.Containers[0].Image)
}

func TestWrongDatabaseSecretHeals(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.demo()
	s.start()
	s.finish(s.running(), result("DatabaseAuthenticationFailed", "password authentication failed for user \"u\".", ""))
	c := s.condition(v1alpha1.ConditionDatabaseReady, "False", v1alpha1.ReasonDatabaseAuthenticationFailed)
	require.Contains(t, c.Message, "spec.postgres")
	s.condition(v1alpha1.ConditionReady, "False", v1alpha1.ReasonDatabaseAuthenticationFailed)
	s.condition(v1alpha1.ConditionStalled, "True", v1alpha1.ReasonDatabaseAuthenticationFailed)
	failed := jobs(s)

	s.setSecret("db", "postgres://mended")
	job := s.running()
	require.NotContains(t, failed, job.Name)
	s.finish(job, result("Migrated", "", "db-1"))
	s.condition(v1alpha1.ConditionDatabaseReady, "True", v1alpha1.ReasonMigrated)
	s.eventually(func() string {
		if left := jobs(s); !slices.Equal(left, []string{job.Name}) {
			return "Jobs left: " + strings.Join(left, ", ")
		}
		return ""
	})
}

func jobs(s *space) []string {
	var list batchv1.JobList
	require.NoError(s.t, cluster.List(s.t.Context(), &list, client.InNamespace(s.name)))
	var names []string
	for _, j := range list.Items {
		if j.DeletionTimestamp.IsZero() {
			names = append(names, j.Name)
		}
	}
	return names
}

func TestFailedMigrationIsTriedAgain(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.demo()
	s.start()
	first := s.running()
	s.finish(first, "panic: out of ideas")
	c := s.condition(v1alpha1.ConditionDatabaseReady, "False", v1alpha1.ReasonMigrationFailed)
	require.Contains(t, c.Message, "out of ideas")
	second := s.running() // after ten seconds
	require.NotEqual(t, first.Name, second.Name)
	require.Equal(t, first.Labels["myelin.dev/inputs"], second.Labels["myelin.dev/inputs"])
}

func TestMissingSecretHeals(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.create(s.secret("cache", "redis://one"), object(t, homeserverYAML, "{}"))
	s.start()
	c := s.condition(v1alpha1.ConditionSecretsReady, "False", v1alpha1.ReasonSecretMissing)
	require.Contains(t, c.Message, `"db"`)
	require.Contains(t, c.Message, "spec.postgres.secretRef")
	require.Empty(t, jobs(s))
	bad := s.secret("db", "")
	bad.Data = map[string][]byte{"url": []byte("postgres://one")}
	s.create(bad)
	s.condition(v1alpha1.ConditionSecretsReady, "False", v1alpha1.ReasonSecretKeyMissing)
	s.setSecret("db", "postgres://one")
	s.condition(v1alpha1.ConditionSecretsReady, "True", v1alpha1.ReasonSecretsFound)
	s.running()
}

func TestAnotherDatabaseIsRefusedForARunningHomeserver(t *testing.T) {
	t.Parallel()
	for name, message := range map[string]string{
		"the Job refuses":             result("DatabaseIdentityChanged", "The database is empty.", ""),
		"the Job accepts the unknown": result("Migrated", "", "db-2"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSpace(t)
			s.demo()
			s.create(object(t, poolYAML, "{}"))
			s.start()
			s.finish(s.running(), result("Migrated", "", "db-1"))
			before := s.deployment("demo-persister")

			s.setSecret("db", "postgres://another")
			job := s.running()
			require.True(t, hasArg(job, "--database-id=db-1"))
			s.finish(job, message)
			s.condition(v1alpha1.ConditionDatabaseReady, "False", v1alpha1.ReasonDatabaseIdentityChanged)
			s.condition(v1alpha1.ConditionReady, "False", v1alpha1.ReasonDatabaseIdentityChanged)
			var hs v1alpha1.Homeserver
			s.get("demo", &hs)
			require.Equal(t, "db-1", hs.Status.Database.ID)
			require.Equal(t, before.Spec.Template, s.deployment("demo-persister").Spec.Template)

			s.setSecret("db", "postgres://one") // known to be right: no Job is needed
			s.condition(v1alpha1.ConditionDatabaseReady, "True", v1alpha1.ReasonMigrated)
		})
	}
}

func TestClaimedDatabaseIsRefused(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.demo()
	s.start()
	s.finish(s.running(), result("DatabaseClaimed", "The database is homeserver a/b's.", ""))
	c := s.condition(v1alpha1.ConditionDatabaseReady, "False", v1alpha1.ReasonDatabaseClaimed)
	require.Contains(t, c.Message, "database of its own")
}

func TestGeneratedSecretsAreNeverOverwritten(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	mine := s.secret("demo-signing-key", "")
	mine.Data = map[string][]byte{"signing.key": []byte("ed25519 a_mine AAAA")}
	s.create(mine)
	s.demo()
	s.start()
	s.finish(s.running(), result("Migrated", "", "db-1"))
	s.condition(v1alpha1.ConditionDatabaseReady, "True", v1alpha1.ReasonMigrated)

	var key, credential corev1.Secret
	s.get("demo-signing-key", &key)
	require.Equal(t, "ed25519 a_mine AAAA", string(key.Data["signing.key"]))
	s.get("demo-internal", &credential)
	require.GreaterOrEqual(t, len(credential.Data["credential"]), 32)
	version := credential.ResourceVersion

	s.stop()
	s.start()
	s.setSecret("db", "postgres://two")
	s.running() // a whole pass was made
	s.get("demo-internal", &credential)
	require.Equal(t, version, credential.ResourceVersion)
}

func TestReadyWhenEverythingIs(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.data.status = claimedBy("demo-all-0", 64)
	s.migrated(`{metadata: {name: demo-all}, spec: {roles: [gateway, client, persister, sync]}}`)
	s.condition(v1alpha1.ConditionReady, "False", v1alpha1.ReasonWorkersNotReady)
	s.ready("demo-all", 1)
	c := s.condition(v1alpha1.ConditionReady, "True", v1alpha1.ReasonReady)
	require.Contains(t, c.Message, "http://demo."+s.name+".svc")
	var hs v1alpha1.Homeserver
	s.get("demo", &hs)
	require.Equal(t, "64/64", hs.Status.Shards.Summary)
	require.Equal(t, "1/1", hs.Status.Workers.Summary)
	require.Nil(t, meta.FindStatusCondition(hs.Status.Conditions, v1alpha1.ConditionReconciling))
	require.Nil(t, meta.FindStatusCondition(hs.Status.Conditions, v1alpha1.ConditionStalled))
	require.WithinDuration(t, time.Now(), c.LastTransitionTime.Time, time.Minute)
}

// A Homeserver whose database is given by its parts is migrated there, and again when a part changes.
func TestDatabaseByParts(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.create(s.secret("cache", "redis://one"), object(t, homeserverYAML, partsChange("{}")))
	s.start()
	c := s.condition(v1alpha1.ConditionSecretsReady, "False", v1alpha1.ReasonSecretMissing)
	require.Contains(t, c.Message, "spec.postgres.parts.credentialsSecretRef")
	login := s.secret("login", "")
	login.Data = map[string][]byte{"username": []byte("m"), "password": []byte("hunter2")}
	s.create(login)
	first := s.running()
	require.Contains(t, first.Spec.Template.Spec.Containers[0].Env, corev1.EnvVar{
		Name: "MYELIN_POSTGRES_URI", Value: "postgres://db.example:5432/myelin?sslmode=require",
	})
	s.finish(first, result("Migrated", "", "db-1"))
	s.condition(v1alpha1.ConditionDatabaseReady, "True", v1alpha1.ReasonMigrated)

	var hs v1alpha1.Homeserver
	s.get("demo", &hs)
	patch := []byte(`{"spec":{"postgres":{"parts":{"port":6432}}}}`)
	require.NoError(t, cluster.Patch(t.Context(), &hs, client.RawPatch("application/merge-patch+json", patch)))
	second := s.running()
	require.NotEqual(t, first.Labels["myelin.dev/inputs"], second.Labels["myelin.dev/inputs"])
	require.True(t, hasArg(second, "--database-id=db-1"))
}
