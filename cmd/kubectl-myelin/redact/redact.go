// Package redact takes out of text and of resources what must not leave a cluster in an archive for support.
//
// Secrets go: passwords in URIs, values whose key says that they are secret, bearer and access tokens, private keys, seeds
// of signing keys, and whatever else is long and looks random. What people wrote goes: contents and bodies of events,
// names, topics. Who they are is replaced by a pseudonym: user, room, event and alias ids, e-mail and IP addresses. One
// name has one pseudonym within one archive, so that lines can be followed; the key that it is computed with is thrown
// away, so that nobody can try names until one fits. What stays are names of the homeserver, of pods and other resources,
// numbers, times and sentences. It errs towards taking out too much.
package redact

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"strings"
)

// Gone stands where something was taken out.
const Gone = "[redacted]"

// A Redactor is for one archive. It may be used by several goroutines.
type Redactor struct {
	key   []byte
	known []string
}

// New makes a redactor with a random key. Known secrets are taken out wherever they stand.
func New(known ...string) *Redactor {
	r := &Redactor{key: make([]byte, 32)}
	_, _ = rand.Read(r.key) // never fails
	for _, secret := range known {
		if secret = strings.TrimSpace(secret); len(secret) >= 4 {
			r.known = append(r.known, secret)
		}
	}
	return r
}

// Text redacts text of any form, line by line. Lines that are JSON objects, as logs may be, are redacted by key as well.
func (r *Redactor) Text(text []byte) []byte {
	text = privateKey.ReplaceAll(text, []byte(Gone))
	var out bytes.Buffer
	for line := range bytes.Lines(text) {
		end := []byte{}
		if bytes.HasSuffix(line, []byte("\n")) {
			line, end = line[:len(line)-1], []byte("\n")
		}
		out.WriteString(r.line(string(line)))
		out.Write(end)
	}
	return out.Bytes()
}

func (r *Redactor) line(line string) string {
	if strings.HasPrefix(strings.TrimSpace(line), "{") {
		decoder := json.NewDecoder(strings.NewReader(line))
		decoder.UseNumber()
		var object map[string]any
		if decoder.Decode(&object) == nil && decoder.Decode(&struct{}{}) == io.EOF {
			var out bytes.Buffer
			encoder := json.NewEncoder(&out)
			encoder.SetEscapeHTML(false)
			if encoder.Encode(r.Value(object)) == nil {
				return strings.TrimSuffix(out.String(), "\n")
			}
		}
	}
	return r.sentence(line)
}

// Value redacts what was decoded from JSON or YAML: strings as text, and whole those under keys that say what they hold.
func (r *Redactor) Value(v any) any { return r.value("", v) }

func (r *Redactor) value(key string, v any) any {
	switch v := v.(type) {
	case map[string]any:
		if written(key) {
			return Gone
		}
		out := make(map[string]any, len(v))
		for k, x := range v {
			out[r.sentence(k)] = r.value(k, x)
		}
		return out
	case []any:
		if written(key) || secret(key) {
			return Gone
		}
		out := make([]any, len(v))
		for i, x := range v {
			out[i] = r.value(key, x)
		}
		return out
	case string:
		if v != "" && (written(key) || secret(key)) {
			return Gone
		}
		return r.sentence(v)
	case json.Number:
		if secret(key) {
			return Gone
		}
		return v
	default:
		return v
	}
}

// pseudonym of a name: the same for the same name in one archive.
func (r *Redactor) pseudonym(kind, name string) string {
	h := hmac.New(sha256.New, r.key)
	h.Write([]byte(name))
	return kind + "-" + hex.EncodeToString(h.Sum(nil)[:5])
}
