package sim

import (
	"slices"
	"testing"
)

// A client that comes when all is well reads large replies in seconds, whatever its link would
// have been like before.
func TestLinksOfACalmNetworkAreWide(t *testing.T) {
	k := Quiet(1000)
	k.Window, k.SmallWindowPerMille = 256, 1000
	n := &network{w: &World{k: k}, clock: &clock{}, k: &k, count: &counters{}}
	before := n.link(1, "before")
	if got := before.client.in.window; got > 1024 {
		t.Errorf("a link of a faulty network has a window of %d bytes, want a small one", got)
	}
	n.heal()
	for name, l := range map[string]*link{"before": before, "after": n.link(2, "after")} {
		for _, e := range []*end{&l.client, &l.server} {
			if e.in.window < 1<<16 {
				t.Errorf("the link made %s the faults ended has a window of %d bytes, want 64 KiB",
					name, e.in.window)
			}
		}
	}
}

// What was held while a way was cut arrives before all that was sent later.
func TestReleasedParcelsAreNotOvertaken(t *testing.T) {
	k := Quiet(1000)
	w := &World{k: k}
	l := &peerLink{w: w, r: newRNG(1, "test")}
	l.way[1].delay = 1000
	var ps []*parcel
	for n := range 4 {
		ps = append(ps, &parcel{number: n + 1})
	}
	for _, p := range []*parcel{ps[0], ps[2], ps[3]} {
		l.carry(1, p)
	}
	l.way[1].hold(ps[1]) // it came while the way was cut
	l.release(1)
	var got []int
	for _, p := range l.way[1].under {
		got = append(got, p.number)
	}
	if want := []int{1, 2, 3, 4}; !slices.Equal(got, want) || ps[0].trip != 1 || ps[3].trip != 2 {
		t.Errorf("on their way are %v, want %v; the first was sent %d times, the last %d", got,
			want, ps[0].trip, ps[3].trip)
	}
}
