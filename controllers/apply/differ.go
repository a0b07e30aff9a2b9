package apply

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// withMark is the desired object with its hash as an annotation. The hash tells of what holds cannot see: a field that was
// desired once, and is no more.
func withMark(desired runtime.ApplyConfiguration) (*unstructured.Unstructured, string, error) {
	text, err := json.Marshal(desired)
	if err != nil {
		return nil, "", err
	}
	u := &unstructured.Unstructured{}
	if err := json.Unmarshal(text, &u.Object); err != nil {
		return nil, "", err
	}
	sum := sha256.Sum256(text)
	hash := hex.EncodeToString(sum[:16])
	annotations := u.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[mark] = hash
	u.SetAnnotations(annotations)
	return u, hash, nil
}

// holds says whether every field that is desired has its value in the live object, whatever else that has.
func holds(live client.Object, desired *unstructured.Unstructured) bool {
	text, err := json.Marshal(live)
	if err != nil {
		return false
	}
	var have map[string]any
	if json.Unmarshal(text, &have) != nil {
		return false
	}
	want := desired.DeepCopy().Object
	delete(want, "apiVersion") // which typed objects from a cache do not name
	delete(want, "kind")
	if !ownersHeld(have, want) {
		return false
	}
	unstructured.RemoveNestedField(want, "metadata", "ownerReferences")
	return covers(have, want)
}

// ownersHeld looks for each desired owner among those that there are: others may add theirs.
func ownersHeld(have, want map[string]any) bool {
	there, _, _ := unstructured.NestedSlice(have, "metadata", "ownerReferences")
	wanted, _, _ := unstructured.NestedSlice(want, "metadata", "ownerReferences")
	for _, w := range wanted {
		if !slices.ContainsFunc(there, func(h any) bool { return covers(h, w) }) {
			return false
		}
	}
	return true
}

// covers says whether have holds all that want says. Lists have to be of one length: where somebody else adds to one, the
// object is applied at each pass, which then changes nothing.
func covers(have, want any) bool {
	switch w := want.(type) {
	case map[string]any:
		h, ok := have.(map[string]any)
		if !ok {
			return have == nil && len(w) == 0
		}
		for k, v := range w {
			if !covers(h[k], v) {
				return false
			}
		}
		return true
	case []any:
		h, _ := have.([]any)
		if len(h) != len(w) {
			return false
		}
		for i := range w {
			if !covers(h[i], w[i]) {
				return false
			}
		}
		return true
	case nil:
		return true
	default:
		// Typed objects leave out what is empty.
		return have == want || have == nil && (want == "" || want == false || want == float64(0))
	}
}
