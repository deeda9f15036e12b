package sim

import (
	"fmt"

	"github.com/vivariumdb/vivarium/core"
)

// planUpgrades lets all hosts begin with an older release, and each get the new one in its time, or
// when a scenario says so.
func (w *World) planUpgrades() {
	if w.k.Upgrade == 0 || !w.asks() {
		return
	}
	r := newRNG(w.seed, "upgrades")
	for _, h := range w.hosts {
		h.follows = core.MaxFeatureLevel - 1
		if w.k.Upgrade == scripted {
			continue
		}
		w.clock.after(w.gaps.warp(r.spread(w.k.DurationMs*millisecond)), func() {
			if w.comes(fmt.Sprintf("upgrade %d", h.id), "gets the new release") {
				h.upgrade()
			}
		})
	}
}

// scripted is Knobs.Upgrade where a scenario gives hosts the new release.
const scripted = 2

// upgrade gives a host the new release, with which its next process runs.
func (h *host) upgrade() {
	if h.follows == core.MaxFeatureLevel {
		return
	}
	h.w.meet(faultUpgrade, h)
	h.follows = core.MaxFeatureLevel
	switch {
	case !h.up || h.stopping:
	case h.paused || h.member == nil || h.w.calm:
		h.crash(false)
	default:
		h.stopOrderly()
	}
}

// upgraded says whether the ensemble has found out that all run the new release.
func (w *World) upgraded() bool {
	return !w.asks() || w.shadow.state.FeatureLevel() == core.MaxFeatureLevel
}
