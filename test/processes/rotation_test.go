package processes_test

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/pkg/admin"
	"github.com/myelin-hs/myelin/test/processes"
)

// TestTheInternalCredentialIsReplacedUnderLoad replaces it in one worker after the other, as kubelets do, which bring a
// changed Secret into their pods minutes apart. No request may fail, and no process is started again.
func TestTheInternalCredentialIsReplacedUnderLoad(t *testing.T) {
	t.Parallel()
	h := newHomeserver(t)
	var all []*worker
	for _, roles := range []string{"gateway,client,sync", "persister", "persister"} {
		p, err := h.Prepare(roles)
		require.NoError(t, err)
		p.CredentialFile = filepath.Join(t.TempDir(), "credential")
		require.NoError(t, os.WriteFile(p.CredentialFile, []byte(processes.Credential), 0o600))
		w := &worker{p}
		h.run(w)
		w.awaitReady(t)
		all = append(all, w)
	}
	gateway := all[0]
	h.settle(gateway, all[1:]...)
	alice := register(t, gateway, "alice")
	tr := &traffic{acked: map[string][]string{}, heard: map[string][]string{}}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var writers sync.WaitGroup
	for range 12 {
		room := alice.createRoom()
		writers.Go(func() { tr.write(ctx, alice.at(gateway), room) })
	}
	acked := func() int {
		tr.mu.Lock()
		defer tr.mu.Unlock()
		n := 0
		for _, events := range tr.acked {
			n += len(events)
		}
		return n
	}
	const next = "another credential for tests, of 32 bytes"
	for _, w := range []*worker{all[1], gateway, all[2]} {
		require.NoError(t, os.WriteFile(w.CredentialFile+".new", []byte(next), 0o600))
		require.NoError(t, os.Rename(w.CredentialFile+".new", w.CredentialFile))
		client := admin.NewClient("http://"+w.Internal, next, nil)
		require.Eventually(t, func() bool {
			_, err := client.Ping(t.Context())
			return err == nil
		}, 2*time.Minute, 50*time.Millisecond, "the worker takes up the new one")
		before := acked()
		require.Eventually(t, func() bool { return acked() >= before+60 }, 2*time.Minute, 50*time.Millisecond)
	}
	stop()
	writers.Wait()
	require.Empty(t, tr.failures)
	for _, w := range all {
		select {
		case <-w.Exited():
			require.Fail(t, "a worker ended")
		default:
		}
	}
}
