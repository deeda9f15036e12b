package sim

import (
	"fmt"

	"github.com/vivariumdb/vivarium/core"
)

// planUpgrades lets all hosts begin with an older release, and each get the new one in its time.
func (w *World) planUpgrades() {
	if w.k.Upgrade == 0 || !w.asks() {
		return
	}
	r := newRNG(w.seed, "upgrades")
	for _, h := range w.hosts {
		h.follows = core.MaxFeatureLevel - 1
		w.clock.after(w.gaps.warp(r.spread(w.k.DurationMs*millisecond)), func() {
			if w.comes(fmt.Sprintf("upgrade %d", h.id), "gets the new release") {
				h.upgrade()
			}
		})
	}
}

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
