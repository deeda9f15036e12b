package sim

import (
	"slices"

	"github.com/vivariumdb/vivarium/wire"
)

// relive lets a process die twice, the second time just after its clients asked it for something,
// and come back to the same clients, who ask again. What it asked its leader for before comes late,
// and is answered when it has asked for as much again.
func (w *World) relive() {
	lead := w.leader()
	if lead == nil || lead.paused || w.k.PeerOneInFlight != 0 {
		return
	}
	h := w.followed(lead)
	if h == nil {
		return
	}
	w.revive(h)
	epoch, r := h.epoch, w.fork()
	w.clock.after(r.between(w.election()/2, 3*w.election()/2), func() {
		if lead = w.leader(); w.calm || h.epoch != epoch+1 || lead == nil || lead == h {
			return
		}
		about, dies := pick(r, abouts), r.between(5, 45)*millisecond
		w.far(h, lead, r.between(w.election()/5, w.election()), dies)
		w.far(lead, h, r.between(w.election()/20, w.election()/5), 2*w.election())
		for _, c := range w.clientsOf(h) {
			c.conn.ask(about, wire.OpSync, wire.OpGetData)
		}
		w.clock.after(dies, func() {
			if !w.calm && h.up {
				w.revive(h)
				w.inquire(r, h, about, 0, 2*w.election(), r.between(20, 60))
			}
		})
	})
}

// revive lets a process die, and begin again at once. What it has said comes late, and its clients
// come back to it.
func (w *World) revive(h *host) {
	for _, c := range w.clientsOf(h) {
		c.servers.again(h.id)
	}
	h.haunts = true
	w.kill(false, faultRevived, h)
	h.haunts = false
	w.clock.after(millisecond, h.start)
}

// again makes a server the next one.
func (s *servers) again(id int64) {
	if i := slices.Index(s.order, id); i >= 0 {
		s.at = (i + len(s.order) - 1) % len(s.order)
	}
}
