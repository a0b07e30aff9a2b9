package internalauth

import (
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// MinCredential is how many bytes a credential has at least, MaxCredentials how many there are at most at a time.
const (
	MinCredential  = 32
	MaxCredentials = 4
)

// Credentials are what all workers of a homeserver share: one, or, while it is replaced, several, a line each. A request
// carries an HMAC by each of them, and is believed by who knows any. One that was taken away stays good for Window, so that
// workers that learn of a replacement at different times, as they do from a mounted Secret, never refuse each other.
type Credentials struct {
	mu    sync.RWMutex
	known []credential // the given ones in their order, then those that were taken away, the newest first
	now   func() time.Time
}

type credential struct {
	text  string
	key   []byte
	until time.Time // zero: it was not taken away
}

// NewCredentials takes the lines of text, of which blank ones count for nothing.
func NewCredentials(text string) *Credentials {
	c := &Credentials{now: time.Now}
	for _, line := range lines(text) {
		c.known = append(c.known, credential{text: line, key: derive(line)})
	}
	return c
}

func lines(text string) []string {
	var all []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && !slices.Contains(all, line) {
			all = append(all, line)
		}
	}
	return all
}

// derive makes a key of one length, for this use only.
func derive(credential string) []byte {
	h := hmac.New(sha256.New, []byte(credential))
	h.Write([]byte("myelin internal request " + version))
	return h.Sum(nil)
}

// Check says what is wrong with the text of a Secret that holds credentials.
func Check(text string) error {
	all := lines(text)
	if len(all) == 0 {
		return errors.New("there is no credential")
	}
	if len(all) > MaxCredentials {
		return fmt.Errorf("there are %d credentials, a line each, at most %d may be", len(all), MaxCredentials)
	}
	for i, line := range all {
		if len(line) < MinCredential {
			return fmt.Errorf("credential %d has %d bytes, at least %d are needed", i+1, len(line), MinCredential)
		}
	}
	return nil
}

// Replace takes the credentials of text instead of those before, and reports whether there is any difference. If the text
// will not do, as Check says, nothing changes.
func (c *Credentials) Replace(text string) (bool, error) {
	if err := Check(text); err != nil {
		return false, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	next := NewCredentials(text).known
	changed := false
	for i, given := range next {
		changed = changed || i >= len(c.known) || c.known[i].text != given.text || !c.known[i].until.IsZero()
	}
	now := c.now()
	for _, k := range c.known {
		if slices.ContainsFunc(next, func(n credential) bool { return n.text == k.text }) {
			continue
		}
		if k.until.IsZero() {
			changed, k.until = true, now.Add(Window)
		}
		if k.until.After(now) && len(next) < 2*MaxCredentials {
			next = append(next, k)
		}
	}
	c.known = next
	return changed, nil
}

// Keys are the keys of all credentials that are good now, the oldest last.
func (c *Credentials) Keys() [][]byte {
	c.mu.RLock()
	defer c.mu.RUnlock()
	now := c.now()
	var keys [][]byte
	for _, k := range c.known {
		if k.until.IsZero() || k.until.After(now) {
			keys = append(keys, k.key)
		}
	}
	return keys
}

// Text is what NewCredentials makes the same of.
func (c *Credentials) Text() string {
	c.mu.RLock()
	defer c.mu.RUnlock()
	var all []string
	for _, k := range c.known {
		all = append(all, k.text)
	}
	return strings.Join(all, "\n")
}

// Signer signs by all of them.
func (c *Credentials) Signer() *Signer { return &Signer{credentials: c, now: time.Now} }

// Verifier believes each of them.
func (c *Credentials) Verifier() *Verifier { return &Verifier{credentials: c, now: time.Now} }
