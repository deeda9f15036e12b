package sim

import "github.com/vivariumdb/vivarium/wire"

// lull lets clients say for the last time in long that they live when another leader may have been
// elected, and who they say it to cannot know yet: a leader that hangs, one that nobody hears any
// more, or one that reaches one other host only, and that host. They speak again just before their
// time-outs are over, so that their sessions end too early if that word is lost.
func (w *World) lull() {
	lead := w.leader()
	if lead == nil || lead.paused {
		return
	}
	length := w.faults.between(w.election()/5, w.election())
	apart := []*host{lead}
	if h := w.followed(lead); h != nil && len(w.hosts) > 4 && w.faults.chance(750) {
		apart = append(apart, h)
	}
	w.meet(faultLull, apart...)
	if len(apart) == 1 && w.faults.chance(300) {
		w.pauseFor(lead, faultPauseLeader, length)
	} else {
		w.seclude(apart, length)
	}
	for _, h := range apart {
		for _, c := range w.clientsOf(h) {
			w.clock.after(w.faults.between(length/3, length), c.lastWord)
		}
	}
}

// seclude cuts some hosts off from all others, whose connections break.
func (w *World) seclude(some []*host, length int64) {
	in := map[*host]bool{}
	for _, h := range some {
		in[h] = true
	}
	var others []*host
	for _, h := range w.hosts {
		if !in[h] {
			others = append(others, h)
		}
	}
	paths := both(between(some, others))
	w.shut(paths, length)
	for _, p := range paths {
		w.peerLink(p.from, p.to).reset()
	}
}

// lastWord is a ping, behind which the client neither speaks nor hears until its time-out is nearly
// over.
func (c *rawClient) lastWord() {
	conn := c.conn
	if c.w.calm || c.finishing || conn == nil || !conn.open || conn.over || conn.closing {
		return
	}
	conn.request(wire.OpPing, nil)
	c.w.count.add(faultSilence)
	c.silent = c.w.clock.now + c.session.timeoutMs*millisecond*19/20
	conn.deafen(c.silent)
}
