package sim

import "fmt"

// Draw returns the knobs that a seed draws.
func Draw(seed uint64) Knobs { return draw(seed) }

// CounterNames returns the names of Result.Counts, in their order.
func CounterNames() []string { return append([]string(nil), counterNames[:]...) }

// Difference says how the knobs of k must be set to be those of other.
func (k Knobs) Difference(other Knobs) []string {
	was := map[string]int64{}
	k.each(func(name string, v *int64) { was[name] = *v })
	var set []string
	other.each(func(name string, v *int64) {
		if was[name] != *v {
			set = append(set, fmt.Sprintf("%s=%d", name, *v))
		}
	})
	return set
}

// Shrink looks for a smaller world of a seed that still fails: it lets it end earlier, takes
// clients away, and turns off one knob after the other, as long as anything helps. progress is
// told of each world that is smaller and fails.
func Shrink(seed uint64, k Knobs, progress func(tried int, k Knobs)) Knobs {
	tried := 0
	fails := func(k Knobs) bool {
		tried++
		return Run(Options{Seed: seed, Knobs: &k}).Failed()
	}
	for better := true; better; {
		better = false
		for _, smaller := range k.smaller() {
			if fails(smaller) {
				k, better = smaller, true
				progress(tried, k)
				break
			}
		}
	}
	return k
}

// smaller returns worlds that are a little smaller than that of k, the boldest first.
func (k Knobs) smaller() []Knobs {
	var all []Knobs
	change := func(name string, to func(v int64) int64) {
		next := k
		next.each(func(n string, v *int64) {
			if n == name {
				*v = to(*v)
			}
		})
		if next != k {
			all = append(all, next)
		}
	}
	change("DurationMs", func(v int64) int64 { return max(v/2, 100) })
	change("DurationMs", func(v int64) int64 { return max(v*9/10, 100) })
	change("Clients", func(v int64) int64 { return max(v/2, 1) })
	change("Clients", func(v int64) int64 { return max(v-1, 1) })
	k.each(func(name string, _ *int64) {
		switch name {
		case "DurationMs", "Clients":
		case "ElectionTicks", "CheckpointBytes", "IdleTicks", "ContainerCheckMs", "HandshakeMs",
			"MinTimeoutMs", "MaxTimeoutMs", "ApplyBudget", "FeedBudget", "FeedBytes", "FlushBytes",
			"Window", "ThinkUs", "Burst", "Pipeline", "Roots", "Names":
			// Zero means something else there.
		default:
			change(name, func(int64) int64 { return 0 })
		}
	})
	return all
}
