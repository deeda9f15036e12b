package sim

import (
	"errors"
	"fmt"

	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/replication/store"
)

// planLostDisks plans what takes disks away.
func (w *World) planLostDisks() {
	if w.abstract != nil {
		w.planToldLosses()
		return
	}
	w.repeat(w.k.WipeMs, func() {
		h := pick(w.faults, w.hosts)
		if w.strike(w.faults, h, h.wipe) {
			w.brings(faultWipe, h)
		}
	})
	w.repeat(w.k.RotMs, func() {
		h := pick(w.faults, w.hosts)
		if w.strike(w.faults, h, h.decay) {
			w.brings(faultRot, h)
		}
	})
}

// wipe takes away all that is on a disk.
func (h *host) wipe() {
	h.w.meet(faultWipe, h)
	h.lose("wiped")
}

// strike lets something befall a disk without which the ensemble can do: at once, or after its host
// has been down for some time, which it returns.
//
// Where members come and go, somebody may take a voter away before anybody misses the disk, so that
// nothing goes on without it. If it is lost at once the ensemble can do without one more; if its
// host was down for so long that nobody counts on it, there is no need for that.
func (w *World) strike(r rng, h *host, befall func()) (later bool) {
	margin := 0
	if w.k.MemberChanges+w.k.RoleChanges > 0 {
		margin = 1
	}
	if w.spares(h, margin) {
		befall()
		return false
	}
	if margin == 0 || !w.spares(h, 0) {
		return false
	}
	h.gone = true
	if h.up {
		h.crash(r.chance(w.k.LosePower))
	}
	w.clock.after(r.between(2*second, 5*second), func() {
		h.gone = false
		if !w.calm && w.spares(h, 0) {
			befall()
		}
		h.start()
	})
	return true
}

// spares says whether the ensemble can do without a disk, and so many more: a quorum of those that
// vote is on other disks, holds everything, has not just been paused, and knows for certain who
// votes. (Who leads may be the only one to know that a change has ended: the others would need a
// majority of the old voters too.)
func (w *World) spares(lost *host, margin int) bool {
	s := w.shadow
	if s.members == nil || s.members.Target != nil || lost.gone || lost.raftID() == 0 {
		return false
	}
	voters, good := 0, 0
	for i := range s.members.Members {
		e := &s.members.Members[i]
		if e.Role != core.RoleVoter {
			continue
		}
		voters++
		h := w.byRaftID(e.RaftID)
		if h == nil || h == lost || h.rotten {
			continue
		}
		if h.member == nil || h.member.Changing() || h.paused ||
			h.pausedAt > w.clock.now-2*second {
			return false
		}
		if h.seen.index >= s.changed && h.log.commit >= s.changed && s.holds(h) {
			good++
		}
	}
	return 2*(good-margin) > voters-margin
}

// holds says whether all that was applied anywhere is on a host's disk: these entries, not others
// in their place that nobody has committed.
func (s *shadow) holds(h *host) bool {
	last := s.state.Index()
	return h.log.holds(last, s.slots[last].term)
}

// decay damages the disk of a process that ends without a word, or has ended.
func (h *host) decay() {
	if h.up {
		h.crash(false)
	}
	if what := h.disk.rot(h.life); what != "" {
		h.w.meet(faultRot, h)
		h.w.trace.add(h.w.clock.now, traceHost, h.id, []byte(what))
		h.rotten, h.damaged = true, h.w.clock.now
	}
}

// passes says whether a damaged disk was opened all the same: what was written last may look as if
// it had never been whole. Then peers know better. Else it is another disk from now on.
func (h *host) passes(err error) bool {
	h.rotten = false
	switch {
	case err == nil:
		h.w.meet(faultForgot, h)
		h.log, h.forgot = hostLog{}, true
		return true
	case errors.Is(err, store.ErrDiskLost):
		h.lose("damaged")
	default:
		h.w.violate("recovery", fmt.Sprintf("host %d: %v", h.id, err))
	}
	return false
}
