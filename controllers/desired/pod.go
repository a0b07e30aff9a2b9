package desired

import (
	corev1 "k8s.io/api/core/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
)

// The image's user, and where its binary is.
const (
	user         = 65532
	workerBinary = "/usr/local/bin/worker"
	secretsDir   = "/etc/myelin/secrets"
)

// podSpec is what every pod has in common: it satisfies Pod Security "restricted", has no API token, and does not get the
// namespace's Services as environment variables, which could be taken for settings.
func podSpec(h Homeserver, files []secretFile) *corev1ac.PodSpecApplyConfiguration {
	spec := corev1ac.PodSpec().
		WithAutomountServiceAccountToken(false).
		WithEnableServiceLinks(false).
		WithSecurityContext(corev1ac.PodSecurityContext().
			WithRunAsNonRoot(true).WithRunAsUser(user).WithRunAsGroup(user).WithFSGroup(user).
			WithFSGroupChangePolicy(corev1.FSGroupChangeOnRootMismatch).
			WithSeccompProfile(corev1ac.SeccompProfile().WithType(corev1.SeccompProfileTypeRuntimeDefault)))
	if len(files) > 0 {
		spec.WithVolumes(corev1ac.Volume().WithName("secrets").WithProjected(projection(files)))
	}
	for _, name := range h.PullSecrets {
		spec.WithImagePullSecrets(corev1ac.LocalObjectReference().WithName(name))
	}
	return spec
}

// container runs the worker binary with the secrets mounted.
func container(h Homeserver, files []secretFile, env []*corev1ac.EnvVarApplyConfiguration, name string, args ...string) *corev1ac.ContainerApplyConfiguration {
	c := corev1ac.Container().
		WithName(name).
		WithImage(h.Image).
		WithImagePullPolicy(corev1.PullIfNotPresent).
		WithCommand(workerBinary).
		WithArgs(args...).
		WithTerminationMessagePolicy(corev1.TerminationMessageFallbackToLogsOnError).
		WithSecurityContext(corev1ac.SecurityContext().
			WithAllowPrivilegeEscalation(false).
			WithReadOnlyRootFilesystem(true).
			WithRunAsNonRoot(true).
			WithCapabilities(corev1ac.Capabilities().WithDrop("ALL")).
			WithSeccompProfile(corev1ac.SeccompProfile().WithType(corev1.SeccompProfileTypeRuntimeDefault))).
		WithEnv(env...).
		WithEnv(fileEnv(files)...).
		WithEnv(h.Postgres.env()...)
	if len(files) > 0 {
		c.WithVolumeMounts(corev1ac.VolumeMount().WithName("secrets").WithMountPath(secretsDir).WithReadOnly(true))
	}
	return c
}

// secretFile puts a key into a file of the secrets directory; env is the setting that names the file.
type secretFile struct {
	env, file string
	key       Key
}

func workerFiles(h Homeserver) []secretFile {
	files := append(append(h.Postgres.files(), h.Redis.files()...),
		secretFile{"MYELIN_INTERNAL_CREDENTIAL_FILE", "internal-credential", h.Credential},
		secretFile{"MYELIN_SIGNING_KEY_FILE", "signing-key", h.SigningKey})
	if k := h.RegistrationToken; k != nil {
		files = append(files, secretFile{"MYELIN_REGISTRATION_TOKEN_FILE", "registration-token", *k})
	}
	if k := h.RegistrationSharedSecret; k != nil {
		files = append(files, secretFile{"MYELIN_REGISTRATION_SHARED_SECRET_FILE", "registration-shared-secret", *k})
	}
	return files
}

func projection(files []secretFile) *corev1ac.ProjectedVolumeSourceApplyConfiguration {
	p := corev1ac.ProjectedVolumeSource().WithDefaultMode(0o440)
	for _, f := range files {
		from, item := corev1ac.VolumeProjection(), corev1ac.KeyToPath().WithKey(f.key.Key).WithPath(f.file)
		if f.key.InConfigMap {
			from.WithConfigMap(corev1ac.ConfigMapProjection().WithName(f.key.Secret).WithItems(item))
		} else {
			from.WithSecret(corev1ac.SecretProjection().WithName(f.key.Secret).WithItems(item))
		}
		p.WithSources(from)
	}
	return p
}

func fileEnv(files []secretFile) []*corev1ac.EnvVarApplyConfiguration {
	var env []*corev1ac.EnvVarApplyConfiguration
	for _, f := range files {
		env = append(env, value(f.env, secretsDir+"/"+f.file))
	}
	return env
}

func value(name, v string) *corev1ac.EnvVarApplyConfiguration {
	return corev1ac.EnvVar().WithName(name).WithValue(v)
}

func field(name, path string) *corev1ac.EnvVarApplyConfiguration {
	return corev1ac.EnvVar().WithName(name).WithValueFrom(corev1ac.EnvVarSource().
		WithFieldRef(corev1ac.ObjectFieldSelector().WithAPIVersion("v1").WithFieldPath(path)))
}
