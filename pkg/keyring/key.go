package keyring

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"

	"github.com/myelin-hs/myelin/pkg/id"
)

const algorithm = "ed25519"

// A Key signs in the name of a homeserver. It does not change and may be used by many goroutines. It is an
// event.Signer.
type Key struct {
	server  id.ServerName
	version string
	private ed25519.PrivateKey
}

// Generate makes a new key for a server, with a random version "a_xxxx".
func Generate(server id.ServerName) (*Key, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generate signing key: %w", err)
	}
	return &Key{server: server, version: "a_" + strings.ToLower(rand.Text()[:6]), private: private}, nil
}

// maxKeys bounds the keys of a file, and those of another server.
const maxKeys = 64

// ParseFile reads a key file: in each line one key, "ed25519 version seed", the seed of 32 bytes in base64. Empty lines
// and lines that begin with # are skipped. It returns 1 to 64 keys with different versions, in the order of the file,
// where the newest is last. No error contains any part of the file.
func ParseFile(server id.ServerName, file []byte) ([]*Key, error) {
	var keys []*Key
	for line := range strings.Lines(string(file)) {
		fields := strings.Fields(line)
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		key, err := parseLine(server, fields)
		if err != nil {
			return nil, fmt.Errorf("parse signing key %d: %w", len(keys)+1, err)
		}
		if slices.ContainsFunc(keys, func(k *Key) bool { return k.version == key.version }) {
			return nil, fmt.Errorf("parse signing key %d: another key has the same version", len(keys)+1)
		}
		if keys = append(keys, key); len(keys) > maxKeys {
			return nil, fmt.Errorf("parse signing keys: more than %d", maxKeys)
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("parse signing keys: there is none")
	}
	return keys, nil
}

// Parse is [ParseFile] of a file that holds one key.
func Parse(server id.ServerName, file []byte) (*Key, error) {
	keys, err := ParseFile(server, file)
	if err != nil {
		return nil, err
	}
	if len(keys) > 1 {
		return nil, errors.New("parse signing key: more than one key")
	}
	return keys[0], nil
}

func parseLine(server id.ServerName, fields []string) (*Key, error) {
	if len(fields) != 3 {
		return nil, errors.New("not three fields: algorithm, version, seed")
	}
	if fields[0] != algorithm {
		return nil, errors.New("the algorithm is not " + algorithm)
	}
	if !validVersion(fields[1]) {
		return nil, errors.New("the version is not of letters, digits and _")
	}
	seed, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(fields[2], "="))
	if err != nil || len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("the seed is not %d bytes in base64", ed25519.SeedSize)
	}
	return &Key{server: server, version: fields[1], private: ed25519.NewKeyFromSeed(seed)}, nil
}

// validVersion checks the grammar of key versions (server-server API, "Publishing Keys").
func validVersion(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_') {
			return false
		}
	}
	return s != "" && len(s) <= 64
}

// FileFormat returns the key as [ParseFile] reads it: the secret itself.
func (k *Key) FileFormat() []byte {
	return fmt.Appendf(nil, "%s %s %s\n", algorithm, k.version, base64.RawStdEncoding.EncodeToString(k.private.Seed()))
}

// ServerName returns the server in whose name the key signs.
func (k *Key) ServerName() id.ServerName { return k.server }

// KeyID returns the signing key identifier, "ed25519:version".
func (k *Key) KeyID() string { return algorithm + ":" + k.version }

// Public returns the public half.
func (k *Key) Public() ed25519.PublicKey { return k.private.Public().(ed25519.PublicKey) }

// Sign returns the signature of the bytes, 64 bytes long.
func (k *Key) Sign(message []byte) []byte { return ed25519.Sign(k.private, message) }

const redacted = "***"

// String returns ***.
func (k *Key) String() string { return redacted }

// GoString returns ***.
func (k *Key) GoString() string { return redacted }

// Format prints *** for every verb.
func (k *Key) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, redacted) }

// LogValue returns ***.
func (k *Key) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText returns ***, so that no encoder writes the secret.
func (k *Key) MarshalText() ([]byte, error) { return []byte(redacted), nil }
