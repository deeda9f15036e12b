package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// A Result is what a run of TLC showed.
type Result struct {
	Name string `json:"name"`
	// Model is the module, Config the configuration that was used, broken or not.
	Model  string `json:"model"`
	Config string `json:"config"`
	// Guard and Want are those of a broken variant: what is off, and what should refute it.
	Guard string `json:"guard,omitempty"`
	Want  string `json:"want,omitempty"`
	// Violated is what refuted the run, Trace how many states the counterexample has.
	Violated  string  `json:"violated,omitempty"`
	Trace     int     `json:"trace,omitempty"`
	Generated int64   `json:"generated"`
	Distinct  int64   `json:"distinct"`
	Depth     int     `json:"depth,omitempty"`
	Seconds   float64 `json:"seconds"`
	CPU       float64 `json:"cpuSeconds"`
	// Checked are invariants and properties, Properties the latter.
	Checked    []string `json:"checked"`
	Properties []string `json:"properties,omitempty"`
	// Reached are the predicates reached, with the number of states on the way.
	Reached map[string]int `json:"reached,omitempty"`
	// Taken counts how often each action was taken.
	Taken map[string]int64 `json:"taken,omitempty"`
	// Failure says why this result is not the one that was wanted; empty if it is.
	Failure string `json:"failure,omitempty"`
}

// Judge holds what TLC said against what the job wants.
func (j Job) Judge(out *Output, took time.Duration) Result {
	r := Result{
		Name: j.Name, Model: j.Model, Config: j.Config.Name,
		Violated: out.Violated, Trace: out.Trace,
		Generated: out.Generated, Distinct: out.Distinct, Depth: out.Depth,
		Seconds: took.Seconds(), CPU: out.CPU.Seconds(), Reached: out.Reached, Taken: out.Taken,
		Checked:    slices.Concat(j.Config.Invariants, j.Config.Properties),
		Properties: j.Config.Properties,
	}
	if j.Guard != nil {
		r.Guard, r.Want = j.Guard.Name, j.Guard.Violates
		// Only one property is checked when a property is wanted: see Config.without.
		if r.Violated == "temporal" && slices.Contains(j.Config.Properties, r.Want) {
			r.Violated = r.Want
		}
	}
	r.Failure = j.failure(r, out)
	return r
}

// failure says what is wrong with a result, "" if nothing is.
func (j Job) failure(r Result, out *Output) string {
	switch {
	case out.TimedOut:
		return "timed out"
	case len(out.Errors) > 0:
		first, _, _ := strings.Cut(strings.TrimSpace(out.Errors[0]), "\n")
		return "TLC: " + first
	case j.Guard != nil && r.Violated == r.Want:
		return ""
	case j.Guard != nil && r.Violated != "":
		return "refuted by " + r.Violated + " instead"
	case j.Guard != nil && out.Complete:
		return "not refuted"
	case r.Violated != "":
		return "violates " + r.Violated
	case !out.Complete:
		return fmt.Sprintf("TLC did not finish (exit status %d)", out.Exit)
	}
	var missing []string
	for _, p := range j.Probes {
		if _, ok := r.Reached[p]; !ok {
			missing = append(missing, "never reaches "+p)
		}
	}
	if j.Actions {
		missing = append(missing, j.untaken(r.Taken)...)
	}
	return strings.Join(missing, ", ")
}

// untaken names the actions that are never taken and should be, and the other way round.
func (j Job) untaken(taken map[string]int64) []string {
	if len(taken) == 0 {
		return []string{"no coverage of actions"}
	}
	var missing []string
	for _, name := range slices.Sorted(maps.Keys(taken)) {
		switch never := slices.Contains(j.Never, name); {
		case taken[name] == 0 && !never:
			missing = append(missing, "never takes "+name)
		case taken[name] > 0 && never:
			missing = append(missing, "takes "+name)
		}
	}
	return missing
}

// Line describes the result for the progress.
func (r Result) Line() string {
	text := fmt.Sprintf("%s: %s states, %.1f s", r.Name, grouped(r.Distinct), r.Seconds)
	if r.Guard != "" && r.Failure == "" {
		text = fmt.Sprintf("%s: refuted by %s in %d states, %.1f s", r.Name, r.Violated, r.Trace,
			r.Seconds)
	}
	if r.Failure != "" {
		text += ": FAILED: " + r.Failure
	}
	return text
}

// verdict is the last column of the tables.
func (r Result) verdict(good string) string {
	if r.Failure == "" {
		return good
	}
	return "FAILED: " + r.Failure
}

// printTables prints the models, what they reach, their broken variants, and the totals.
func printTables(out io.Writer, results []Result, took time.Duration) {
	var models, variants []Result
	for _, r := range results {
		if r.Guard == "" {
			models = append(models, r)
		} else {
			variants = append(variants, r)
		}
	}
	if len(models) > 0 {
		printModels(out, models)
	}
	if len(variants) > 0 {
		printVariants(out, variants)
	}
	all, failed := total(results)
	fmt.Fprintf(out, "\n%d models, %d broken variants, %s distinct of %s states, %.0f s "+
		"(%.0f s of CPU): ", len(models), len(variants), grouped(all.Distinct),
		grouped(all.Generated), took.Seconds(), all.CPU)
	if failed > 0 {
		fmt.Fprintf(out, "%d FAILED\n", failed)
	} else {
		fmt.Fprintln(out, "all hold")
	}
}

// printModels prints the table of the models, and below it what each checks and reaches.
func printModels(out io.Writer, models []Result) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w,
		"\nmodel\tgenerated\tdistinct\tdepth\tseconds\tchecked\tactions\treached\tresult")
	for _, r := range models {
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%.1f\t%d\t%d\t%d\t%s\n", r.Name, grouped(r.Generated),
			grouped(r.Distinct), r.Depth, r.Seconds, len(r.Checked), len(r.Taken), len(r.Reached),
			r.verdict("holds"))
	}
	w.Flush()
	fmt.Fprintln(out)
	for _, r := range models {
		fmt.Fprintf(out, "%s checks %s\n", r.Name, strings.Join(r.Checked, ", "))
		for _, p := range slices.Sorted(maps.Keys(r.Reached)) {
			fmt.Fprintf(out, "    reaches %s in %d states\n", p, r.Reached[p])
		}
	}
}

// printVariants prints the table of the guards.
func printVariants(out io.Writer, variants []Result) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nwithout the guard\trefuted by\ttrace\tdistinct\tseconds\tresult")
	for _, r := range variants {
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%.1f\t%s\n", r.Name, r.Violated, r.Trace,
			grouped(r.Distinct), r.Seconds, r.verdict("refuted"))
	}
	w.Flush()
}

// grouped prints a count with a comma every three digits.
func grouped(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
