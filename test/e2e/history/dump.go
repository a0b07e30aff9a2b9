package history

import (
	"encoding/json"
	"os"
)

// Dump writes all that was recorded to a file, as JSON.
func (h *History) Dump(path string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	text, err := json.MarshalIndent(struct {
		Sent   []Sent
		Seen   []Seen
		Read   []Read
		Stored []Stored
		Member map[string][]string
	}{h.sent, h.seen, h.read, h.stored, h.member}, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o644)
}
