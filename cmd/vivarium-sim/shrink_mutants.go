package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/vivariumdb/vivarium/internal/splice"
	"github.com/vivariumdb/vivarium/sim"
)

// shrinkings says how far the worlds shrink that have caught mutants.
type shrinkings struct {
	rows  []shrinking
	given float64 // seconds for each
}

// shrinking is one of them.
type shrinking struct {
	mutant, judge string
	seed          uint64
	events, left  int64
	decisions     int
	seconds       float64
}

// shrinkAll makes each world smaller that has caught a mutant, and tells how far.
func (h *hunt) shrinkAll(all []*chase) error {
	r := shrinkings{given: h.shrink.Seconds()}
	_, _ = fmt.Fprintf(h.s.out, "%-40s %-12s %9s %9s %7s %6s %6s %7s\n", "mutant", "judge", "seed",
		"events", "left", "%", "decis.", "seconds")
	for _, c := range all {
		if c.caught == nil {
			continue
		}
		small := shrink(h.s.err, h.pool, &sim.Plan{Seed: c.caught.Seed, Mutant: c.mutant.Name},
			h.shrink)
		judge, _, _ := strings.Cut(small.judge(), ":") // of a panic also what it says
		s := shrinking{mutant: c.mutant.Name, judge: judge, seed: c.caught.Seed,
			events: small.before.Events, left: small.after.Events, decisions: small.plan.Size(),
			seconds: small.took.Seconds()}
		_, _ = fmt.Fprintf(h.s.out, "%-40s %-12.12s %9d %9d %7d %6.2f %6d %7.1f\n", s.mutant,
			s.judge, s.seed, s.events, s.left, s.share(), s.decisions, s.seconds)
		r.rows = append(r.rows, s)
	}
	_, _ = fmt.Fprintln(h.s.out, r.total())
	if h.table == "" {
		return nil
	}
	return splice.File(h.table, "shrunk", r.markdown(h.commit))
}

// share is how much of its events is left of a world, in percent.
func (s *shrinking) share() float64 { return 100 * float64(s.left) / float64(max(s.events, 1)) }

// judge is the one who objects.
func (s *shrunk) judge() string {
	if len(s.before.Judges) == 0 {
		return "nobody"
	}
	return s.before.Judges[0]
}

// total is what all come to together, on one line.
func (r *shrinkings) total() string {
	var sizes, shares, times []float64
	short := 0
	for _, s := range r.rows {
		sizes = append(sizes, float64(s.decisions))
		shares, times = append(shares, s.share()), append(times, s.seconds)
		if s.share() <= 10 {
			short++
		}
	}
	return fmt.Sprintf("of %d worlds, given %.0f s each, keep decisions: %s; %% of events: "+
		"%s; seconds: %s; %d worlds with at most 10 %% of their events", len(r.rows), r.given,
		middle(sizes), middle(shares), middle(times), short)
}

// markdown is a table of what hardly shrinks first.
func (r *shrinkings) markdown(commit string) string {
	at := ""
	if commit != "" {
		at = " at " + commit
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Measured%s: %s.\n\n| bug | judge | seed | events | left | %% | decisions | "+
		"seconds |\n|---|---|--:|--:|--:|--:|--:|--:|\n", at, r.total())
	rows := slices.Clone(r.rows)
	slices.SortStableFunc(rows, func(a, b shrinking) int { return b.decisions - a.decisions })
	for _, s := range rows {
		fmt.Fprintf(&b, "| `%s` | %s | %d | %d | %d | %.1f | %d | %.1f |\n", s.mutant, s.judge,
			s.seed, s.events, s.left, s.share(), s.decisions, s.seconds)
	}
	return b.String()
}

// middle shows the median of numbers, their 90th percentile and the worst.
func middle(v []float64) string {
	if len(v) == 0 {
		return "none"
	}
	slices.Sort(v)
	return fmt.Sprintf("median %.4g, 90 in 100 at most %.4g, worst %.4g", v[len(v)/2],
		v[min(len(v)*9/10, len(v)-1)], v[len(v)-1])
}
