package sim

import (
	"github.com/vivariumdb/vivarium/linearizability"
	"github.com/vivariumdb/vivarium/wire"
)

// In some worlds the last fault is that a leader dies while its followers are giving it what their
// clients write, and that no client reaches any host any more, so that nobody asks for anything.
// Then the hosts have rest, and whatever they took is carried out: a command that was lost on its
// way would otherwise be sent again behind the next one that its server gives, and be missed by
// nobody.

// restful says whether the faults of the world end in that way.
func (w *World) restful() bool {
	return w.k.Rest != 0 && !w.alone() && w.leader() != nil &&
		w.comes("rest", "the leader dies, and clients reach nobody until all is carried out")
}

// lastWrites lets clients write, and then the leader die and no client be heard any more.
func (w *World) lastWrites() {
	r := newRNG(w.seed, "rest")
	about := pick(r, abouts)
	const length = 200 * millisecond
	for range r.between(4, 12) {
		w.clock.after(r.between(0, length), func() {
			for _, h := range w.hosts {
				for _, c := range w.clientsOf(h) {
					c.conn.ask(about, wire.OpSetData)
				}
			}
		})
	}
	w.clock.after(length, func() {
		w.resting = true
		for _, l := range w.net.links {
			if !l.client.over && !l.server.over {
				l.blacken()
			}
		}
		if h := w.leader(); h != nil {
			w.kill(r.chance(w.k.LosePower), faultRest, h)
		}
		w.still()
	})
}

// carriedOut says whether no host waits for the outcome of what it was asked for.
func (w *World) carriedOut() bool {
	for _, h := range w.hosts {
		if h.gone || !h.up || h.stopping || h.member != nil && h.member.Local.Outstanding() > 0 {
			return false
		}
	}
	return true
}

// wakeClients lets clients reach the hosts again, and come to their end.
func (w *World) wakeClients() {
	if w.resting {
		w.resting = false
		w.trace.add(w.clock.now, traceHost, 0, []byte("rested"))
	}
	w.calmAt = w.clock.now
	w.net.heal()
	w.history.Add(linearizability.Line{At: w.clock.now, Kind: linearizability.KindQuiesce})
	for _, c := range w.clients {
		c.finish()
	}
	w.finishClients()
}
