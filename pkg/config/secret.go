package config

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
)

// maxSecret bounds a file that holds a secret, in bytes.
const maxSecret = 64 << 10

// A Secret is a text that must not show: every way of printing, logging or encoding it gives ***.
type Secret struct{ text, path string }

// NewSecret wraps a text.
func NewSecret(text string) Secret { return Secret{text: text} }

// Current reads the secret anew from the file that it came from, whose content may have been replaced. A secret that came
// from elsewhere stays what it is.
func (s Secret) Current() (string, error) {
	if s.path == "" {
		return s.text, nil
	}
	now, err := readSecret(s.path)
	return now.text, err
}

// Reveal returns the text.
func (s Secret) Reveal() string { return s.text }

// Empty reports whether there is no secret.
func (s Secret) Empty() bool { return s.text == "" }

func (s Secret) String() string {
	if s.text == "" {
		return ""
	}
	return "***"
}

// Format covers every verb of fmt.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue covers slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText covers encoding/json and its kin.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// readSecret reads a file of at most 64 KiB and drops white space around the text.
func readSecret(path string) (Secret, error) {
	f, err := os.Open(path)
	if err != nil {
		return Secret{}, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err != nil {
		return Secret{}, err
	}
	if len(text) > maxSecret {
		return Secret{}, fmt.Errorf("%s is larger than %d bytes", path, maxSecret)
	}
	s := Secret{strings.TrimSpace(string(text)), path}
	if s.Empty() {
		return Secret{}, fmt.Errorf("%s is empty", path)
	}
	return s, nil
}
