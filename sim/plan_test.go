package sim

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestPlanIsWorld runs worlds with all their decisions named: they are the same worlds.
func TestPlanIsWorld(t *testing.T) {
	for seed := uint64(1); seed < 8; seed++ {
		plain := Run(Options{Seed: seed})
		told := Run(Options{Seed: seed, Record: true})
		if told.Trace != plain.Trace {
			t.Errorf("seed %d: trace %s, and %s when decisions are recorded", seed, plain.Trace,
				told.Trace)
		}
		kept := Run(Options{Seed: seed, Plan: &Plan{Seed: seed, Keep: told.Decisions}})
		if kept.Trace != plain.Trace {
			t.Errorf("seed %d: trace %s, and %s with all %d decisions kept", seed, plain.Trace,
				kept.Trace, len(told.Decisions))
		}
	}
}

func TestPlanFile(t *testing.T) {
	want := &Plan{Seed: 7, Mutant: "m", Luck: 2, Calm: true, Knobs: []string{"SyncUs=5"},
		EndUs: 3_000_417, PatienceUs: 20 * second, Gaps: []Gap{{1, 2}, {1 << 40, 1<<40 + 1}},
		Notes: []string{"a note"},
		Keep: []Decision{{ID: "client 3#17.1.1", At: 12, What: "create /a"},
			{ID: "fault 5#2", At: 1e9, What: "kill, 3 s: x"},
			{ID: "crash of 3#2", At: 5, What: "host 3: crash around a mark",
				Spot: Spot{1_000_005, 2, "crash around a mark"}}}}
	for _, want := range []*Plan{want, {Seed: 1}, {Seed: 1, Keep: []Decision{}}} {
		var b bytes.Buffer
		if err := want.Write(&b); err != nil {
			t.Fatal(err)
		}
		text := b.String()
		have, err := ReadPlan(&b)
		if err != nil {
			t.Errorf("ReadPlan(%q): %v", text, err)
		}
		if diff := cmp.Diff(want, have); diff != "" {
			t.Errorf("ReadPlan(%q) (-want +have)\n%s", text, diff)
		}
	}
	for _, bad := range []string{"sed 7", "seed x", "end 1.1234567", "knob Nothing=3", "gap 1",
		"keep crash of 3#2 @ 1.5 crash around a mark", "keep crash of 3#2 @ 1.5 1 a crash"} {
		if p, err := ReadPlan(bytes.NewBufferString(bad)); err == nil {
			t.Errorf("ReadPlan(%q) = %v", bad, p)
		}
	}
}

// TestFilmChangesNothing films worlds: they stay what they are.
func TestFilmChangesNothing(t *testing.T) {
	for seed := uint64(1); seed < 4; seed++ {
		plain, filmed := Run(Options{Seed: seed}), Run(Options{Seed: seed, Film: true})
		if plain.Trace != filmed.Trace {
			t.Errorf("seed %d: trace %s, filmed %s", seed, plain.Trace, filmed.Trace)
		}
		f := filmed.Film
		if plain.Film != nil || len(f.Arrows) == 0 || len(f.Bars) == 0 || len(f.States) == 0 {
			t.Errorf("seed %d: a film of %d arrows, %d bars, %d states", seed, len(f.Arrows),
				len(f.Bars), len(f.States))
		}
		lost, calls := 0, 0
		for _, a := range f.Arrows {
			if a.Came >= 0 && a.Came < a.Sent || a.From >= len(f.Lanes) || a.To >= len(f.Lanes) {
				t.Fatalf("seed %d: arrow %+v", seed, a)
			}
			if a.Came < 0 {
				lost++
			}
			if a.Kind == "call" {
				calls++
			}
		}
		if lost*5 > len(f.Arrows) || calls == 0 {
			t.Errorf("seed %d: of %d arrows %d never come, %d are calls", seed, len(f.Arrows),
				lost, calls)
		}
	}
}
