package main

import (
	"fmt"
	"slices"

	"github.com/vivariumdb/vivarium/sim"
)

// shrinkAll makes each world smaller that has caught a mutant, and tells how far.
func (h *hunt) shrinkAll(all []*chase) {
	w := h.s.out
	_, _ = fmt.Fprintf(w, "%-40s %-12s %9s %9s %7s %6s %6s %7s\n", "mutant", "judge", "seed",
		"events", "left", "%", "decis.", "seconds")
	var sizes, shares, times []float64
	for _, c := range all {
		if c.caught == nil {
			continue
		}
		small := shrink(h.s.err, h.pool, &sim.Plan{Seed: c.caught.Seed, Mutant: c.mutant.Name},
			h.shrink)
		share := 100 * float64(small.after.Events) / float64(max(small.before.Events, 1))
		_, _ = fmt.Fprintf(w, "%-40s %-12.12s %9d %9d %7d %6.2f %6d %7.1f\n", c.mutant.Name,
			small.judge(), c.caught.Seed, small.before.Events, small.after.Events, share,
			small.plan.Size(), small.took.Seconds())
		sizes, shares = append(sizes, float64(small.plan.Size())), append(shares, share)
		times = append(times, small.took.Seconds())
	}
	_, _ = fmt.Fprintf(w, "of %d: %s decisions, %s %% of the events, %s s\n", len(sizes),
		middle(sizes), middle(shares), middle(times))
}

// judge is the one who objects.
func (s *shrunk) judge() string {
	if len(s.before.Judges) == 0 {
		return "nobody"
	}
	return s.before.Judges[0]
}

// middle shows the median of numbers, their 90th percentile and the worst.
func middle(v []float64) string {
	if len(v) == 0 {
		return "no"
	}
	slices.Sort(v)
	return fmt.Sprintf("median %.4g, 90 in 100 at most %.4g, worst %.4g", v[len(v)/2],
		v[min(len(v)*9/10, len(v)-1)], v[len(v)-1])
}
