package keyring

import "time"

// ServerKeys is what a server with these keys, none of them old, answers.
func ServerKeys(keys []*Key, validUntil time.Time) ([]byte, error) {
	return serverKeys(keys, map[string]oldVerifyKey{}, validUntil)
}
