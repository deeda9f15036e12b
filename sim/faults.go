package sim

import "github.com/vivariumdb/vivarium/linearizability"

// planFaults plans what befalls processes and their clocks, and the paths between hosts.
func (w *World) planFaults() {
	w.repeat(w.k.PauseMs, func() { w.pause(pick(w.faults, w.hosts), faultPause) })
	w.repeat(w.k.ClockJumpMs, func() { w.jumpClock(pick(w.faults, w.hosts)) })
	w.repeat(w.k.StopMs, func() {
		h := pick(w.faults, w.hosts)
		if h.up && !h.paused && !h.stopping {
			w.count.add(faultStop)
			h.stopOrderly()
		}
	})
}

// repeat lets something happen again and again until the faults stop; meanMs 0 is never.
func (w *World) repeat(meanMs int64, do func()) {
	if meanMs == 0 {
		return
	}
	w.clock.after(w.faults.spread(meanMs*millisecond), func() {
		if w.calm {
			return
		}
		do()
		w.repeat(meanMs, do)
	})
}

// pause lets a process hang for a while.
func (w *World) pause(h *host, kind counter) {
	if !h.up || h.paused {
		return
	}
	w.count.add(kind)
	w.trace.add(w.clock.now, traceHost, h.id, []byte("pause"))
	h.paused = true
	w.history.Add(linearizability.Line{At: w.clock.now, Kind: linearizability.KindPause,
		Server: h.id})
	epoch := h.epoch
	w.clock.after(w.faults.spread(w.k.PauseLengthMs*millisecond), func() {
		if h.epoch == epoch && h.paused {
			h.resume()
		}
	})
}

func (w *World) jumpClock(h *host) {
	const year = 365 * 24 * 3600 * 1000
	switch w.faults.IntN(5) {
	case 0, 1:
		w.count.add(faultClockForward)
		h.wall += w.faults.spread(5000)
	case 2, 3:
		w.count.add(faultClockBack)
		h.wall -= w.faults.spread(5000)
	case 4:
		w.count.add(faultClockYear)
		h.wall += pick(w.faults, []int64{-year, year})
	}
}
