package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// told is a program that tells its time of day, and how long it takes, each time that it is asked.
const told = `package main

import (
	"bufio"
	"fmt"
	"os"
	"time"
)

func main() {
	began := time.Now()
	for s := bufio.NewScanner(os.Stdin); s.Scan(); {
		fmt.Println(time.Now().Format(time.RFC3339Nano), time.Since(began), time.Now().Sub(began))
	}
}
`

func TestAStepReachesAProcessThatRunsAndNoDuration(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	flags, err := overlay(dir)
	require.NoError(t, err)
	source, binary, clock := filepath.Join(dir, "told.go"), filepath.Join(dir, "told"), filepath.Join(dir, "clock")
	require.NoError(t, os.WriteFile(source, []byte(told), 0o644))
	out, err := exec.Command("go", append(append([]string{"build", "-o", binary}, flags...), source)...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.NoError(t, writeStep(clock, 0))

	p := exec.Command(binary)
	p.Env = []string{stepVariable + "=" + clock}
	questions, err := p.StdinPipe()
	require.NoError(t, err)
	answers, err := p.StdoutPipe()
	require.NoError(t, err)
	began := time.Now()
	require.NoError(t, p.Start())
	for _, offset := range []time.Duration{0, 3 * time.Hour, -7 * time.Second, 0} {
		require.NoError(t, writeStep(clock, offset))
		before := time.Now()
		_, err := questions.Write([]byte("\n"))
		require.NoError(t, err)
		line := make([]byte, 200)
		n, err := answers.Read(line)
		require.NoError(t, err)
		fields := strings.Fields(string(line[:n]))
		require.Len(t, fields, 3)
		shown, err := time.Parse(time.RFC3339Nano, fields[0])
		require.NoError(t, err)
		require.WithinRange(t, shown, before.Add(offset), time.Now().Add(offset))
		for _, text := range fields[1:] {
			took, err := time.ParseDuration(text)
			require.NoError(t, err)
			require.Positive(t, took)
			require.LessOrEqual(t, took, time.Since(began))
		}
	}
	require.NoError(t, questions.Close())
	require.NoError(t, p.Wait())
}

// A scenario whose steps reach nobody would find nothing.
func TestAStepThatDoesNotReachTheWorkerIsNoticed(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(s.Close)
	require.NoError(t, shows(t.Context(), s.URL, 0))
	for _, offset := range []time.Duration{time.Hour, -time.Hour, 30 * time.Second, -30 * time.Second} {
		require.ErrorContains(t, shows(t.Context(), s.URL, offset), "does not reach")
	}
}
