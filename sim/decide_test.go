package sim

import "testing"

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
