package sim

import "testing"

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
