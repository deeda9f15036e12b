package sim

import (
	"fmt"

	"github.com/vivariumdb/vivarium/replication"
)

// doom lets a host die that has just begun to ask for votes, while its own vote is on its way to a
// disk that is slow, and lets it come back soon, to those who may have voted for it. What it said
// meanwhile does not reach everybody. Nobody may have taken it for a leader yet, for it does not
// know any more that it stood.
func (w *World) doom(h *host, appends []*replication.Append) {
	if w.k.Candidates == 0 || w.calm || w.alone() {
		return
	}
	stands := false
	for _, a := range appends {
		s := a.HardState
		if s != nil && s.GetVote() == uint64(h.raftID()) && s.GetTerm() > h.stood {
			h.stood, stands = s.GetTerm(), true
		}
	}
	name := fmt.Sprintf("candidate %d#%d", h.id, h.stood)
	r := newRNG(w.seed, name)
	if !stands || !r.chance(w.k.Candidates) || !w.comes(name, "a candidate dies") {
		return
	}
	dies, epoch := r.between(millisecond, 60*millisecond), h.epoch
	h.slowDisk = w.clock.now + dies
	deaf := w.hosts[r.IntN(len(w.hosts))]
	if deaf != h {
		w.clock.after(r.between(0, dies), func() {
			if !w.calm {
				w.peerLink(h, deaf).cut(deaf, true)
			}
		})
		w.clock.after(dies+r.between(0, w.election()), func() { w.mend(path{h, deaf}) })
	}
	w.clock.after(dies, func() {
		if w.calm || h.epoch != epoch {
			return
		}
		w.kill(r.chance(w.k.LosePower), faultCandidate, h)
		w.clock.after(r.between(millisecond, 40*millisecond), h.start)
	})
}
