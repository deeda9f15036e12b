package sim

import (
	"flag"
	"slices"
	"testing"
)

var (
	seeds = flag.Uint64("seeds", 20, "how many worlds TestWorlds runs")
	from  = flag.Uint64("from", 1, "the first of them")
)

func TestWorlds(t *testing.T) {
	if testing.Short() {
		*seeds = min(*seeds, 5)
	}
	for seed := *from; seed < *from+*seeds; seed++ {
		r := Run(Options{Seed: seed})
		for _, v := range r.Violations[:min(5, len(r.Violations))] {
			t.Errorf("seed %d: %v\n  go run -tags checked ./cmd/vivarium-sim run -seed %d", seed, v,
				seed)
		}
	}
}

func TestSameSeedSameTrace(t *testing.T) {
	for seed := uint64(100); seed < 110; seed++ {
		first, second := Run(Options{Seed: seed}), Run(Options{Seed: seed})
		if first.Trace != second.Trace {
			t.Errorf("seed %d: traces %s and %s", seed, first.Trace, second.Trace)
		}
	}
	if a, b := Run(Options{Seed: 1}), Run(Options{Seed: 2}); a.Trace == b.Trace {
		t.Errorf("seeds 1 and 2 have the same trace %s", a.Trace)
	}
}

// TestCrashAtEveryBoundary lets a small world crash at its first effect boundary, at its second
// and so on to its last.
func TestCrashAtEveryBoundary(t *testing.T) {
	k := Quiet(800)
	k.Clients, k.ThinkUs, k.Roots, k.Names, k.CheckpointBytes = 2, 50000, 1, 2, 300
	k.WeightTree, k.WeightEphemeral, k.WeightWRW = 1, 1, 1
	k.FeedBudget, k.ApplyBudget, k.LosePower = 2, 2, 1000
	step := int64(1)
	if testing.Short() {
		step = 10
	}
	last := Run(Options{Seed: 5, Knobs: &k}).Count("effect boundaries")
	for k.CrashAt = 1; k.CrashAt < last; k.CrashAt += step {
		r := Run(Options{Seed: 5, Knobs: &k})
		for _, v := range r.Violations[:min(3, len(r.Violations))] {
			t.Errorf("crash at boundary %d of %d: %v", k.CrashAt, last, v)
		}
	}
	t.Logf("crashed at %d boundaries", last/step)
}

func TestKnobs(t *testing.T) {
	k := Draw(7)
	changed := k
	for _, s := range []string{"Clients=2", "CrashBoundaries=0", "ResetMs=77"} {
		if err := changed.Set(s); err != nil {
			t.Errorf("Set(%q) = %v", s, err)
		}
	}
	again := Draw(7)
	for _, s := range k.Difference(changed) {
		if err := again.Set(s); err != nil {
			t.Errorf("Set(%q) = %v", s, err)
		}
	}
	if again != changed {
		t.Errorf("knobs %v, want %v", again, changed)
	}
	for _, s := range []string{"", "Clients", "Clients=x", "NoSuchKnob=1"} {
		if err := changed.Set(s); err == nil {
			t.Errorf("Set(%q) succeeded", s)
		}
	}
}

func TestClockOrder(t *testing.T) {
	r := newRNG(1, "test")
	var c clock
	var got []int64
	for range 1000 {
		c.after(r.between(0, 50), func() { got = append(got, c.now) })
	}
	order := 0
	for i := range 20 {
		c.after(60, func() {
			if order != i {
				t.Errorf("event %d of the same time came as number %d", i, order)
			}
			order++
		})
	}
	for {
		e, ok := c.next()
		if !ok {
			break
		}
		e.run()
	}
	if len(got) != 1000 || !slices.IsSorted(got) {
		t.Errorf("%d events at %v, want 1000 in order", len(got), got)
	}
}

func BenchmarkWorlds(b *testing.B) {
	for i := range b.N {
		if r := Run(Options{Seed: uint64(i)}); r.Failed() {
			b.Errorf("seed %d: %v", i, r.Violations[0])
		}
	}
}
