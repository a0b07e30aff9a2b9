package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func untar(t *testing.T, from io.Reader) (map[string]*tar.Header, map[string][]byte) {
	t.Helper()
	headers, contents := map[string]*tar.Header{}, map[string][]byte{}
	for r := tar.NewReader(from); ; {
		h, err := r.Next()
		if err == io.EOF {
			return headers, contents
		}
		require.NoError(t, err)
		body, err := io.ReadAll(r)
		require.NoError(t, err)
		headers[h.Name], contents[h.Name] = h, body
	}
}

func TestImage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, second := filepath.Join(dir, "worker"), filepath.Join(dir, "operator")
	require.NoError(t, os.WriteFile(first, []byte("first program"), 0o700))
	require.NoError(t, os.WriteFile(second, []byte("second"), 0o755))
	image := Image{Ref: "localhost/myelin:dev", Binaries: []string{first, second}}
	var archive, again bytes.Buffer
	require.NoError(t, image.write(&archive))
	require.NoError(t, image.write(&again))
	require.Equal(t, archive.Bytes(), again.Bytes(), "the same binaries make the same image")

	_, outer := untar(t, &archive)
	var manifest []struct {
		Config           string
		RepoTags, Layers []string
	}
	require.NoError(t, json.Unmarshal(outer["manifest.json"], &manifest))
	require.Len(t, manifest, 1)
	require.Equal(t, []string{"localhost/myelin:dev"}, manifest[0].RepoTags)
	var config struct {
		OS     string
		Config struct {
			User       string
			Entrypoint []string
		}
		RootFS struct {
			DiffIDs []string `json:"diff_ids"`
		}
	}
	require.NoError(t, json.Unmarshal(outer[manifest[0].Config], &config))
	require.Equal(t, "65532:65532", config.Config.User)
	require.Equal(t, []string{"/usr/local/bin/worker"}, config.Config.Entrypoint)
	layer := outer[manifest[0].Layers[0]]
	sum := sha256.Sum256(layer)
	require.Equal(t, []string{"sha256:" + hex.EncodeToString(sum[:])}, config.RootFS.DiffIDs)

	headers, inner := untar(t, bytes.NewReader(layer))
	require.Equal(t, "first program", string(inner["usr/local/bin/worker"]))
	require.EqualValues(t, 0o755, headers["usr/local/bin/worker"].Mode, "any user may run it")
	require.Equal(t, "second", string(inner["usr/local/bin/operator"]))
	require.EqualValues(t, 0o1777, headers["tmp/"].Mode)
	require.Contains(t, string(inner["etc/passwd"]), "nonroot:x:65532:65532:")
}

func TestImageRefusesWhatIsNoProgram(t *testing.T) {
	t.Parallel()
	plain := filepath.Join(t.TempDir(), "notes")
	require.NoError(t, os.WriteFile(plain, nil, 0o600))
	require.ErrorContains(t, Image{Ref: "a:b", Binaries: []string{plain}}.write(io.Discard), "no executable file")
	require.ErrorIs(t, Image{Ref: "a:b", Binaries: []string{plain + "-not"}}.write(io.Discard), os.ErrNotExist)
}
