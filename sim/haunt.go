package sim

// haunt lets a leader die while much that it has said is on its way, and come late: to one that
// leads then, and hears too few others for a while. What the dead one said shows no contact with
// anybody; some clients are silent meanwhile, whose time-outs must not go on.
func (w *World) haunt() {
	dead := w.leader()
	if dead == nil || dead.paused || w.k.PeerOneInFlight != 0 {
		return
	}
	w.brings(faultHaunt, dead)
	delay := w.faults.between(w.election()/5, 2*w.election()/5)
	fill := delay + w.faults.between(0, w.election()/4)
	length := w.faults.between(w.election()/4, w.election()/2)
	until := fill + w.election()
	for _, o := range w.hosts {
		if o != dead {
			w.far(dead, o, delay, until)
		}
	}
	epoch := dead.epoch
	w.clock.after(fill, func() {
		if w.calm || dead.epoch != epoch {
			return
		}
		for _, o := range w.hosts {
			for i, c := range w.clientsOf(o) {
				if o != dead && i%2 == 0 {
					w.count.add(faultSilence)
					c.silent = w.clock.now + 2*c.session.timeoutMs*millisecond
				}
			}
		}
		dead.haunts = true
		w.kill(false, faultHaunt, dead)
		dead.haunts = false
		w.estrange(dead, length, w.clock.now+w.election())
	})
}

// estrange waits, but not for ever, until another host leads and has carried out something, and
// lets it hear one host less than makes a majority with it and a dead one.
func (w *World) estrange(dead *host, length, until int64) {
	if w.calm || w.clock.now > until {
		return
	}
	lead := w.leader()
	if lead == nil || lead == dead || lead.member.Local.State.Term() < lead.member.Term() {
		w.clock.after(5*millisecond, func() { w.estrange(dead, length, until) })
		return
	}
	keep := len(w.hosts)/2 - 1
	var apart []*host
	for _, o := range w.hosts {
		switch {
		case o == lead || o == dead:
		case keep > 0:
			keep--
		default:
			apart = append(apart, o)
		}
	}
	w.shut(both(between([]*host{lead}, apart)), length)
}
