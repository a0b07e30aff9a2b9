package desired

import (
	"encoding/base64"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/myelin-hs/myelin/api/v1alpha1"
)

// CredentialLength and SigningSeedLength are how many random bytes the generated secrets are made from.
const (
	CredentialLength  = 32
	SigningSeedLength = 32 + 2
)

// InternalCredential is the Secret with the credential that workers share, from CredentialLength random bytes. It is
// created, never applied: what is there already is left alone.
func InternalCredential(h Homeserver, o Owner, random []byte) *corev1.Secret {
	return secret(h, h.Credential, o, base64.RawURLEncoding.EncodeToString(random))
}

// SigningKey is the Secret with the server's signing key, from SigningSeedLength random bytes: an ed25519 seed, and two
// bytes for the key's id. It has no owner: with the key gone no other server believes this one's history any more, so it
// outlives the Homeserver.
func SigningKey(h Homeserver, random []byte) *corev1.Secret {
	seed, id := random[:32], random[32:SigningSeedLength]
	s := secret(h, h.SigningKey, Owner{}, fmt.Sprintf("ed25519 a_%x %s\n", id, base64.RawStdEncoding.EncodeToString(seed)))
	s.OwnerReferences = nil
	return s
}

func secret(h Homeserver, key Key, o Owner, content string) *corev1.Secret {
	yes := true
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Name: key.Secret, Namespace: h.Namespace, Labels: managed(h.Name),
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: v1alpha1.GroupVersion.String(), Kind: o.Kind, Name: o.Name, UID: uid(o.UID),
				Controller: &yes, BlockOwnerDeletion: &yes,
			}},
		},
		Type: corev1.SecretTypeOpaque,
		Data: map[string][]byte{key.Key: []byte(content)},
	}
}
