// Command crdref writes the reference of the resources, a page of Markdown, from their CRDs: go run ./hack/crdref DIR FILE.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"sigs.k8s.io/yaml"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: crdref DIR-OF-CRDS FILE")
		os.Exit(2)
	}
	if err := write(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "crdref:", err)
		os.Exit(1)
	}
}

func write(dir, file string) error {
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("there is no CRD in %s", dir)
	}
	var crds []crd
	for _, name := range files {
		raw, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		var c crd
		if err := yaml.Unmarshal(raw, &c); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		crds = append(crds, c)
	}
	return os.WriteFile(file, []byte(page(crds)), 0o644)
}

// page is the whole reference.
func page(crds []crd) string {
	var text strings.Builder
	text.WriteString("# Reference of the resources\n\nGenerated from the CRDs by `make generate`: do not edit. What a condition's reason " +
		"means, and what to do, is in\n[troubleshooting.md](troubleshooting.md). The same as below is said by `kubectl explain`, as in:\n\n" +
		"```sh\nkubectl explain homeserver.spec.postgres\n```\n")
	for _, c := range crds {
		for _, v := range c.Spec.Versions {
			c.write(&text, v)
		}
	}
	return text.String()
}
