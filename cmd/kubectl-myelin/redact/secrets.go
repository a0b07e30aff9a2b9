package redact

import (
	"regexp"
	"strings"
	"unicode"
)

// secretWords in a key say that its value is secret; writtenWords that it is what people wrote, or chose for themselves.
const (
	secretWords  = `password|passwd|passphrase|secret|token|credential|authorization|cookie|api_?key|private_?key|signing_?key|signature|seed|salt|sig`
	writtenWords = `content|body|formatted_body|displayname|display_name|username|localpart|avatar_url|topic|event_json|prev_content|unsigned`
)

var (
	privateKey = regexp.MustCompile(`(?s)-----BEGIN [A-Z ]+-----.*?(-----END [A-Z ]+-----|\z)`)
	userinfo   = regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://)[^\s<>]*@`)
	bearer     = regexp.MustCompile(`(?i)\b(bearer|basic|x-matrix)\s+[^\s"']+("[^"]*"[^\s"']*)*`)
	assigned   = regexp.MustCompile(`(?i)([\w.-]*(?:` + secretWords + `|` + writtenWords + `)[\w.-]*)(\\?["']?\s*[:=]\s*)` +
		`(\\"(?:[^"\\]|\\[^"])*\\"|"(?:[^"\\]|\\.)*"?|'[^']*'?|[{\[].*|[^\s,;&"'}\]]+)`)
	flagged    = regexp.MustCompile(`(?i)(--[\w-]*(?:` + secretWords + `)[\w-]*)(\s+)([^\s-][^\s]*)`)
	ourToken   = regexp.MustCompile(`\b(myt|syt|mat|mct)_[A-Za-z0-9_-]{6,}`)
	keySeed    = regexp.MustCompile(`\b(ed25519\s+\S+\s+)[A-Za-z0-9+/]{20,}={0,2}`)
	longHex    = regexp.MustCompile(`(?:sha256:)?\b[0-9a-fA-F]{32,}\b`)
	longRandom = regexp.MustCompile(`[A-Za-z0-9+/_-]{32,}={0,2}`)

	secretKey  = regexp.MustCompile(`(?i)(` + secretWords + `)`)
	writtenKey = regexp.MustCompile(`(?i)^(` + writtenWords + `)$`)
	// aboutSecrets are keys that name where a secret is, or count, and hold none.
	aboutSecrets = regexp.MustCompile(`(?i)(ref|refs|name|names|path|file|mount|mounts|automountserviceaccounttoken|seconds|count|type|ready|reason|volumes?)$`)
)

// secret says that what is under the key is secret.
func secret(key string) bool { return secretKey.MatchString(key) && !aboutSecrets.MatchString(key) }

// written says that what is under the key is what people wrote.
func written(key string) bool { return writtenKey.MatchString(key) }

// sentence redacts one string.
func (r *Redactor) sentence(text string) string {
	for _, known := range r.known {
		text = strings.ReplaceAll(text, known, Gone)
	}
	text = privateKey.ReplaceAllString(text, Gone)
	text = userinfo.ReplaceAllString(text, "${1}"+Gone+"@")
	text = bearer.ReplaceAllString(text, "$1 "+Gone)
	text = keySeed.ReplaceAllString(text, "${1}"+Gone)
	text = assigned.ReplaceAllStringFunc(text, func(match string) string {
		parts := assigned.FindStringSubmatch(match)
		if !written(lastPart(parts[1])) && !secret(parts[1]) {
			return match
		}
		return parts[1] + parts[2] + Gone
	})
	text = flagged.ReplaceAllStringFunc(text, func(match string) string {
		parts := flagged.FindStringSubmatch(match)
		if !secret(parts[1]) {
			return match
		}
		return parts[1] + parts[2] + Gone
	})
	text = ourToken.ReplaceAllString(text, Gone)
	text = r.names(text)
	text = longHex.ReplaceAllStringFunc(text, func(match string) string {
		if strings.HasPrefix(match, "sha256:") {
			return match // of an image
		}
		return Gone
	})
	return longRandom.ReplaceAllStringFunc(text, func(match string) string {
		if random(match) {
			return Gone
		}
		return match
	})
}

// lastPart of a dotted key, as in event.content.
func lastPart(key string) string { return key[strings.LastIndexByte(key, '.')+1:] }

// random says that text mixes what words and names of resources do not: capitals, small letters and digits.
func random(text string) bool {
	var upper, lower, digit bool
	for _, c := range text {
		upper, lower, digit = upper || unicode.IsUpper(c), lower || unicode.IsLower(c), digit || unicode.IsDigit(c)
	}
	return upper && lower && digit
}
