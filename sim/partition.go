package sim

// path is the way from one host to another.
type path struct{ from, to *host }

// planPartitions plans what cuts the paths between hosts, and those of their clients.
func (w *World) planPartitions() {
	k := &w.k
	cut := func(meanMs int64, kind counter, choose func(hosts []*host) []path) {
		w.repeat(meanMs, func() {
			w.meet(kind)
			w.cut(choose(w.shuffled()))
		})
	}
	cut(k.CutHostMs, faultCutHost, func(hosts []*host) []path { return w.around(hosts[0]) })
	cut(k.CutHalvesMs, faultCutHalves, func(hosts []*host) []path {
		n := 1 + w.faults.IntN(len(hosts)-1)
		return both(between(hosts[:n], hosts[n:]))
	})
	cut(k.CutBridgeMs, faultCutBridge, func(hosts []*host) []path {
		// Only the first reaches both sides.
		n := 1 + len(hosts)/2
		return both(between(hosts[1:n], hosts[n:]))
	})
	cut(k.CutRingMs, faultCutRing, func(hosts []*host) []path {
		var paths []path
		for i, a := range hosts {
			for j, b := range hosts[:i] {
				if i-j != 1 && i-j != len(hosts)-1 {
					paths = append(paths, path{a, b})
				}
			}
		}
		if len(paths) == 0 { // of three hosts, all are neighbours
			paths = between(hosts[:1], hosts[1:2])
		}
		return both(paths)
	})
	cut(k.CutOneWayMs, faultCutOneWay, func(hosts []*host) []path {
		return between(hosts[:1], hosts[1:2])
	})
	cut(k.DeafMs, faultDeaf, func(hosts []*host) []path {
		return between(hosts[1:], hosts[:1]) // it speaks and hears nobody
	})
	cut(k.DumbMs, faultDumb, func(hosts []*host) []path {
		return between(hosts[:1], hosts[1:])
	})
	w.repeat(k.SwizzleMs, w.swizzle)
	w.repeat(k.CutClientsMs, func() { w.cutClients(w.shuffled()[0]) })
}

// around are all paths from and to a host.
func (w *World) around(h *host) []path {
	var others []*host
	for _, o := range w.hosts {
		if o != h {
			others = append(others, o)
		}
	}
	return both(between([]*host{h}, others))
}

// between are the paths from each of some hosts to each of others.
func between(from, to []*host) []path {
	var paths []path
	for _, a := range from {
		for _, b := range to {
			paths = append(paths, path{a, b})
		}
	}
	return paths
}

// both adds the ways back.
func both(paths []path) []path {
	for _, p := range paths {
		paths = append(paths, path{p.to, p.from})
	}
	return paths
}

// cut cuts paths for a while. Connections over them break in the end, or live on.
func (w *World) cut(paths []path) {
	for _, p := range paths {
		w.sever(w.faults, p)
	}
	length := w.faults.spread(w.k.CutLengthMs * millisecond)
	w.clock.after(length, func() {
		for _, p := range paths {
			w.mend(p)
		}
	})
}

// shut cuts paths for so long. Connections over them live on.
func (w *World) shut(paths []path, length int64) {
	for _, p := range paths {
		w.peerLink(p.from, p.to).cut(p.to, true)
	}
	w.clock.after(length, func() {
		for _, p := range paths {
			w.mend(p)
		}
	})
}

func (w *World) sever(r rng, p path) {
	l := w.peerLink(p.from, p.to)
	l.cut(p.to, true)
	if !r.chance(500) {
		return
	}
	epoch := l.epoch
	w.clock.after(r.spread(2*second), func() {
		if l.epoch == epoch && l.isCut() {
			l.reset()
		}
	})
}

func (w *World) mend(p path) {
	if !w.calm { // then all are
		w.peerLink(p.from, p.to).cut(p.to, false)
	}
}

// swizzle cuts the paths of some hosts one after the other, and opens them in another order.
func (w *World) swizzle() {
	w.meet(faultSwizzle)
	hosts := w.shuffled()
	hosts = hosts[:1+w.faults.IntN(len(hosts))]
	at := int64(0)
	for _, h := range hosts {
		paths, r := w.around(h), w.fork()
		from := at + w.faults.spread(200*millisecond)
		to := from + w.faults.spread(w.k.CutLengthMs*millisecond)
		at = from
		w.clock.after(from, func() {
			if w.calm {
				return
			}
			for _, p := range paths {
				w.sever(r, p)
			}
			w.clock.after(to-from, func() {
				for _, p := range paths {
					w.mend(p)
				}
			})
		})
	}
}

// cutClients lets no client reach a host for a while: what is there goes black, what comes finds
// no answer.
func (w *World) cutClients(h *host) {
	if h.shut {
		return
	}
	w.meet(faultCutClients, h)
	h.shut = true
	h.shade("shut", true, "no client reaches it")
	w.say("host %d", h.id)
	for _, l := range w.net.links {
		if l.host == h.id && !l.client.over && !l.server.over {
			l.blacken()
		}
	}
	w.clock.after(w.faults.spread(w.k.CutLengthMs*millisecond), func() {
		h.shut = false
		h.shade("shut", false, "")
	})
}
