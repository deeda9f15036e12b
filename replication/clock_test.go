package replication

import (
	"testing"

	"github.com/vivariumdb/vivarium/core"
)

// The clock of a member that does not lead stands still. Sessions that come and go must not fill
// its memory, and the others expire when they should once it leads.
func TestSessionsThatEndedAreNotKept(t *testing.T) {
	const stay, gone = 10, 100_000
	k := newSessionClock(50)
	for id := range core.SessionID(gone) {
		k.started(id, 1, 4000)
		if id%(gone/stay) != 0 {
			k.ended(id)
		}
		if id%7 == 0 {
			k.started(id, 2, 2000) // came back with a shorter time-out, or has ended
			k.ended(id + 1)
			if id%(gone/stay) != 0 {
				k.ended(id)
			}
		}
	}
	listed := 0
	for _, ids := range k.due {
		listed += cap(ids)
	}
	if listed > 1000 || len(k.live) != stay {
		t.Errorf("%d sessions live, there is room for %d in the buckets", len(k.live), listed)
	}
	k.restart()
	seen := map[core.SessionID]bool{}
	for tick := 1; tick <= 81; tick++ {
		for _, e := range k.tick(nil) {
			if e.generation == 1 && tick < 81 || tick < 41 {
				t.Errorf("session %v expired after %d ticks", e.session, tick)
			}
			seen[e.session] = true
			k.ended(e.session)
		}
	}
	if len(seen) != stay {
		t.Errorf("%d expired, want %d", len(seen), stay)
	}
}
