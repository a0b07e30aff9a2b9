package desired

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// Inputs hashes the image and the contents of secrets, keyed by the signing key, so that the hash, which is public, tells
// nothing about a weak password. 10 hex digits.
func Inputs(signingKey []byte, image string, contents ...[]byte) string {
	mac := hmac.New(sha256.New, signingKey)
	fmt.Fprintf(mac, "%d:%s", len(image), image)
	for _, c := range contents {
		fmt.Fprintf(mac, "%d:", len(c))
		mac.Write(c)
	}
	return hex.EncodeToString(mac.Sum(nil))[:10]
}

// InputsOf hashes what the migration Job, and what the workers, are made for, given the contents of the References in
// their order. A secret that workers take up by themselves is in neither, or in the Job's alone.
func (h Homeserver) InputsOf(contents [][]byte) (job, pods string) {
	var signingKey []byte
	verified, atStart := [][]byte{[]byte(h.Postgres.URI)}, [][]byte{}
	for i, r := range h.References() {
		switch content := contents[i]; r.Use {
		case Verified:
			verified = append(verified, content)
		case ReadAtStart:
			atStart = append(atStart, content)
		case RedisURI:
			atStart = append(atStart, []byte(withoutLogin(string(content))))
		}
		if r.Key == h.SigningKey {
			signingKey = contents[i]
		}
	}
	return Inputs(signingKey, h.Image, verified...), Inputs(signingKey, "", atStart...)
}

// withoutLogin takes user and password out of a URI.
func withoutLogin(uri string) string {
	scheme, rest, _ := strings.Cut(uri, "://")
	end := len(rest)
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		end = i
	}
	return scheme + "://" + rest[strings.LastIndexByte(rest[:end], '@')+1:]
}
