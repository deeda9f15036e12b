package sim

import "github.com/vivariumdb/vivarium/wire"

// planDozes lets clients ask for what is true now while the one whom they ask cannot know it: a
// leader that nobody hears any more, until another one leads, or a process that hung and has much
// to learn.
func (w *World) planDozes() {
	w.repeat(w.k.DozeMs, func() {
		h := w.leader()
		if h != nil && w.faults.chance(700) {
			w.isolate(h)
			return
		}
		if h = pick(w.faults, w.hosts); h.up && !h.paused {
			w.doze(h)
		}
	})
}

// election is the time in which a leader that is not heard is followed by another one, at most.
func (w *World) election() int64 { return 2 * w.k.ElectionTicks * tickMs * millisecond }

// isolate cuts a leader off for longer than it takes to elect another one. A leader finds out
// after some time only that it hears no quorum: until then it is asked again and again.
func (w *World) isolate(h *host) {
	election := w.election()
	w.meet(faultIsolated, h)
	paths := w.around(h)
	for _, p := range paths {
		w.sever(w.faults, p)
	}
	w.clock.after(2*election, func() {
		for _, p := range paths {
			w.mend(p)
		}
	})
	about := w.asksAbout()
	w.inquire(w.faults, h, about, election/3, 3*election/2, w.faults.between(5, 20))
	w.inquire(w.faults, h, about, election/2, election+election/8, w.faults.between(5, 20))
}

// doze lets a process hang. Its clients sync and write just before.
func (w *World) doze(h *host) {
	w.brings(faultDoze, h)
	length := w.faults.between(w.election()/4, 3*w.election())
	path := w.asksAbout()
	for _, c := range w.clientsOf(h) {
		c.conn.deafen(w.clock.now + length + w.election()/2) // or it would leave
		c.conn.ask(path, wire.OpSync, wire.OpSetData)
	}
	w.clock.after(w.faults.spread(20*millisecond), func() {
		if h.up && !h.paused {
			w.pauseFor(h, faultDoze, length)
		}
	})
	w.inquire(w.faults, h, w.asksAbout(), length/4, length+w.election()/10,
		w.faults.between(2, 8))
}

// inquire lets the clients of a host sync and read at some times, and those of others write as
// well, in turn.
func (w *World) inquire(r rng, h *host, path string, from, to, times int64) {
	for n := range times {
		w.clock.after(r.between(from, to), func() {
			for _, o := range w.hosts {
				for i, c := range w.clientsOf(o) {
					if o != h && (int64(i)+n)%2 == 0 {
						c.conn.ask(path, wire.OpSetData)
					} else {
						c.conn.ask(path, wire.OpSync, wire.OpGetData)
					}
				}
			}
		})
	}
}

func (w *World) asksAbout() string { return pick(w.faults, abouts) }

// abouts are paths at which something is in most worlds.
var abouts = []string{"/", "/r0", "/r0/n0"}

// clientsOf are those clients with a session at a host that may be asked for something.
func (w *World) clientsOf(h *host) []*rawClient {
	var all []*rawClient
	for _, o := range w.clients {
		c, ok := o.(*rawClient)
		if ok && !c.manual && !c.finishing && c.conn != nil && c.conn.open && !c.conn.over &&
			c.conn.end.link.host == h.id {
			all = append(all, c)
		}
	}
	return all
}

// ask sends requests about a path, unless too many are unanswered or none may follow.
func (conn *rawConn) ask(path string, ops ...wire.OpCode) {
	for _, op := range ops {
		if conn.closing || conn.over || int64(conn.waiting) >= conn.c.w.k.Pipeline {
			return
		}
		var body []byte
		switch op {
		case wire.OpSync:
			q := wire.PathRequest{Path: path}
			body = q.AppendTo(nil)
		case wire.OpGetData:
			q := wire.PathWatchRequest{Path: path}
			body = q.AppendTo(nil)
		case wire.OpSetData:
			conn.set(path, []byte("now"))
			continue
		}
		conn.request(op, body)
	}
}

// pour writes some bytes to a path, unless too much is unanswered or nothing may follow.
func (conn *rawConn) pour(path string, bytes int64) {
	if !conn.closing && !conn.over && int64(conn.waiting) < conn.c.w.k.Pipeline {
		conn.set(path, make([]byte, bytes))
	}
}

func (conn *rawConn) set(path string, data []byte) {
	q := wire.SetDataRequest{Path: path, Data: data, Version: -1}
	conn.request(wire.OpSetData, q.AppendTo(nil))
}
