package plan

import (
	"fmt"

	"github.com/myelin-hs/myelin/api/v1alpha1"
)

// A SecretKey is what was seen of a key that a Homeserver names, of a Secret, or of a ConfigMap if InConfigMap.
type SecretKey struct {
	Field       string // of the spec, for the message
	InConfigMap bool
	Secret, Key string
	Denied      bool // the operator may not read it
	SecretFound bool
	Lost        bool   // if it is not found: the operator made it once, and must not make another
	Content     []byte // empty: the key is missing or empty
}

// Secrets checks that all keys are there. The first that is not is named.
func Secrets(keys []SecretKey) Verdict {
	for _, k := range keys {
		kind := "Secret"
		if k.InConfigMap {
			kind = "ConfigMap"
		}
		if k.Denied {
			return no(v1alpha1.ReasonSecretForbidden,
				fmt.Sprintf("The operator may not read the %s %q that %s names: give it the verbs get and watch for this %[1]s by a "+
					"Role and a RoleBinding, as docs/install.md says.", kind, k.Secret, k.Field))
		}
		if !k.SecretFound && k.Lost {
			return no(v1alpha1.ReasonSecretMissing,
				fmt.Sprintf("The Secret %q with the server's signing key is gone, and with another key other servers would take this one for a "+
					"stranger: create it again from a backup, as docs/signing-keys.md says.", k.Secret))
		}
		if !k.SecretFound {
			return no(v1alpha1.ReasonSecretMissing,
				fmt.Sprintf("The %s %q that %s names does not exist: create it, or name another.", kind, k.Secret, k.Field))
		}
		if len(k.Content) == 0 {
			return no(v1alpha1.ReasonSecretKeyMissing,
				fmt.Sprintf("The %s %q that %s names has nothing under the key %q: add it, or name another key.", kind, k.Secret, k.Field, k.Key))
		}
	}
	return yes(v1alpha1.ReasonSecretsFound, "All secrets are there.")
}
