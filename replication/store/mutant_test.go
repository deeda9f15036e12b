//go:build mutants

package store

import (
	"testing"

	"github.com/vivariumdb/vivarium/internal/mutant"
	"pgregory.net/rapid"
)

// TestMutants shows that the crash tests can see: each known bug fails them on each disk.
func TestMutants(t *testing.T) {
	names := []string{"store-ack-before-sync", "store-torn-tail-as-data",
		"store-truncated-suffix-left", "store-checkpoint-index-off", "store-term-vote-not-synced"}
	crashes := map[string]func([]op) error{
		"memory": crashMemoryEverywhere,
		"store":  func(ops []op) error { return crashStore(ops, 0, 1) }}
	ops := rapid.Custom(func(t *rapid.T) []op { return drawOps(t, 12) })
	defer func() { _ = mutant.Select("") }()
	for _, name := range names {
		if err := mutant.Select(name); err != nil {
			t.Fatal(err)
		}
		for disk, crash := range crashes {
			const most = 300
			for seed := 0; ; seed++ {
				if seed == most {
					t.Errorf("%s on %s: not caught by %d sequences", name, disk, most)
					break
				}
				if err := crash(ops.Example(seed)); err != nil {
					t.Logf("%s on %s: caught by sequence %d", name, disk, seed)
					break
				}
			}
		}
	}
}

// TestMutantOfMergedTerms shows why the mark must not take what came with a new term for
// acknowledged in it: a log that was lawfully shortened is then taken for a lost disk.
func TestMutantOfMergedTerms(t *testing.T) {
	if err := mutant.Select("store-mark-of-merged-terms"); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = mutant.Select("") }()
	for name, r := range rigs(t) {
		d, _ := mustOpen(t, r)
		mustAppend(t, d, Batch{HardState: hardState{2, 0, 0}.proto(),
			Entries: newEntries(1, 1, 5, 5)})
		mustAppend(t, d, Batch{Entries: newEntries(2, 2, 1, 5)})
		r.powerCut(t)
		if _, _, err := r.open(testOptions()); err == nil {
			t.Errorf("%s: not caught", name)
		}
	}
}

// TestMutantOfMarkLeftBehind shows that it is seen when the mark lacks a vote that the log has.
func TestMutantOfMarkLeftBehind(t *testing.T) {
	if err := mutant.Select("store-mark-left-behind"); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = mutant.Select("") }()
	for disk, mark := range marksBroughtUp {
		if m := mark(t); m.Term == 3 && m.Vote == 2 {
			t.Errorf("%s: not caught", disk)
		}
	}
}
