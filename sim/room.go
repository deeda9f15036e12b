package sim

import "github.com/vivariumdb/vivarium/core"

// plenty is the room on a disk of which nobody runs out.
const plenty = 1 << 40

// planLowRoom plans that disks show little room: too little to go on as before, and yet enough to
// write.
func (w *World) planLowRoom() {
	k := &w.k
	w.repeat(k.LowDiskMs, func() { w.lower(faultLowDisk, pick(w.faults, w.hosts)) })
	w.repeat(k.LowManyMs, func() { w.lower(faultLowDiskMajority, w.majority()...) })
	w.repeat(k.LowLeaderMs, func() {
		if h := w.leader(); h != nil {
			w.lower(faultLowDiskLeader, h)
		}
	})
}

// lower lets disks show little room for a while, all for the same time. Some have no more than they
// show.
func (w *World) lower(kind counter, hosts ...*host) {
	length := second + w.faults.spread(3*second)
	for _, h := range hosts {
		if h.full || h.low > 0 {
			continue
		}
		w.meet(kind, h)
		h.low = w.faults.between(1, w.k.LowDiskBytes)
		if w.faults.chance(300) {
			h.full = h.disk.room(uint64(h.low))
		}
		w.clock.after(length, h.empty)
	}
}

// lookAtDisk lets the process look, about once a second, how much room there is on its disk.
func (h *host) lookAtDisk() {
	if h.mono()-h.looked < 1000 {
		return
	}
	h.looked = h.mono()
	h.turn.FreeBytes = plenty
	switch {
	case h.full:
		if u, err := h.disk.disk().Usage(); err == nil {
			h.turn.FreeBytes = max(int64(u.AvailBytes), 1)
		}
	case h.low > 0:
		h.turn.FreeBytes = h.low
	}
}

// judgeGrowth: an entry that lets nothing grow was made when somebody had little room, as far as
// its leader can have known: hosts look once a second and tell it with their ticks. (Who has no
// room and who is not heard may together be too many.)
func (s *shadow) judgeGrowth(e *core.Entry) {
	if !e.NoGrowth {
		return
	}
	w := s.w
	w.count.add(countNoGrowth)
	since := s.from.decided - 2*second - w.peerLag
	for _, h := range w.hosts {
		if h.low > 0 || h.full || h.emptied > since || s.from.host.pausedAt > since {
			return
		}
	}
	w.violate("room", "an entry lets nothing grow, and all disks have room")
}
