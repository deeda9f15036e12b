package sim

import "testing"

// A member that was deposed and does not know it goes on with a leader's ticks, which tell nobody
// who its clients are: seed 50010979 of 0812949 took them for a follower's. It is heard itself all
// the same: for seed 51095 of 7d49ac8 (with Ghosts=1 ReconfigEnabled=1 WeightOperator=30 Asks=1) it
// was not, and the clock of the leader that it reaches was thought to stand.
func TestLeadersTellNobody(t *testing.T) {
	from, to := &host{id: 1}, &host{id: 2}
	w := &World{peers: []*peerLink{{hosts: [2]*host{from, to}}}}
	from.w, to.w = w, w
	tick := []byte{1, 4}
	for _, test := range []struct {
		led  bool
		want int // signs that are told after three ticks
	}{{false, 3}, {true, 0}} {
		v := newVigil()
		v.led = test.led
		var got *telling
		for range 3 {
			if got = v.tells(from, to, tick, 3); got == nil || got.from != from || got.vigil != v {
				t.Fatalf("nobody hears a tick of a member that leads (%v): %+v", test.led, got)
			}
		}
		if got.n != test.want || got.earlier[1] != test.want {
			t.Errorf("a member that leads (%v) tells of %d clients at least and %d at most, "+
				"want %d", test.led, got.n, got.earlier[1], test.want)
		}
	}
	if got := newVigil().tells(from, to, []byte{1, 1}, 3); got != nil {
		t.Errorf("a message that is no tick tells %+v", got)
	}
}
