package sim

import (
	"strings"
	"testing"
)

// The stream of faults may be drawn from only while one is decided; what it brings with it later
// draws from a fork, which is the same whatever else is decided.
func TestDecisionDrawsAtOnce(t *testing.T) {
	later := func(others int) (drawn [2]uint64) {
		w := &World{seed: 1, faults: gatedRNG(1, "faults")}
		a, b := w.actor("a", w.faults), w.actor("b", w.faults)
		var mine rng
		b.act(func() {
			b.act(func() { drawn[0] = w.faults.Uint64() })
			mine = w.fork()
		})
		for range others {
			a.act(func() { w.faults.Uint64() })
		}
		if !panics(func() { w.faults.IntN(3) }) {
			t.Error("a fault may draw after it was decided")
		}
		drawn[1] = mine.Uint64()
		return drawn
	}
	if few, many := later(0), later(7); few != many {
		t.Errorf("a fault draws %v, and %v where others are decided as well", few, many)
	}
	if r := gatedRNG(1, "faults"); !panics(func() { r.chance(500) }) {
		t.Error("a fault may draw before it is decided")
	}
}

func panics(do func()) (yes bool) {
	defer func() { yes = recover() != nil }()
	do()
	return false
}

// What a fault lets happen later only is named where it is decided: a world that was made smaller
// shows nothing else of it.
func TestDecisionsSayWhatTheyBring(t *testing.T) {
	for _, test := range []struct {
		fault counter
		set   func(k *Knobs)
	}{
		{faultHaunt, func(k *Knobs) { k.HauntMs = 500 }},
		{faultDoze, func(k *Knobs) { k.DozeMs = 500 }},
		{faultStranded, func(k *Knobs) { k.BehindMs = 500 }},
		{faultWipe, func(k *Knobs) { k.WipeMs, k.Asks, k.RoleChanges = 500, 1, 1 }},
	} {
		k := Ensemble(3, 8000)
		k.Clients = 3
		test.set(&k)
		said := false
		for _, d := range Run(Options{Seed: 1, Knobs: &k, Record: true}).Decisions {
			name := strings.TrimPrefix(test.fault.String(), "fault: ")
			said = said || strings.HasPrefix(d.ID, "fault ") &&
				strings.Contains(d.What, "soon, at host ") && strings.Contains(d.What, name)
		}
		if !said {
			t.Errorf("no decision says that it brings %q", test.fault)
		}
	}
}
