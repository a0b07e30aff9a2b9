package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// crd is what the reference needs of a CustomResourceDefinition.
type crd struct {
	Spec struct {
		Group string `json:"group"`
		Scope string `json:"scope"`
		Names struct {
			Kind       string   `json:"kind"`
			Plural     string   `json:"plural"`
			ShortNames []string `json:"shortNames"`
		} `json:"names"`
		Versions []version `json:"versions"`
	} `json:"spec"`
}

type version struct {
	Name   string `json:"name"`
	Schema struct {
		OpenAPI schema `json:"openAPIV3Schema"`
	} `json:"schema"`
	Columns []struct {
		Name     string `json:"name"`
		Path     string `json:"jsonPath"`
		Priority int    `json:"priority"`
	} `json:"additionalPrinterColumns"`
	Subresources map[string]any `json:"subresources"`
}

type schema struct {
	Type        string            `json:"type"`
	Format      string            `json:"format"`
	Description string            `json:"description"`
	Default     any               `json:"default"`
	Enum        []any             `json:"enum"`
	Pattern     string            `json:"pattern"`
	Minimum     *float64          `json:"minimum"`
	Maximum     *float64          `json:"maximum"`
	MinLength   *int              `json:"minLength"`
	MaxLength   *int              `json:"maxLength"`
	MinItems    *int              `json:"minItems"`
	MaxItems    *int              `json:"maxItems"`
	IntOrString bool              `json:"x-kubernetes-int-or-string"`
	Required    []string          `json:"required"`
	Properties  map[string]schema `json:"properties"`
	Items       *schema           `json:"items"`
	Additional  *schema           `json:"additionalProperties"`
	Rules       []rule            `json:"x-kubernetes-validations"`
}

type rule struct {
	Rule    string `json:"rule"`
	Message string `json:"message"`
}

func (c crd) write(w io.Writer, v version) {
	names := c.Spec.Names
	fmt.Fprintf(w, "\n## %s\n\n%s\n\n", names.Kind, flat(v.Schema.OpenAPI.Description))
	fmt.Fprintf(w, "`apiVersion: %s/%s`, %s, `%s`", c.Spec.Group, v.Name, strings.ToLower(c.Spec.Scope), names.Plural)
	for _, short := range names.ShortNames {
		fmt.Fprintf(w, " or `%s`", short)
	}
	if _, scales := v.Subresources["scale"]; scales {
		fmt.Fprintf(w, "; it has the subresource `scale`")
	}
	fmt.Fprintln(w, ".")
	if rules := sentences(v.Schema.OpenAPI.Rules); rules != "" {
		fmt.Fprintf(w, "\nRules: %s\n", rules)
	}
	for _, part := range []string{"spec", "status"} {
		if s, ok := v.Schema.OpenAPI.Properties[part]; ok {
			fmt.Fprintf(w, "\n### %s %s\n\n", names.Kind, part)
			if rules := sentences(s.Rules); rules != "" {
				fmt.Fprintf(w, "Rules: %s\n\n", rules)
			}
			fmt.Fprintln(w, "| Field | Type | Meaning |\n|---|---|---|")
			s.rows(w, part)
		}
	}
	fmt.Fprintf(w, "\n### %s columns of kubectl get\n\n| Column | Field | |\n|---|---|---|\n", names.Kind)
	for _, column := range v.Columns {
		wide := ""
		if column.Priority > 0 {
			wide = "with `-o wide`"
		}
		fmt.Fprintf(w, "| %s | `%s` | %s |\n", column.Name, cell(column.Path), wide)
	}
}

// rows writes one for each field below s.
func (s schema) rows(w io.Writer, path string) {
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		field := s.Properties[name]
		at := path + "." + name
		fmt.Fprintf(w, "| `%s` | %s | %s |\n", at, field.kind(), cell(field.meaning(slices.Contains(s.Required, name))))
		if name == "conditions" && path == "status" {
			continue // they are Kubernetes' own, explained everywhere
		}
		switch {
		case field.Items != nil:
			field.Items.rows(w, at+"[]")
		case field.Additional != nil:
			field.Additional.rows(w, at+".*")
		default:
			field.rows(w, at)
		}
	}
}

func (s schema) kind() string {
	switch {
	case s.IntOrString:
		return "integer or string"
	case s.Items != nil:
		return "list of " + s.Items.kind()
	case s.Additional != nil:
		return "map of " + s.Additional.kind()
	case s.Format == "date-time":
		return "time"
	default:
		return s.Type
	}
}

// meaning is the description, and what is demanded of the value.
func (s schema) meaning(required bool) string {
	parts := []string{flat(s.Description)}
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	if required {
		add("Required.")
	}
	if s.Default != nil {
		value, _ := json.Marshal(s.Default) // was JSON
		add("Default `%s`.", value)
	}
	if of := s.choices(); len(of) > 0 {
		add("One of %s.", strings.Join(of, ", "))
	}
	limits := []struct {
		text string
		from *int
		to   *int
	}{{"characters", s.MinLength, s.MaxLength}, {"items", s.MinItems, s.MaxItems}}
	if s.Minimum != nil || s.Maximum != nil {
		add("%s.", span(s.Minimum, s.Maximum, ""))
	}
	for _, l := range limits {
		if l.from != nil || l.to != nil {
			add("%s.", span(l.from, l.to, " "+l.text))
		}
	}
	if s.Pattern != "" {
		add("Must match `%s`.", s.Pattern)
	}
	if rules := sentences(s.Rules); rules != "" {
		add("%s", rules)
	}
	if s.Items != nil {
		if rules := sentences(s.Items.Rules); rules != "" {
			add("Each: %s", rules)
		}
	}
	return strings.TrimSpace(strings.Join(parts, " "))
}

func (s schema) choices() (all []string) {
	if s.Items != nil && len(s.Items.Enum) > 0 {
		s = *s.Items
	}
	for _, v := range s.Enum {
		all = append(all, fmt.Sprintf("`%v`", v))
	}
	return all
}

func span[N int | float64](from, to *N, of string) string {
	switch {
	case from == nil:
		return fmt.Sprintf("At most %v%s", *to, of)
	case to == nil:
		return fmt.Sprintf("At least %v%s", *from, of)
	default:
		return fmt.Sprintf("%v to %v%s", *from, *to, of)
	}
}

// sentences are the messages of rules, made into sentences.
func sentences(rules []rule) string {
	var all []string
	for _, r := range rules {
		text := r.Message
		if text == "" {
			text = "`" + r.Rule + "`"
		}
		all = append(all, strings.TrimSuffix(text, ".")+".")
	}
	return strings.Join(all, " ")
}

func flat(text string) string { return strings.Join(strings.Fields(text), " ") }

// cell is text as it may stand in a table.
func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }
