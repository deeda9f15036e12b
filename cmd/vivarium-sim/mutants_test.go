package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vivariumdb/vivarium/internal/mutant"
)

// TestSample: as many turns as a sample's part is long choose every mutant of the world.
func TestSample(t *testing.T) {
	whole := (&hunt{}).choose()
	for _, sample := range []int{1, 7, 12, len(whole)} {
		chosen := map[string]bool{}
		turns := (len(whole) + sample - 1) / sample
		for turn := range turns {
			h := hunt{sample: sample, turn: uint64(turn)}
			list := h.choose()
			if len(list) != sample {
				t.Errorf("sample %d, turn %d: %d mutants", sample, turn, len(list))
			}
			for _, m := range list {
				chosen[m.Name] = true
			}
		}
		if len(chosen) != len(whole) {
			t.Errorf("sample %d: %d turns choose %d mutants of %d", sample, turns, len(chosen),
				len(whole))
		}
	}
}

// TestCatches: what is reported of some sweeps.
func TestCatches(t *testing.T) {
	caught := func(seed uint64, judges ...string) *verdict {
		v := &verdict{Seed: seed}
		for _, j := range judges {
			v.Violations = append(v.Violations, finding{Judge: j})
		}
		return v
	}
	h := hunt{from: 1, sweeps: 3, most: 50}
	a, b := mutant.Mutant{Name: "a", Text: "this", Known: "that"}, mutant.Mutant{Name: "b"}
	c := mutant.Mutant{Name: "c", Area: mutant.Client}
	r := h.report([]mutant.Mutant{a, b, c}, []*chase{
		{next: 1, caught: caught(1, "x")}, {next: 9, caught: caught(8, "y")},
		{next: 3, caught: caught(7, "y")},
		{next: 1, caught: caught(1)}, {next: 1, caught: caught(5)}, {next: 1, caught: caught(9)},
		{next: 2, caught: caught(2, "z")}, {next: 50}, {next: 20}})
	if r.Missed != 1 || r.Counted != 2 || r.Worlds != 88 || r.Median != 70 || r.P95 != 70 {
		t.Errorf("report %+v", r)
	}
	want := &catch{Name: "a", Text: "this", Known: "that", Area: "raft and storage",
		Judges: []string{"y", "x"}, Seeds: []uint64{1, 8, 7}, After: []uint64{1, 9, 3},
		Median: 3, Worst: 9}
	if diff := cmp.Diff(want, r.Mutants[0]); diff != "" {
		t.Error(diff)
	}
	if m := r.Mutants[1]; !m.Smoke || m.Missed {
		t.Errorf("a smoke test is %+v", m)
	}
	if m := r.Mutants[2]; !m.Missed || m.Median != 70 {
		t.Errorf("a mutant that was missed is %+v", m)
	}
	file := filepath.Join(t.TempDir(), "doc.md")
	const begin, end = "<!-- mutants: begin -->\n", "<!-- mutants: end -->\n"
	old := "a\n" + begin + "old\n" + end + "z\n"
	if err := os.WriteFile(file, []byte(old), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // what is there is replaced
		if err := r.document(file, ""); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"a\n" + begin, end + "z\n",
		"| `a` | this (**that**) | y, x | 3 | 9 | 0.0 |", "| `c` |  | z | > 20 | > 50 |",
		"| y | 1 | `a` |\n", "| z | 1 | `c` |\n"} {
		if !strings.Contains(string(text), part) {
			t.Errorf("no %q in\n%s", part, text)
		}
	}
	if strings.Contains(string(text), "old") {
		t.Errorf("the old table is still in\n%s", text)
	}
}

func TestShrinkings(t *testing.T) {
	r := shrinkings{given: 60, rows: []shrinking{
		{"a", "reads", 1, 1000, 10, 3, 0.5},
		{"b", "liveness", 2, 2000, 500, 30, 60},
		{"c", "fifo", 3, 0, 0, 0, 0}, // fails before anything happens
	}}
	want := `Measured at 1234567: of 3 worlds, given 60 s each, keep ` +
		`decisions: median 3, 90 in 100 at most 30, worst 30; ` +
		`% of events: median 1, 90 in 100 at most 25, worst 25; ` +
		`seconds: median 0.5, 90 in 100 at most 60, worst 60; ` +
		`2 worlds with at most 10 % of their events.

| bug | judge | seed | events | left | % | decisions | seconds |
|---|---|--:|--:|--:|--:|--:|--:|
| ` + "`b`" + ` | liveness | 2 | 2000 | 500 | 25.0 | 30 | 60.0 |
| ` + "`a`" + ` | reads | 1 | 1000 | 10 | 1.0 | 3 | 0.5 |
| ` + "`c`" + ` | fifo | 3 | 0 | 0 | 0.0 | 0 | 0.0 |
`
	if d := cmp.Diff(want, r.markdown("1234567")); d != "" {
		t.Errorf("table (-want +have):\n%s", d)
	}
	if have := (&shrinkings{}).total(); !strings.Contains(have, "of 0 worlds") {
		t.Errorf("of none: %s", have)
	}
}
