package desired

import (
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"

	"github.com/myelin-hs/myelin/api/v1alpha1"
)

// Key is a key in a Secret; if InConfigMap, in a ConfigMap, whose name Secret is then.
type Key struct {
	Secret, Key string
	InConfigMap bool
}

// Owner is the object that owns what is built, as its controller.
type Owner struct{ Kind, Name, UID string }

// Homeserver is what builders need to know of a Homeserver. Optional keys are nil when unset.
type Homeserver struct {
	Namespace, Name, ServerName, Image, PublicBaseURL string
	PullSecrets                                       []string
	Postgres                                          Postgres
	Redis                                             Redis
	Credential, SigningKey                            Key
	RegistrationMode                                  string
	RegistrationToken, RegistrationSharedSecret       *Key
	Shards                                            int32
	Migration                                         v1alpha1.MigrationJob
	// DatabaseID is the recorded database; empty before the first migration.
	DatabaseID string
	// Inputs is the keyed hash that the migration Job, or the workers, are made for.
	Inputs string
}

// HomeserverOf extracts what builders need. Inputs are left to the caller.
func HomeserverOf(hs *v1alpha1.Homeserver) Homeserver {
	d := Homeserver{
		Namespace: hs.Namespace, Name: hs.Name, ServerName: hs.Spec.ServerName, Image: hs.Spec.Image,
		PublicBaseURL:            hs.Spec.PublicBaseURL,
		Postgres:                 postgresOf(hs.Spec.Postgres),
		Redis:                    redisOf(hs.Spec.Redis),
		Credential:               Key{Secret: CredentialSecret(hs.Name), Key: "credential"},
		SigningKey:               Key{Secret: SigningKeySecret(hs.Name), Key: "signing.key"},
		RegistrationMode:         string(hs.Spec.Registration.Mode),
		RegistrationToken:        keyOf(hs.Spec.Registration.TokenSecretRef),
		RegistrationSharedSecret: keyOf(hs.Spec.Registration.SharedSecretRef),
		Shards:                   hs.Spec.Shards,
		Migration:                hs.Spec.Migration,
	}
	if k := keyOf(hs.Spec.InternalCredentialSecretRef); k != nil {
		d.Credential = *k
	}
	if k := keyOf(hs.Spec.SigningKeySecretRef); k != nil {
		d.SigningKey = *k
	}
	for _, s := range hs.Spec.ImagePullSecrets {
		d.PullSecrets = append(d.PullSecrets, s.Name)
	}
	if hs.Status.Database != nil {
		d.DatabaseID = hs.Status.Database.ID
	}
	return d
}

func keyOf(ref *v1alpha1.SecretKeyRef) *Key {
	if ref == nil {
		return nil
	}
	return &Key{Secret: ref.Name, Key: ref.Key}
}

// authority is where a certificate authority is, and the field that says so, below the given one; nil: none is named.
func authority(field string, secret *v1alpha1.SecretKeyRef, configMap *v1alpha1.ConfigMapKeyRef) (*Key, string) {
	if configMap != nil {
		return &Key{Secret: configMap.Name, Key: configMap.Key, InConfigMap: true}, field + ".caConfigMapRef"
	}
	return keyOf(secret), field + ".caSecretRef"
}

// A Reference is a key of a Secret or ConfigMap, the field of the spec that names it, and who has to be told when its content changes.
type Reference struct {
	Field string
	Key
	Use Use
}

// Use says what becomes of a secret that has changed.
type Use int

const (
	// ReadAnew: workers take it up by themselves.
	ReadAnew Use = iota
	// Verified: workers take it up by themselves, and the migration Job says whether it is good.
	Verified
	// ReadAtStart: workers are rolled.
	ReadAtStart
	// RedisURI: workers take the login in it up by themselves, and are rolled when it leads elsewhere.
	RedisURI
)

// References are all the keys of Secrets and ConfigMaps that the homeserver's pods read.
func (h Homeserver) References() []Reference {
	all := append(append(h.Postgres.references(), h.Redis.references()...),
		Reference{"spec.internalCredentialSecretRef", h.Credential, ReadAnew},
		Reference{"spec.signingKeySecretRef", h.SigningKey, ReadAtStart})
	if k := h.RegistrationToken; k != nil {
		all = append(all, Reference{"spec.registration.tokenSecretRef", *k, ReadAtStart})
	}
	if k := h.RegistrationSharedSecret; k != nil {
		all = append(all, Reference{"spec.registration.sharedSecretRef", *k, ReadAtStart})
	}
	return all
}

// ID claims the database for this Homeserver. It is a name and not a uid, so that a Homeserver that is deleted and made
// again, or restored in another cluster, finds its own database.
func (h Homeserver) ID() string { return h.Namespace + "/" + h.Name }

// CredentialSecret is the Secret that the operator makes for the internal credential.
func CredentialSecret(homeserver string) string { return homeserver + "-internal" }

// SigningKeySecret is the Secret that the operator makes for the signing key.
func SigningKeySecret(homeserver string) string { return homeserver + "-signing-key" }

func (o Owner) reference() *metav1ac.OwnerReferenceApplyConfiguration {
	return metav1ac.OwnerReference().
		WithAPIVersion(v1alpha1.GroupVersion.String()).WithKind(o.Kind).WithName(o.Name).WithUID(uid(o.UID)).
		WithController(true).WithBlockOwnerDeletion(true)
}
