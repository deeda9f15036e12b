package sim

import "fmt"

// quiesce ends the faults.
func (w *World) quiesce() {
	if w.restful() {
		w.lastWrites()
		return
	}
	w.still()
}

// still heals what faults have done to the hosts, and then what they have done to the clients.
func (w *World) still() {
	w.calm, w.calmAt = true, w.clock.now
	w.backUp()
	for _, most := range []*int64{&w.k.FlushBytes, &w.k.FeedBytes} {
		*most = max(*most, 4096) // what little pieces it took was a fault, too
	}
	for _, l := range w.peers {
		l.heal()
	}
	for _, h := range w.hosts {
		h.upgrade()
		h.crashAt, h.crashIn = 0, 0
		h.empty()
		if h.paused {
			h.resume()
		}
		if !h.up {
			h.start()
		}
	}
	if w.resting {
		w.await("the hosts, whom no client reaches", min(w.patience, restWithin), w.carriedOut,
			w.wakeClients)
		return
	}
	w.wakeClients()
}

// restWithin is how long a command may take that a host has when the faults stop.
const restWithin = 60 * second

// finishClients waits for the clients.
func (w *World) finishClients() {
	w.await("the clients", w.patience, func() bool {
		for _, c := range w.clients {
			if !c.done() {
				return false
			}
		}
		return true
	}, w.expire)
}

// await lets next happen once ready says so; after limit it is a violation.
func (w *World) await(what string, limit int64, ready func() bool, next func()) {
	switch {
	case ready():
		next()
	case limit <= 0:
		w.violate("liveness", "the world waits in vain for "+what+": "+w.stuck())
	default:
		w.clock.after(50*millisecond, func() { w.await(what, limit-50*millisecond, ready, next) })
	}
}

// all says whether all processes run and each is as it should be.
func (w *World) all(ok func(*host) bool) bool {
	for _, h := range w.hosts {
		if !h.up || h.stopping || h.member == nil || !ok(h) {
			return false
		}
	}
	return true
}

// expire waits until the sessions that nobody closed have expired, and their ephemerals with
// them; then somebody looks at everything once more.
func (w *World) expire() {
	w.goneAt, w.goneZxid = w.clock.now, w.shadow.state.LastZxid()
	w.await("the sessions", w.patience, func() bool {
		return w.all(func(h *host) bool { return h.member.Local.State.SessionCount() == 0 })
	}, func() {
		for _, h := range w.hosts {
			if n := h.member.Local.State.EphemeralCount(); n != 0 {
				w.violate("ephemerals", fmt.Sprintf("%d are left after the end of all sessions", n))
				return
			}
		}
		auditor := newRawClient(w, int64(len(w.clients)+1))
		w.clients = append(w.clients, auditor)
		auditor.finishing, auditor.auditor = true, true
		auditor.start()
		w.await("the auditor", w.patience, auditor.done, func() { w.idle(w.restart) })
	})
}

// restart stops all processes in good order and lets them start once more, to see what they load
// and that they come to agree.
func (w *World) restart() {
	idle := func() bool { return w.all(func(*host) bool { return true }) }
	w.await("the hosts", w.patience, idle, func() {
		for _, h := range w.hosts {
			h.stopOrderly()
		}
		w.await("the last restart", w.patience, w.converged, func() {
			w.finalLines()
			for _, h := range w.hosts {
				h.run(h.rot)
			}
			w.stop()
		})
	})
}

// converged says whether all members hold all that was committed, and one of them leads.
func (w *World) converged() bool {
	lead := w.leader()
	return lead != nil && w.upgraded() && w.all(func(h *host) bool {
		state := h.member.Local.State
		if h.seen.index != w.shadow.state.Index() || h.applying ||
			!w.alone() && h.member.Leader() == 0 ||
			w.alone() && !h.quiet() {
			return false
		}
		w.shadow.compare(h, "last", state)
		return true
	})
}
