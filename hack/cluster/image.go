package main

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// Image is a one-layer image of static binaries in /usr/local/bin, the first
// of which is the entrypoint.
type Image struct {
	Ref      string   // name:tag
	Binaries []string // files on this machine
}

// imageUser runs every image; it is distroless's "nonroot".
const imageUser = 65532

// certificates is where Debian keeps the authorities' bundle.
const certificates = "/etc/ssl/certs/ca-certificates.crt"

// epoch dates every file, so that equal binaries make an equal image.
var epoch = time.Unix(0, 0)

// write writes the image in the format of `docker save`.
func (i Image) write(w io.Writer) error {
	layer, err := os.CreateTemp("", "myelin-layer-")
	if err != nil {
		return err
	}
	defer os.Remove(layer.Name())
	defer layer.Close()
	sum := sha256.New()
	if err := i.writeLayer(io.MultiWriter(layer, sum)); err != nil {
		return err
	}
	size, err := layer.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	if _, err := layer.Seek(0, io.SeekStart); err != nil {
		return err
	}
	config, err := json.Marshal(map[string]any{
		"architecture": runtime.GOARCH,
		"os":           "linux",
		"created":      epoch.UTC(),
		"config": map[string]any{
			"User":       fmt.Sprintf("%d:%d", imageUser, imageUser),
			"Entrypoint": []string{"/usr/local/bin/" + filepath.Base(i.Binaries[0])},
			"Env":        []string{"PATH=/usr/local/bin", "HOME=/tmp", "SSL_CERT_FILE=" + certificates},
			"WorkingDir": "/",
		},
		"rootfs":  map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + hex.EncodeToString(sum.Sum(nil))}},
		"history": []map[string]any{{"created": epoch.UTC(), "created_by": "myelin hack/cluster"}},
	})
	if err != nil {
		return err
	}
	manifest, err := json.Marshal([]map[string]any{{"Config": "config.json", "RepoTags": []string{i.Ref}, "Layers": []string{"layer.tar"}}})
	if err != nil {
		return err
	}
	archive := tar.NewWriter(w)
	for _, f := range []struct {
		name string
		size int64
		from io.Reader
	}{
		{"config.json", int64(len(config)), strings.NewReader(string(config))},
		{"layer.tar", size, layer},
		{"manifest.json", int64(len(manifest)), strings.NewReader(string(manifest))},
	} {
		if err := archive.WriteHeader(&tar.Header{Name: f.name, Mode: 0o644, Size: f.size, ModTime: epoch, Format: tar.FormatPAX}); err != nil {
			return err
		}
		if _, err := io.Copy(archive, f.from); err != nil {
			return err
		}
	}
	return archive.Close()
}

func (i Image) writeLayer(w io.Writer) error {
	layer := tar.NewWriter(w)
	add := func(name string, mode int64, size int64, from io.Reader) error {
		header := &tar.Header{Name: name, Mode: mode, Size: size, ModTime: epoch, Format: tar.FormatPAX}
		if strings.HasSuffix(name, "/") {
			header.Typeflag = tar.TypeDir
		}
		if err := layer.WriteHeader(header); err != nil || from == nil {
			return err
		}
		_, err := io.Copy(layer, from)
		return err
	}
	passwd := fmt.Sprintf("root:x:0:0:root:/:/sbin/nologin\nnonroot:x:%[1]d:%[1]d:nonroot:/tmp:/sbin/nologin\n", imageUser)
	group := fmt.Sprintf("root:x:0:\nnonroot:x:%d:\n", imageUser)
	for _, dir := range []string{"etc/", "etc/ssl/", "etc/ssl/certs/", "usr/", "usr/local/", "usr/local/bin/"} {
		if err := add(dir, 0o755, 0, nil); err != nil {
			return err
		}
	}
	if err := add("tmp/", 0o1777, 0, nil); err != nil {
		return err
	}
	if err := add("etc/passwd", 0o644, int64(len(passwd)), strings.NewReader(passwd)); err != nil {
		return err
	}
	if err := add("etc/group", 0o644, int64(len(group)), strings.NewReader(group)); err != nil {
		return err
	}
	if bundle, err := os.ReadFile(certificates); err == nil {
		if err := add(certificates[1:], 0o644, int64(len(bundle)), strings.NewReader(string(bundle))); err != nil {
			return err
		}
	} else if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	for _, path := range i.Binaries {
		if err := addBinary(path, add); err != nil {
			return err
		}
	}
	return layer.Close()
}

func addBinary(path string, add func(string, int64, int64, io.Reader) error) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() || info.Mode()&0o111 == 0 {
		return fmt.Errorf("%s is no executable file", path)
	}
	return add("usr/local/bin/"+filepath.Base(path), 0o755, info.Size(), f)
}

// imageCommand packs the image and loads it into the cluster.
func imageCommand(ctx context.Context, set Settings, args []string) error {
	if len(args) < 2 {
		return errors.New("usage: image NAME:TAG BINARY [BINARY…] (the first is the entrypoint)")
	}
	if !strings.Contains(filepath.Base(args[0]), ":") {
		return fmt.Errorf("image %q has no tag; write NAME:TAG", args[0])
	}
	s, err := loadState(set.State)
	if err != nil {
		return noCluster(err)
	}
	if s.Flavour == Current {
		fmt.Fprintf(set.Out, "the cluster pulls %s by itself: make sure that it is in a registry which it reaches\n", args[0])
		return nil
	}
	return newProgress(set.Out).Step(ctx, "loaded image "+args[0], func(ctx context.Context) error {
		return s.loadImage(ctx, Image{Ref: args[0], Binaries: args[1:]})
	})
}

func (s *State) loadImage(ctx context.Context, image Image) error {
	f, err := os.CreateTemp("", "myelin-image-*.tar")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if err := errors.Join(image.write(f), f.Close()); err != nil {
		return fmt.Errorf("pack %s: %w", image.Ref, err)
	}
	switch s.Flavour {
	case Bare:
		debian, err := openDebian(nil)
		if err != nil {
			return err
		}
		for _, n := range s.nodes() {
			if _, runs := s.process(n.own("containerd")); !runs {
				continue // it was killed; up starts it again
			}
			if err := n.ctr(ctx, debian, "images", "import", f.Name()); err != nil {
				return err
			}
		}
		return nil
	case Kind:
		return s.kind(ctx, "load", "image-archive", f.Name(), "--name", kindName)
	default:
		return fmt.Errorf("no image can be loaded into a cluster of the flavour %s", s.Flavour)
	}
}
