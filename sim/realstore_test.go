package sim

import "testing"

// TestRealStore runs worlds in which all hosts have the real store, whose goroutines make a world
// worth a run with the race detector: the others have none.
func TestRealStore(t *testing.T) {
	for seed := uint64(1); seed < 4; seed++ {
		k := Draw(seed)
		k.RealStore, k.DurationMs = 1, min(k.DurationMs, 10000)
		r := Run(Options{Seed: seed, Knobs: &k})
		for _, v := range r.Violations[:min(5, len(r.Violations))] {
			t.Errorf("seed %d: %v", seed, v)
		}
	}
}
