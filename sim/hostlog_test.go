package sim

import (
	"slices"
	"testing"

	"github.com/vivariumdb/vivarium/core"
)

// A start crashes behind the founding of its disk, before anything was told of it; the next finds
// an entry there that a foreign hand wrote.
func TestHostLogOfFoundedDisk(t *testing.T) {
	var l hostLog
	l.founded(1)
	l.put(2, 7)
	if l.last() != 2 || l.term(2) != 7 || l.term(1) != 0 {
		t.Errorf("founded(1), put(2, 7): last %d, terms %d and %d of 1 and 2, want 2, 0 and 7",
			l.last(), l.term(1), l.term(2))
	}
}

// What is known of a disk that has lost everything must not be forgotten with it.
func TestHostLogOfLostDisk(t *testing.T) {
	l := hostLog{base: 3, terms: []uint64{1, 1}, acked: 5}
	l.founded(1)
	if l.base != 3 || l.term(4) != 1 || l.term(5) != 1 || l.acked != 5 {
		t.Errorf("founded(1) of a log that ends at 5: base %d, terms %d and %d, acknowledged %d",
			l.base, l.term(4), l.term(5), l.acked)
	}
}

// A new leader has all that was applied in its term or before; what later terms have committed is
// not its matter.
func TestLogOfNewLeader(t *testing.T) {
	for _, test := range []struct {
		name    string
		applied []slot // from index 2 on
		log     hostLog
		term    uint64 // in which it leads
		bad     bool
	}{
		{"it has all", []slot{{term: 3, within: 3}, {term: 4, within: 5}},
			hostLog{base: 1, terms: []uint64{3, 4}}, 6, false},
		{"and more", []slot{{term: 3, within: 3}},
			hostLog{base: 1, terms: []uint64{3, 4, 4}}, 6, false},
		{"its log ends before", []slot{{term: 3, within: 3}, {term: 4, within: 4}},
			hostLog{base: 1, terms: []uint64{3}}, 6, true},
		{"it has another entry there", []slot{{term: 3, within: 3}, {term: 4, within: 4}},
			hostLog{base: 1, terms: []uint64{3, 5}}, 6, true},
		{"it is behind a later term", []slot{{term: 3, within: 3}, {term: 4, within: 7}},
			hostLog{base: 1, terms: []uint64{3}}, 6, false},
		{"and behind its own", []slot{{term: 3, within: 3}, {term: 4, within: 7}},
			hostLog{base: 1}, 6, true},
		{"its checkpoint covers all", []slot{{term: 3, within: 3}}, hostLog{base: 2}, 6, false},
	} {
		w := &World{}
		s := newShadow(w)
		s.w, w.shadow = w, s
		s.slots = append(s.slots[:2], test.applied...)
		s.begun = true
		for i := range test.applied[1:] {
			if err := s.state.Begin(uint64(i+2), test.applied[i].term, nil); err != nil {
				t.Fatal(err)
			}
			s.state.Next(core.Origin{}, &s.out)
		}
		s.elected(&host{w: w, id: 1, log: test.log}, test.term)
		if got := len(w.violations) > 0; got != test.bad {
			t.Errorf("%s: violations %v, want some %v", test.name, w.violations, test.bad)
		}
	}
}

// TestHolds: a host on whose disk another entry is in the place of the last that was applied, or
// none, cannot stand in for a disk that is lost.
func TestHolds(t *testing.T) {
	quietly(t, Ensemble(3, 3000), func(s *Stage) {
		s.At(2900, func() {
			w := s.w
			last := w.shadow.state.Index()
			for _, h := range w.hosts {
				log := h.log
				h.log.terms = slices.Clone(log.terms)
				if !w.shadow.holds(h) {
					t.Errorf("host %d holds nothing, of %d entries", h.id, last)
				}
				h.log.terms[last-log.base-1]--
				if w.shadow.holds(h) {
					t.Errorf("host %d holds entry %d, of another term", h.id, last)
				}
				h.log = log
				if h.log.acked = last - 1; w.shadow.holds(h) {
					t.Errorf("host %d holds entry %d, which is not on its disk", h.id, last)
				}
				h.log = log
				h.log.base, h.log.terms = log.last(), nil // all of it is in a checkpoint
				if !w.shadow.holds(h) {
					t.Errorf("host %d does not hold what its checkpoint covers", h.id)
				}
				h.log = log
			}
		})
	})
}
