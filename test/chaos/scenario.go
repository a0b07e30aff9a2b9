package main

import (
	"context"
	"regexp"
	"slices"
)

// A Scenario breaks something while clients write and listen. What they saw is judged when Run has returned; Run itself
// fails only for what the judge cannot see.
type Scenario struct {
	Name  string // words joined by dashes
	About string // what is broken, in a line
	// Short ones are run by `make test`, too.
	Short bool
	// Quiet ones measure what a busy machine would spoil: they run first, and nothing beside them.
	Quiet bool
	// Aside runs beside the others, from the first that is not quiet; see [Run.Alone].
	Aside bool
	// Steps says that the clocks of its workers are stepped, by [Clocks].
	Steps bool
	Run   func(ctx context.Context, r *Run) error
}

// skipped says that this machine lacks what a scenario needs.
type skipped struct{ why string }

func (s skipped) Error() string { return "skipped: " + s.why }

// Skip is returned by a scenario that needs what this machine lacks.
func Skip(why string) error { return skipped{why} }

// scenarios are all, in the order in which they run.
func scenarios() []Scenario {
	return slices.Concat(latencyScenarios, plannedScenarios, killScenarios, silentScenarios, stolenScenarios, mapScenarios, mixedScenarios, networkScenarios, postgresScenarios, clockScenarios, redisScenarios)
}

// choose returns the scenarios whose name only matches, and in the short form only those made for it.
func choose(only *regexp.Regexp, short bool) []Scenario {
	return slices.DeleteFunc(scenarios(), func(s Scenario) bool {
		return !only.MatchString(s.Name) || short && !s.Short
	})
}
