package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// printMarkdown prints the tables for README.md: the models, what each of them checks, and what
// refutes it without each of its guards.
func printMarkdown(out io.Writer, results []Result) {
	var models, variants []Result
	refuted := map[string]int{}
	for _, r := range results {
		if r.Guard == "" {
			models = append(models, r)
			continue
		}
		variants = append(variants, r)
		if r.Failure == "" {
			refuted[r.Config]++
		}
	}
	fmt.Fprintln(out, "| model | states | distinct | depth | invariants | properties | "+
		"broken variants refuted |\n|---|--:|--:|--:|--:|--:|--:|")
	all, failed := total(results)
	for _, r := range models {
		fmt.Fprintf(out, "| %s | %s | %s | %d | %d | %d | %d |%s\n", r.Name,
			grouped(r.Generated), grouped(r.Distinct), r.Depth, len(r.Checked)-len(r.Properties),
			len(r.Properties), refuted[r.Config], note(r))
	}
	fmt.Fprintf(out, "| %d models and their variants | %s | %s | | | | %d of %d |\n\n",
		len(models), grouped(all.Generated), grouped(all.Distinct), sum(refuted), len(variants))
	if failed > 0 {
		fmt.Fprintf(out, "FAILED: %d\n\n", failed)
	}
	printChecks(out, models)
	fmt.Fprintln(out, "| without the guard | refuted by | in states |\n|---|---|--:|")
	for _, r := range variants {
		fmt.Fprintf(out, "| %s | %s | %d |%s\n", r.Name, r.Violated, r.Trace, note(r))
	}
}

// note stands behind a row that is not as it should be.
func note(r Result) string {
	if r.Failure == "" {
		return ""
	}
	return " FAILED: " + r.Failure
}

// printChecks prints what is checked and reached, a row for each module.
func printChecks(out io.Writer, models []Result) {
	fmt.Fprintln(out, "| module | invariants | properties | reaches |\n|---|---|---|---|")
	for i := 0; i < len(models); {
		module := models[i].Model
		var invariants, properties, reached []string
		for ; i < len(models) && models[i].Model == module; i++ {
			r := &models[i]
			for _, name := range r.Checked {
				if slices.Contains(r.Properties, name) {
					properties = append(properties, name)
				} else {
					invariants = append(invariants, name)
				}
			}
			for name := range r.Reached {
				reached = append(reached, name)
			}
		}
		fmt.Fprintf(out, "| %s | %s | %s | %s |\n", module, names(invariants),
			names(properties), names(reached))
	}
	fmt.Fprintln(out)
}

// names joins names in alphabetical order, each once.
func names(all []string) string {
	slices.Sort(all)
	return strings.Join(slices.Compact(all), ", ")
}

// total adds up what all runs cost, and counts those that failed.
func total(results []Result) (all Result, failed int) {
	for _, r := range results {
		all.Distinct += r.Distinct
		all.Generated += r.Generated
		all.CPU += r.CPU
		if r.Failure != "" {
			failed++
		}
	}
	return all, failed
}

func sum(counts map[string]int) int {
	n := 0
	for _, c := range counts {
		n += c
	}
	return n
}
