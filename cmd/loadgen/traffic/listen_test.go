package traffic

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestListenersWithoutAFirstAnswerAreNotWaitedForForEver(t *testing.T) {
	t.Parallel()
	for _, last := range []error{nil, errors.New("500 M_UNKNOWN: x")} {
		synctest.Test(t, func(t *testing.T) {
			var said []string
			l := &Load{listeners: make([]*user, 2)}
			l.cfg.Say = func(format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) }
			first := make(chan struct{}, 2)
			first <- struct{}{}
			begin, trouble := time.Now(), &lastError{}
			want := "1 of 2 listeners have the answer to their first /sync; the others have no answer yet"
			if last != nil {
				trouble.set(last)
				want = "1 of 2 listeners have the answer to their first /sync; the last error was: 500 M_UNKNOWN: x"
			}
			require.ErrorContains(t, l.gather(t.Context(), first, trouble, func() { t.Error("they are not ready") }), want)
			require.Equal(t, Ready, time.Since(begin))
			require.GreaterOrEqual(t, len(said), 9, "it is told on the way")
			require.Equal(t, want, said[0])
		})
	}
}
