package plugin

import (
	"encoding/json"
	"fmt"

	"sigs.k8s.io/yaml"
)

// The formats of -o. Wide is the table with more columns.
const (
	outputJSON = "json"
	outputYAML = "yaml"
	outputWide = "wide"
)

var outputs = []string{outputJSON, outputYAML, outputWide}

func (s *session) wide() bool { return s.output == outputWide }

// print writes v as JSON or YAML if that was asked for, else the text.
func (s *session) print(v any, text string) error {
	switch s.output {
	case outputJSON:
		e := json.NewEncoder(s.out)
		e.SetIndent("", "  ")
		return e.Encode(v)
	case outputYAML:
		out, err := yaml.Marshal(v)
		if err != nil {
			return err
		}
		_, err = s.out.Write(out)
		return err
	default:
		_, err := fmt.Fprintln(s.out, text)
		return err
	}
}
