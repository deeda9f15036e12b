package sim

import (
	"slices"

	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/replication"
	"github.com/vivariumdb/vivarium/wire"
)

// planBehind lets servers fall behind what others have done, for so short a time that nobody takes
// another leader for it, or just when one is heard no more: what was true a moment ago is still on
// its way to them while their clients ask.
func (w *World) planBehind() {
	w.repeat(w.k.BehindMs, func() {
		lead := w.leader()
		if lead == nil || lead.paused {
			return
		}
		if w.hasLearner() && w.faults.chance(400) {
			w.flap(lead)
			return
		}
		h := w.followed(lead)
		if h == nil || w.faults.chance(300) {
			w.bequeath(lead)
			return
		}
		switch w.faults.IntN(4) {
		case 0:
			w.distance(lead, h)
		case 1:
			w.interrupt(lead, h)
		default:
			w.outrun(lead, h)
		}
	})
}

// followed is a host with clients that does not lead, nil if there is none.
func (w *World) followed(lead *host) *host {
	for _, h := range w.shuffled() {
		if h != lead && h.up && !h.paused && len(w.clientsOf(h)) > 0 {
			return h
		}
	}
	return nil
}

// distance makes what a leader says to a host take long, though not as long as an election, while
// that host is asked and others are written to.
func (w *World) distance(lead, h *host) {
	w.meet(faultFar, h)
	length := w.faults.between(second/2, 2*second)
	w.far(lead, h, w.faults.between(w.election()/40, w.election()/4), length)
	w.mingle(h, w.asksAbout(), length, w.faults.between(10, 40))
}

// mingle lets the clients of a host sync, read, and write behind a sync or by itself, each at other
// times, and those of others write: what was committed after a write, and before a sync behind it,
// is known to nobody at that host when the write comes back.
func (w *World) mingle(h *host, path string, length, times int64) {
	for n := range times {
		w.clock.after(w.faults.between(0, length), func() {
			for _, o := range w.hosts {
				for i, c := range w.clientsOf(o) {
					turn := (3*int64(i) + n) % 4
					switch {
					case o != h && turn != 0:
						c.conn.ask(path, wire.OpSetData)
					case turn == 2:
						c.conn.ask(path, wire.OpSetData)
					case turn == 3:
						c.conn.ask(path, wire.OpSync, wire.OpSetData)
					default:
						c.conn.ask(path, wire.OpSync, wire.OpGetData)
					}
				}
			}
		})
	}
}

// far delays what one host says to another, for some time. Where a message leaves only when the one
// before has come nothing would get through any more.
func (w *World) far(from, to *host, delay, length int64) {
	if w.k.PeerOneInFlight != 0 {
		return
	}
	l := w.peerLink(from, to)
	way := &l.way[l.index(to)]
	way.far = delay
	w.clock.after(length, func() { way.far = 0 })
}

// interrupt breaks the connection of a host with its leader while a first sync is being answered,
// and a second one asked for in vain.
func (w *World) interrupt(lead, h *host) {
	w.meet(faultInterrupted, h)
	about, delay := w.asksAbout(), w.faults.between(w.election()/20, w.election()/5)
	ask := func() {
		for _, c := range w.clientsOf(h) {
			c.conn.ask(about, wire.OpSync, wire.OpGetData, wire.OpSetData)
		}
	}
	ask()
	ends := delay + w.faults.between(20, 150)*millisecond
	w.far(lead, h, delay, ends)
	w.clock.after(min(w.faults.spread(20*millisecond), delay), func() {
		if w.calm {
			return
		}
		w.peerLink(h, lead).cut(lead, true)
		ask()
		w.clock.after(ends, func() { w.lose([]path{{h, lead}}) })
	})
}

// outrun lets a host hear nobody while what it has given to its leader is carried out, and so much
// is written elsewhere meanwhile that it may get a checkpoint in place of all that.
func (w *World) outrun(lead, h *host) {
	w.meet(faultOutrun, h)
	about := w.asksAbout()
	for _, c := range w.clientsOf(h) {
		c.conn.ask(about, wire.OpSetData, wire.OpSetData)
	}
	length := w.faults.between(w.election()/5, 3*w.election()/2)
	others := slices.DeleteFunc(slices.Clone(w.hosts), func(o *host) bool { return o == h })
	paths := between(others, []*host{h})
	l := w.peerLink(h, lead)
	w.clock.after(l.way[l.index(lead)].delay+w.faults.spread(5*millisecond), func() {
		if w.calm {
			return
		}
		for _, p := range paths {
			w.peerLink(p.from, p.to).cut(p.to, true)
		}
		w.clock.after(length, func() { w.lose(paths) })
	})
	r := w.fork()
	for range r.between(2, 8) {
		w.clock.after(r.between(0, length), func() {
			for _, o := range others {
				for _, c := range w.clientsOf(o) {
					c.conn.pour(about, r.between(1000, 12000))
				}
			}
		})
	}
}

// hasLearner says whether somebody beside the voters follows the log.
func (w *World) hasLearner() bool {
	m := w.shadow.members
	return m != nil && slices.ContainsFunc(m.Members, func(e core.MemberInfo) bool {
		return e.Role != core.RoleVoter && e.Role != core.RoleRemoved
	})
}

// flap cuts a leader off from all voters again and again, each time for less than it takes to
// notice, while clients of some go: only those who do not vote are heard without a break.
func (w *World) flap(lead *host) {
	w.meet(faultFlap, lead)
	var voters []*host
	for _, o := range w.hosts {
		if o != lead && o.up && o.member != nil && !o.learns() {
			voters = append(voters, o)
		}
	}
	for _, h := range w.hosts {
		for i, c := range w.clientsOf(h) {
			if i%2 == 0 {
				w.count.add(faultSilence)
				c.silent = w.clock.now + 3*c.session.timeoutMs*millisecond
			}
		}
	}
	paths, at := both(between([]*host{lead}, voters)), int64(0)
	for range w.faults.between(3, 12) {
		length := w.faults.between(w.election()/5, 2*w.election()/5)
		w.clock.after(at, func() {
			if w.calm {
				return
			}
			for _, p := range paths {
				w.peerLink(p.from, p.to).cut(p.to, true)
			}
			w.clock.after(length, func() {
				for _, p := range paths {
					w.mend(p)
				}
			})
		})
		at += length + w.faults.between(30, 120)*millisecond
	}
}

// lose opens paths that were cut, whose connections break: what was on its way is lost.
func (w *World) lose(paths []path) {
	for _, p := range paths {
		w.mend(p)
		if !w.calm {
			w.peerLink(p.from, p.to).reset()
		}
	}
}

// bequeath has clients write to a leader that is heard no more once it has committed that.
func (w *World) bequeath(h *host) {
	w.brings(faultStranded, h)
	about := w.asksAbout()
	for _, c := range w.clientsOf(h) {
		c.conn.ask(about, wire.OpSetData)
	}
	h.fated, h.will, h.fate = w.clock.now+second/2, about, w.fork()
}

// strand cuts off a leader that was to be heard no more, in the turn in which it finds something
// committed: it tells its clients, but no other host. Whoever leads next is asked as soon as it
// does, and cannot know yet.
func (w *World) strand(h *host, appends []*replication.Append) {
	if h.fated < w.clock.now || w.calm || !h.member.Leading() {
		return
	}
	commits := slices.ContainsFunc(appends, func(a *replication.Append) bool {
		return a.HardState != nil && a.HardState.GetCommit() > h.log.told
	})
	if !commits {
		return
	}
	h.fated = 0
	w.meet(faultStranded, h)
	var others []*host
	for _, o := range w.hosts {
		if o != h {
			others = append(others, o)
		}
	}
	w.shut(between([]*host{h}, others), 2*w.election())
	w.inquire(h.fate, h, h.will, w.election()/4, 3*w.election()/2, h.fate.between(8, 30))
}
