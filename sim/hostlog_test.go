package sim

import "testing"

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
