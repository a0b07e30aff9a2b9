package auth

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/mxerr"
)

func TestHashAndVerify(t *testing.T) {
	t.Parallel()
	h := newHasher()
	one, err := h.hash(t.Context(), "correct horse")
	require.NoError(t, err)
	require.Regexp(t, `^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$`, one)
	two, err := h.hash(t.Context(), "correct horse")
	require.NoError(t, err)
	require.NotEqual(t, one, two, "every hash has a salt of its own")

	for password, want := range map[Secret]bool{"correct horse": true, "correct hors": false, "": false} {
		got, err := h.verify(t.Context(), one, password)
		require.NoError(t, err)
		require.Equal(t, want, got, string(password))
	}
}

func TestVerifyRefusesWhatIsNoHashOrWouldTakeAllMemory(t *testing.T) {
	t.Parallel()
	salt, key := strings.Repeat("A", 22), strings.Repeat("A", 43)
	for _, s := range []string{
		"", "secret", "$argon2i$v=19$m=19456,t=2,p=1$" + salt + "$" + key, "$argon2id$v=18$m=19456,t=2,p=1$" + salt + "$" + key,
		"$argon2id$v=19$m=99999999,t=2,p=1$" + salt + "$" + key, "$argon2id$v=19$m=19456,t=0,p=1$" + salt + "$" + key,
		"$argon2id$v=19$m=19456,t=2,p=1$" + salt + "$", "$argon2id$v=19$m=19456,t=2,p=1$!$" + key,
	} {
		_, err := newHasher().verify(t.Context(), s, "x")
		require.ErrorIs(t, err, errPHC, s)
	}
}

func TestHashingIsBounded(t *testing.T) {
	t.Parallel()
	h := newHasher()
	for range maxHashing {
		_, err := h.enter(t.Context())
		require.NoError(t, err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := h.enter(cancelled)
	require.ErrorIs(t, err, context.Canceled, "no more than maxHashing at once")
	h.waiting.Store(maxWaiting)
	_, err = h.enter(t.Context())
	require.True(t, mxerr.Is(err, mxerr.CodeLimitExceeded), "nor more than maxWaiting that wait")
	require.EqualValues(t, maxWaiting, h.waiting.Load())
}

func TestSecretsDoNotPrint(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	s := Session{AccessToken: "hunter2"}
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "token", s.AccessToken)
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "session", s)
	require.NotContains(t, log.String()+fmt.Sprintf("%v %+v %#v %s %q", s, s, s, s.AccessToken, s.AccessToken), "hunter2")
}
