package main

import (
	"strings"
	"testing"

	"github.com/vivariumdb/vivarium/linearizability"
	"github.com/vivariumdb/vivarium/sim"
)

// A sweep of three worlds, one of which failed, as documentation shows it.
func TestSweepTable(t *testing.T) {
	var verdicts []*verdict
	for seed := range uint64(3) {
		v := &verdict{Seed: seed, Nanos: 1e9, Virtual: 5e6}
		for i := range sim.CounterNames() {
			v.Counts = append(v.Counts, int64(seed)*int64(i%2))
		}
		verdicts = append(verdicts, v)
	}
	verdicts[1].Violations = []finding{{Judge: "reads"}}
	f := runFlags{seed: 7, seeds: 3, commit: "1234567", set: []string{"Hosts=3"}}
	text := gather(verdicts).markdown(&f, linearizability.Porcupine{Operations: 5, Windows: 4})
	for _, want := range []string{
		"`make sim SEED=7 SEEDS=3 ARGS='--set Hosts=3'` at 1234567: 3 worlds, " +
			"1 with violations: [1].\n",
		"\n3600 worlds per CPU-hour with all judges, 5 simulated seconds per real one.\n",
		"porcupine judged 5 operations in 4 windows of 0 components;",
		"| in a world | least | median | 90 in 100 | 99 in 100 | most | in seed |\n",
		" kinds of fault came. In fewer than 20 of 1,000 worlds came:\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
	r := gather(verdicts)
	for i, s := range r.Counters {
		if want := uint64(2 * (i % 2)); s.In != want || s.Most != int64(want) {
			t.Errorf("%s: at most %d, in seed %d; want %d, in the first with it", s.Name, s.Most,
				s.In, want)
		}
	}
	for _, name := range tabled {
		if !strings.Contains(text, "| "+name+" | 0 | ") {
			t.Errorf("no row of %q", name)
		}
	}
}
