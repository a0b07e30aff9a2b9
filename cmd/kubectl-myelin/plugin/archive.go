package plugin

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/myelin-hs/myelin/cmd/kubectl-myelin/redact"
)

// maxArchive bounds what is put into an archive, before it is compressed.
const maxArchive = 256 << 20

// An archive is a .tar.gz that is being written. All that goes into it is redacted here, and nowhere else.
type archive struct {
	redactor *redact.Redactor
	zip      *gzip.Writer
	tar      *tar.Writer
	now      time.Time
	files    int
	bytes    int64
	missing  []string
	err      error // the first of writing; nothing is written after it
}

func newArchive(w io.Writer, r *redact.Redactor, now time.Time) *archive {
	zip := gzip.NewWriter(w)
	return &archive{redactor: r, zip: zip, tar: tar.NewWriter(zip), now: now, missing: []string{}}
}

// text adds a file of text.
func (a *archive) text(name string, text []byte) { a.add(name, a.redactor.Text(text)) }

// value adds what can be JSON; as YAML if the name says so.
func (a *archive) value(name string, v any) {
	raw, err := json.Marshal(v)
	if err != nil {
		a.lacks(name, err)
		return
	}
	var tree any
	decoder := json.NewDecoder(strings.NewReader(string(raw)))
	decoder.UseNumber()
	if err := decoder.Decode(&tree); err != nil {
		a.lacks(name, err)
		return
	}
	tree = a.redactor.Value(tree)
	out, err := json.MarshalIndent(tree, "", "  ")
	if err == nil && path.Ext(name) == ".yaml" {
		out, err = yaml.JSONToYAML(out)
	}
	if err != nil {
		a.lacks(name, err)
		return
	}
	a.add(name, out)
}

func (a *archive) add(name string, content []byte) {
	if a.err != nil {
		return
	}
	if a.bytes+int64(len(content)) > maxArchive {
		a.lacks(name, fmt.Errorf("the report has %d MiB already", a.bytes>>20))
		return
	}
	a.write(name, content)
}

func (a *archive) write(name string, content []byte) {
	header := &tar.Header{Name: path.Join("myelin-report", name), Mode: 0o600, Size: int64(len(content)), ModTime: a.now, Typeflag: tar.TypeReg}
	if a.err = a.tar.WriteHeader(header); a.err != nil {
		return
	}
	if _, a.err = a.tar.Write(content); a.err == nil {
		a.files++
		a.bytes += int64(len(content))
	}
}

// lacks notes what could not be had.
func (a *archive) lacks(what string, why error) {
	a.missing = append(a.missing, a.oneLine(fmt.Sprintf("%s: %v", what, why)))
}

func (a *archive) oneLine(text string) string {
	return strings.Join(strings.Fields(string(a.redactor.Text([]byte(text)))), " ")
}

// close ends the archive, with the list of what is missing.
func (a *archive) close() error {
	if a.err == nil && len(a.missing) > 0 {
		a.write("errors.txt", []byte(strings.Join(a.missing, "\n")+"\n"))
	}
	if a.err != nil {
		return a.err
	}
	if err := a.tar.Close(); err != nil {
		return err
	}
	return a.zip.Close()
}
