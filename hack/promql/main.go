// Command promql reads Prometheus expressions, one a line, from its standard input, and prints for each, in a line of JSON,
// the metrics that it names. An expression that Prometheus would refuse is an error. It is a module of its own, because the
// parser comes with Prometheus. Its tests evaluate the alerts.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/prometheus/prometheus/promql/parser"
)

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "promql:", err)
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer) error {
	lines, encoder := bufio.NewScanner(in), json.NewEncoder(out)
	for lines.Scan() {
		names, err := metrics(lines.Text())
		if err != nil {
			return fmt.Errorf("%s: %w", lines.Text(), err)
		}
		if err := encoder.Encode(names); err != nil {
			return err
		}
	}
	return lines.Err()
}

// metrics are the names of the metrics in an expression, sorted.
func metrics(expression string) ([]string, error) {
	parsed, err := parser.ParseExpr(expression)
	if err != nil {
		return nil, err
	}
	names := []string{}
	parser.Inspect(parsed, func(node parser.Node, _ []parser.Node) error {
		if selector, ok := node.(*parser.VectorSelector); ok {
			names = append(names, selector.Name)
		}
		return nil
	})
	slices.Sort(names)
	return slices.Compact(names), nil
}
