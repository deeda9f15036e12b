package sim

import (
	"fmt"
	"slices"

	"github.com/vivariumdb/vivarium/linearizability"
)

// planFaults plans what befalls processes, their clocks and disks. Each fault has a mean time of
// its own, which the seed draws or leaves out.
func (w *World) planFaults() {
	k := &w.k
	w.repeat(k.PauseMs, func() { w.pause(pick(w.faults, w.hosts), faultPause) })
	w.repeat(k.ClockJumpMs, func() { w.jumpClock(pick(w.faults, w.hosts)) })
	w.repeat(k.StopMs, func() { w.stopOrderly(pick(w.faults, w.hosts), faultStop) })
	if w.alone() {
		return
	}
	w.repeat(k.KillMs, func() { w.kill(false, faultKill, pick(w.faults, w.hosts)) })
	w.repeat(k.PowerMs, func() { w.kill(true, faultPower, pick(w.faults, w.hosts)) })
	w.repeat(k.KillManyMs, func() { w.kill(false, faultKillMajority, w.majority()...) })
	w.repeat(k.PowerManyMs, func() { w.kill(true, faultPowerMajority, w.majority()...) })
	w.repeat(k.PowerAllMs, func() { w.kill(true, faultPowerAll, w.hosts...) })
	w.repeat(k.RollingMs, w.roll)
	w.repeat(k.PauseManyMs, func() {
		for _, h := range w.majority() {
			w.pause(h, faultPauseMajority)
		}
	})
	w.repeat(k.SlowDiskMs, func() {
		h := pick(w.faults, w.hosts)
		w.meet(faultSlowDisk, h)
		w.slow(&h.slowDisk)
	})
	w.repeat(k.SlowHostMs, func() {
		h := pick(w.faults, w.hosts)
		w.meet(faultSlowHost, h)
		w.slow(&h.slowPace)
	})
	w.repeat(k.FullDiskMs, func() { w.fill(pick(w.faults, w.hosts), faultDiskFull) })
	w.repeat(k.FullManyMs, func() {
		for _, h := range w.majority() {
			w.fill(h, faultDiskFullMajority)
		}
	})
	w.planLowRoom()
	w.planLeaderFaults()
	w.planPartitions()
	w.planLostDisks()
	w.planDozes()
	w.repeat(w.k.StrangerMs, func() { w.knock(pick(w.faults, w.hosts)) })
	w.planBehind()
	w.repeat(w.k.StopAllMs, w.halt)
	w.repeat(w.k.LullMs, w.lull)
	w.repeat(w.k.HauntMs, w.haunt)
	w.repeat(w.k.ReliveMs, w.relive)
	w.repeat(w.k.FarMs, func() {
		if lead := w.leader(); lead != nil && !lead.paused {
			if h := w.followed(lead); h != nil {
				w.distance(lead, h)
			}
		}
	})
}

// planLeaderFaults plans what befalls whoever leads at the moment.
func (w *World) planLeaderFaults() {
	k := &w.k
	led := func(do func(h *host)) func() {
		return func() {
			if h := w.leader(); h != nil {
				do(h)
			}
		}
	}
	w.repeat(k.KillLeaderMs, led(func(h *host) {
		w.kill(w.faults.chance(k.LosePower), faultKillLeader, h)
	}))
	w.repeat(k.PauseLeaderMs, led(func(h *host) { w.pause(h, faultPauseLeader) }))
	w.repeat(k.StopLeaderMs, led(func(h *host) { w.stopOrderly(h, faultStopLeader) }))
	w.repeat(k.CutLeaderMs, led(func(h *host) {
		w.meet(faultCutLeader, h)
		w.cut(w.around(h))
	}))
	w.repeat(k.FullLeaderMs, led(func(h *host) { w.fill(h, faultDiskFullLeader) }))
}

// repeat lets something happen again and again until the faults stop; meanMs 0 is never.
func (w *World) repeat(meanMs int64, do func()) {
	w.repeaters++
	if meanMs == 0 {
		return
	}
	a := w.actor(fmt.Sprintf("fault %d", w.repeaters), w.faults)
	var again func()
	again = func() {
		a.wait(meanMs*millisecond, func() {
			if !w.calm {
				a.act(do)
				again()
			}
		})
	}
	again()
}

// fork is a stream of what a fault that was decided brings with it later: what others draw
// meanwhile, or do not, changes nothing of it.
func (w *World) fork() rng {
	return newRNG(w.seed, fmt.Sprintf("fault %x", w.faults.Uint64()))
}

// shuffled returns all hosts in any order.
func (w *World) shuffled() []*host {
	all := slices.Clone(w.hosts)
	w.faults.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

// majority returns a majority of the hosts: one more than half of them.
func (w *World) majority() []*host { return w.shuffled()[:len(w.hosts)/2+1] }

// pause lets a process hang for a while.
func (w *World) pause(h *host, kind counter) {
	if h.up && !h.paused {
		w.pauseFor(h, kind, w.faults.spread(w.k.PauseLengthMs*millisecond))
	}
}

func (w *World) pauseFor(h *host, kind counter, length int64) {
	w.meet(kind, h)
	h.pause()
	epoch := h.epoch
	w.clock.after(length, func() {
		if h.epoch == epoch && h.paused {
			h.resume()
		}
	})
}

// pause lets the process hang.
func (h *host) pause() {
	w := h.w
	w.trace.add(w.clock.now, traceHost, h.id, []byte("pause"))
	h.shade("paused", true, "the process hangs")
	h.paused = true
	w.history.Add(linearizability.Line{At: w.clock.now, Kind: linearizability.KindPause,
		Server: h.id})
}

func (w *World) jumpClock(h *host) {
	const year = 365 * 24 * 3600 * 1000
	switch w.faults.IntN(5) {
	case 0, 1:
		w.meet(faultClockForward, h)
		h.wall += w.faults.spread(5000)
	case 2, 3:
		w.meet(faultClockBack, h)
		h.wall -= w.faults.spread(5000)
	case 4:
		w.meet(faultClockYear, h)
		h.wall += pick(w.faults, []int64{-year, year})
	}
}

func (w *World) stopOrderly(h *host, kind counter) {
	if h.up && !h.paused && !h.stopping && h.member != nil {
		w.meet(kind, h)
		h.stopOrderly()
	}
}

// kill ends processes at once, all in the same moment.
func (w *World) kill(power bool, kind counter, hosts ...*host) {
	var struck []*host
	for _, h := range hosts {
		if h.up {
			struck = append(struck, h)
		}
	}
	if len(struck) > 0 {
		w.meet(kind, struck...)
	}
	for _, h := range struck {
		h.crash(power)
	}
}

// roll restarts all hosts in good order, one after the other.
func (w *World) roll() {
	w.meet(faultRolling)
	w.say("all hosts")
	at := int64(0)
	for _, h := range w.shuffled() {
		w.clock.after(at, func() {
			if !w.calm && h.up && !h.paused && !h.stopping && h.member != nil {
				h.stopOrderly()
			}
		})
		at += w.faults.spread(500 * millisecond)
	}
}

// halt restarts all hosts in good order at once: each begins with a checkpoint of all that it knew.
func (w *World) halt() {
	w.meet(faultStopAll)
	for _, h := range w.hosts {
		if h.up && !h.paused && !h.stopping && h.member != nil {
			h.stopOrderly()
		}
	}
}

// slow makes something slow until some time.
func (w *World) slow(until *int64) {
	*until = w.clock.now + w.faults.spread(2*second)
}

// fill leaves little room on the disk of a host for a while.
func (w *World) fill(h *host, kind counter) {
	if h.full || !h.disk.room(uint64(w.faults.spread(w.k.FullDiskBytes))) {
		return
	}
	w.meet(kind, h)
	h.full = true
	h.shade("full", true, "little room on the disk")
	w.clock.after(w.faults.spread(3*second), h.empty)
}

// empty makes room on the disk.
func (h *host) empty() {
	if h.full || h.low > 0 {
		h.emptied = h.w.clock.now
	}
	h.full, h.low = false, 0
	h.shade("full", false, "")
	h.disk.room(0)
}
