package sim

import "testing"

// A member that was deposed and does not know it goes on with a leader's ticks, which tell nobody
// who its clients are: seed 50010979 of 0812949 took them for a follower's.
func TestLeadersTellNobody(t *testing.T) {
	from, to := &host{id: 1}, &host{id: 2}
	w := &World{peers: []*peerLink{{hosts: [2]*host{from, to}}}}
	from.w, to.w = w, w
	tick := []byte{1, 4}
	for _, led := range []bool{false, true} {
		v := newVigil()
		v.led = led
		if got := v.tells(from, to, tick, 3) != nil; got == led {
			t.Errorf("a tick of a member that leads (%v) tells of its clients: %v", led, got)
		}
	}
}
