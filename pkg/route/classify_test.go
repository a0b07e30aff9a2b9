package route

import (
	"context"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// suspicious is a Directory that is only told whom to suspect.
type suspicious struct {
	Directory
	why Evidence
}

func (s *suspicious) Suspect(_ int64, why Evidence) { s.why = why }

func TestADialThatHangsIsNotOneThatIsRefused(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]Evidence{
		syscall.ECONNREFUSED: Refused, syscall.ECONNRESET: Refused, os.ErrDeadlineExceeded: Silent, context.DeadlineExceeded: Silent,
	} {
		s := &suspicious{why: -1}
		v, _, _ := New(s, Options{}).classify(t.Context(), Worker{ID: 2}, &dialError{err})
		require.Equal(t, refused, v)
		require.Equal(t, want, s.why, "%v", err)
	}
}
