package command_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myelin-hs/myelin/cmd/loadgen/command"
	"github.com/myelin-hs/myelin/cmd/loadgen/measure"
)

// small is a load that takes a moment.
var small = []string{"--rooms=3", "--users=3", "--members=2", "--rate=200", "--duration=300ms", "--warmup=0s", "--deadline=1m", "--patience=1m"}

func load(t *testing.T, h *homeserver, args ...string) (command.Report, int) {
	t.Helper()
	var out, progress bytes.Buffer
	code := command.Main(t.Context(), append(append([]string{"--base=" + h.start(t), "--json"}, small...), args...), &out, &progress)
	var r command.Report
	if code != 1 && code != 2 {
		require.NoError(t, json.Unmarshal(out.Bytes(), &r), "%s%s", &out, &progress)
	}
	t.Log(progress.String())
	return r, code
}

func TestEveryProfileVerifiesWhatArrives(t *testing.T) {
	t.Parallel()
	for profile, kinds := range map[string][]string{
		"send": {"send", "deliver"}, "sync": {"sync", "send"}, "mixed": {"send", "deliver"}, "first-sync": {"first-sync"}, "fanout": {"send", "deliver"},
	} {
		t.Run(profile, func(t *testing.T) {
			t.Parallel()
			r, code := load(t, &homeserver{}, "--profile="+profile)
			require.Zero(t, code)
			require.True(t, r.Result.Verdict.OK())
			require.True(t, r.Result.Complete)
			var got []string
			requests := 0
			for _, row := range r.Result.Rows {
				got = append(got, row.Kind)
				require.Positive(t, row.OK, row.Kind)
				require.Zero(t, row.Failed)
				if row.Kind != "deliver" {
					requests += row.OK
				}
			}
			require.Equal(t, kinds, got)
			require.Equal(t, 60, requests, "none is left out")
			if send, sends := measure.Find(r.Result.Rows, "send"); sends {
				require.Equal(t, send.OK, r.Result.Verdict.Acknowledged)
				require.Positive(t, r.Result.Verdict.Delivered)
				require.Zero(t, r.Result.Verdict.Delivered%send.OK, "each came to each listener")
			}
		})
	}
}

func TestASendThatIsOneOfTenReachesEveryRoom(t *testing.T) {
	t.Parallel()
	h := &homeserver{}
	_, code := load(t, h, "--profile=sync", "--rooms=5", "--users=5", "--members=5", "--rate=1000", "--duration=100ms")
	require.Zero(t, code)
	rooms := map[string]bool{}
	for _, e := range h.events {
		rooms[e.room] = true
	}
	require.Len(t, rooms, 5)
}

func TestMixedLeavesOutWhatIsNotServed(t *testing.T) {
	t.Parallel()
	r, code := load(t, &homeserver{extra: true}, "--profile=mixed", "--rate=1130", "--duration=100ms")
	require.Zero(t, code)
	made := map[string]int{}
	for _, row := range r.Result.Rows {
		made[row.Kind] = row.OK
	}
	delete(made, "deliver")
	require.Equal(t, map[string]int{"send": 35, "receipt": 34, "account-data": 44}, made, "by their weights, in 113 requests")
	require.Len(t, r.Unserved, 2)
}

func TestWhatFailsIsCountedAndWhy(t *testing.T) {
	t.Parallel()
	r, code := load(t, &homeserver{refuse: func(n int) int {
		if n%10 == 5 {
			return 503
		}
		return 0
	}})
	require.Equal(t, 3, code)
	send, _ := measure.Find(r.Result.Rows, "send")
	require.Equal(t, map[string]int{"503 M_UNKNOWN": send.Failed}, send.Reasons)
	require.Equal(t, 60, send.OK+send.Failed)
	require.True(t, r.Result.Verdict.OK(), "what was not acknowledged is not missed")
}

func TestWhatIsLostOrRepeatedIsWrong(t *testing.T) {
	t.Parallel()
	r, code := load(t, &homeserver{twice: func(n int) bool { return n == 20 }})
	require.Equal(t, 4, code)
	require.Equal(t, 2, r.Result.Verdict.Repeated.Count, "by both listeners")
	r, code = load(t, &homeserver{lose: func(n int) bool { return n == 20 }}, "--patience=1s")
	require.Equal(t, 4, code)
	require.Equal(t, 1, r.Result.Verdict.Lost.Count)
}

// A server too slow for the rate is told by what was not made, not by a rate that adapts to it.
func TestAnOverflowIsCounted(t *testing.T) {
	t.Parallel()
	r, code := load(t, &homeserver{deaf: true}, "--in-flight=1", "--backlog=10", "--deadline=400ms", "--listeners=0")
	require.Equal(t, 3, code)
	send, _ := measure.Find(r.Result.Rows, "send")
	require.Zero(t, send.OK)
	require.Equal(t, 60, send.Failed)
	require.Positive(t, send.Reasons["not made: too many were waiting"])
	require.Positive(t, send.Reasons["no answer in time"])
}

func TestFindRateConfirmsWhatItFinds(t *testing.T) {
	t.Parallel()
	r, code := load(t, &homeserver{}, "--find-rate", "--rate=100", "--max-rate=200", "--duration=100ms", "--p99=1m")
	require.Zero(t, code)
	require.True(t, r.Search.Found)
	require.InDelta(t, 200, r.Search.Rate, 0.001)
	require.Len(t, r.Search.Tries, 3, "100, 200, and 200 again")
	r, code = load(t, &homeserver{}, "--find-rate", "--duration=50ms", "--p99=1us")
	require.Equal(t, 3, code)
	require.False(t, r.Search.Found)
	r, code = load(t, &homeserver{twice: func(n int) bool { return n == 5 }}, "--find-rate", "--rate=100", "--max-rate=200", "--duration=100ms", "--p99=1m")
	require.Equal(t, 4, code, "a server that repeats events keeps no rate")
	require.Len(t, r.Search.Tries, 1)
}

func TestAnInterruptedRunGivesItsResults(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	h := &homeserver{refuse: func(n int) int {
		if n == 30 {
			cancel()
		}
		return 0
	}}
	var out, progress bytes.Buffer
	code := command.Main(ctx, append([]string{"--base=" + h.start(t)}, append(small, "--duration=1h")...), &out, &progress)
	require.Equal(t, 130, code)
	require.Contains(t, out.String(), "interrupted")
	require.Contains(t, out.String(), "each once, and in order")
}

func TestAnInterruptedSearchSaysWhatWasKept(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	h := &homeserver{refuse: func(n int) int {
		if n == 15 { // of the second try
			cancel()
		}
		return 0
	}}
	args := append([]string{"--base=" + h.start(t)}, small...)
	args = append(args, "--find-rate", "--rate=100", "--max-rate=200", "--warmup=0s", "--duration=100ms", "--p99=1m")
	var out, progress bytes.Buffer
	require.Equal(t, 130, command.Main(ctx, args, &out, &progress))
	require.Contains(t, out.String(), "The greatest rate that kept p99 ≤ 60000 ms until then: 100 requests a second.")
	require.NotContains(t, progress.String(), "does not")
}

func TestListenersWithoutAFirstAnswerEndTheRun(t *testing.T) {
	t.Parallel()
	h := &homeserver{syncs: func(int) int { return 500 }}
	var out, progress bytes.Buffer
	require.Equal(t, 1, command.Main(t.Context(), append([]string{"--base=" + h.start(t), "--ready=500ms"}, small...), &out, &progress))
	require.Contains(t, progress.String(), "loadgen: after 500ms 0 of 2 listeners have the answer to their first /sync; the last error was: 500 M_FORBIDDEN")
}

// What was measured is not thrown away when the listeners are refused in the middle, and is not taken for loss.
func TestListenersThatEndEndTheTrialWithItsResults(t *testing.T) {
	t.Parallel()
	for _, search := range []bool{false, true} {
		h := &homeserver{syncs: func(since int) int {
			if since > 20 {
				return 403
			}
			return 0
		}}
		args := append([]string{"--base=" + h.start(t), "--json", fmt.Sprint("--find-rate=", search), "--max-rate=200"}, append(small, "--duration=1h")...)
		var out, progress bytes.Buffer
		require.Equal(t, 1, command.Main(t.Context(), args, &out, &progress))
		require.Contains(t, progress.String(), "403 M_FORBIDDEN: no more")
		var r command.Report
		require.NoError(t, json.Unmarshal(out.Bytes(), &r))
		require.Contains(t, r.Error, "403 M_FORBIDDEN: no more")
		require.False(t, r.Result.Complete)
		require.GreaterOrEqual(t, r.Result.Verdict.Acknowledged, 20)
		require.True(t, r.Result.Verdict.OK())
		send, _ := measure.Find(r.Result.Rows, "send")
		require.GreaterOrEqual(t, send.OK, 20)
		if search {
			require.Empty(t, r.Search.Tries, "what was not played to its end says nothing about the rate")
		}
	}
}

func TestAFirstSyncMustHaveAllRooms(t *testing.T) {
	t.Parallel()
	h := &homeserver{forgets: 1}
	var out, progress bytes.Buffer
	require.Equal(t, 1, command.Main(t.Context(), append([]string{"--base=" + h.start(t), "--profile=first-sync"}, small...), &out, &progress))
	require.Contains(t, progress.String(), "try a first-sync: the answer has not all rooms of the user")
}

func TestTokensAreTakenFromAFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "tokens")
	require.NoError(t, os.WriteFile(file, []byte("a\nb\n\nc\nd\n e \n"), 0o600))
	_, code := load(t, &homeserver{}, "--tokens-file="+file)
	require.Zero(t, code)
	_, code = load(t, &homeserver{}, "--tokens-file="+file, "--listeners=3")
	require.Equal(t, 1, code)
}

func TestEachTokenMustBeOfAnotherUser(t *testing.T) {
	t.Parallel()
	for tokens, want := range map[string]string{
		"a\nb\nc\nd\na\n":  "the same access token as number 1 and number 5",
		"a\nb\nc\nd\nb'\n": "two access tokens of @b:test, number 2 and number 5",
	} {
		file := filepath.Join(t.TempDir(), "tokens")
		require.NoError(t, os.WriteFile(file, []byte(tokens), 0o600))
		h := &homeserver{}
		var out, progress bytes.Buffer
		require.Equal(t, 1, command.Main(t.Context(), append([]string{"--base=" + h.start(t), "--tokens-file=" + file}, small...), &out, &progress))
		require.Contains(t, progress.String(), want)
		require.NotContains(t, progress.String(), "b'", "a token is a secret")
	}
}

func TestNonsenseIsRefusedWithAWordOnIt(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"--base=nowhere": "no URL", "--base=http://127.0.0.1:1/?a=b": "query", "--base=http://127.0.0.1:1#x": "fragment", "--base=http://127.0.0.1:1/?": "query",
		"--base=http://me:secret@127.0.0.1:1": "leave them out",
		"--profile=dance":                     "there are send", "--rate=0": "--rate", "--rate=-1": "--rate", "--rate=NaN": "--rate",
		"--duration=0s": "--duration", "--duration=24h --rate=1000": "lower one", "--find-rate --max-rate=1": "--max-rate",
		"--members=7 --users=3": "members", "--in-flight=0": "--in-flight", "--body=100000": "--body", "extra": "flags only",
		"--rate=Inf": "--rate", "--rate=1e-12": "--rate", "--find-rate --max-rate=NaN": "--max-rate", "--find-rate --max-rate=Inf": "--max-rate",
		"--rate=0.001 --duration=25h": "--duration", "--rate=0.001 --duration=2000000h": "--duration", "--rate=0.001 --warmup=25h": "--warmup",
		"--deadline=25h": "--deadline", "--ready=0s": "--ready", "--ready=25h": "--ready",
		"--tokens-file=a --shared-secret-file=b": "either", "--no-such": "no-such", "--deadline=0s": "--deadline",
	} {
		var out, progress bytes.Buffer
		require.Equal(t, 2, command.Main(t.Context(), strings.Fields(args), &out, &progress), args)
		require.Contains(t, progress.String(), want, args)
		require.NotContains(t, progress.String(), "secret@", args)
		require.Empty(t, out.String())
	}
}

func TestHelpNamesEveryProfileAndExitCode(t *testing.T) {
	t.Parallel()
	var out, progress bytes.Buffer
	require.Zero(t, command.Main(t.Context(), []string{"--help"}, &out, &progress))
	for _, want := range []string{"send", "sync", "mixed", "first-sync", "fanout", "130", "-find-rate"} {
		require.Contains(t, out.String(), want)
	}
	require.Empty(t, progress.String())
}

func TestAServerThatIsNotThereIsAnError(t *testing.T) {
	t.Parallel()
	var out, progress bytes.Buffer
	require.Equal(t, 1, command.Main(t.Context(), []string{"--base=http://127.0.0.1:1"}, &out, &progress))
	require.Contains(t, progress.String(), "refused", fmt.Sprint("it says why: ", progress.String()))
}
