package store

import "testing"

// What replaces entries and is lost in a crash has replaced nothing: a later Cut must not take the
// record that still holds them.
func TestMemoryLostReplacement(t *testing.T) {
	r := memoryRig{mem: NewMemory()}
	d, _ := mustOpen(t, &r)
	mustLog(t, d, hardState{1, 1, 1}, newEntries(1, 1, 2, 5))
	mustLog(t, d, hardState{1, 1, 1}, newEntries(1, 3, 1, 5))
	p := r.mem.PlanAppend(Batch{HardState: hardState{2, 0, 1}.proto(),
		Entries: newEntries(2, 2, 1, 5)})
	if err := p.Do(); err != nil || p.Next() != EffectLogSync {
		t.Fatalf("%v, then %v", err, p.Next())
	}
	mustCheckpoint(t, d, 1, 1, "a=1")
	for _, when := range []string{"before the crash", "behind it"} {
		if err := d.Cut(1); err != nil {
			t.Fatal(err)
		}
		r.powerCut(t)
		var rec *Recovered
		var err error
		if d, rec, err = r.open(testOptions()); err != nil {
			t.Fatalf("cut %s: Open() = %v", when, err)
		}
		if len(rec.Entries) != 2 {
			t.Errorf("cut %s: %d entries, want 2", when, len(rec.Entries))
		}
	}
	r.powerCut(t)
	if _, _, err := r.open(testOptions()); err != nil {
		t.Errorf("Open() = %v", err)
	}
}
