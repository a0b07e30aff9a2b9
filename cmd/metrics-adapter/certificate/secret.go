package certificate

import (
	corev1 "k8s.io/api/core/v1"
)

const (
	keyNext    = "next.key"
	certNext   = "next.crt"
	keyTrusted = "ca.crt"
)

// read takes what is good from a Secret; what is not is as if it were not there, and so made anew.
func read(secret *corev1.Secret) state {
	var s state
	if p, err := parsePair(secret.Data[corev1.TLSCertKey], secret.Data[corev1.TLSPrivateKeyKey]); err == nil {
		s.serving = p
	}
	if p, err := parsePair(secret.Data[certNext], secret.Data[keyNext]); err == nil {
		s.next = p
	}
	if all, err := parseBundle(secret.Data[keyTrusted]); err == nil {
		s.trusted = all
	}
	return s
}

// write puts the state into the Secret and says whether that changed it.
func (s state) write(secret *corev1.Secret) (changed bool) {
	data := map[string][]byte{
		corev1.TLSCertKey: s.serving.certificate, corev1.TLSPrivateKeyKey: s.serving.key, keyTrusted: bundle(s.trusted),
	}
	if s.next != nil {
		data[certNext], data[keyNext] = s.next.certificate, s.next.key
	}
	changed = len(data) != len(secret.Data)
	for name, value := range data {
		changed = changed || string(secret.Data[name]) != string(value)
	}
	secret.Data, secret.Type = data, corev1.SecretTypeTLS
	return changed
}
