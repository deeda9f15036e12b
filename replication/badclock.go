package replication

import (
	"slices"

	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/internal/mutant"
)

// clockJudge is what a leader thinks of one wall clock. A bad one moves nothing, for the median
// counts, but somebody should set it (DESIGN section 2).
type clockJudge struct {
	offsetMs int64 // ahead of the median as it was told; 0 is good
	turns    int   // ticks in which it has looked otherwise than that
}

// clockTicks is in how many ticks running a clock has to look otherwise before that is told: a
// message that was held up makes a good clock look late.
const clockTicks = 3

// judge takes in how far a clock is ahead of the median, and says whether there is something new.
func (j *clockJudge) judge(offsetMs, boundMs int64) bool {
	if j.offsetMs != 0 {
		boundMs = boundMs * 3 / 4
	}
	bad := max(offsetMs, -offsetMs) > boundMs
	if bad == (j.offsetMs != 0) {
		j.turns = 0
		return false
	}
	if j.turns++; j.turns < clockTicks {
		return false
	}
	*j = clockJudge{}
	if bad {
		j.offsetMs = offsetMs
	}
	return true
}

// judgeClocks names the members, this leader among them, whose wall clocks are far from the
// median. It says nothing while it knows fewer than three clocks, or no majority that agrees.
func (r *replica) judgeClocks(turn *Turn, work *Work) {
	c := &r.clocks
	if !c.median() || mutant.On("replication-bad-clock-unnamed") {
		return
	}
	own := turn.NowMs - turn.MonoMs
	c.offsets = append(c.offsets, own)
	slices.Sort(c.offsets)
	median, near := c.offsets[(len(c.offsets)-1)/2], 0
	for _, o := range c.offsets {
		if max(o-median, median-o) <= r.cfg.BadClockMs {
			near++
		}
	}
	if len(c.offsets) < 3 || 2*near <= len(c.offsets) {
		return
	}
	for i := range c.voters {
		v := &c.voters[i]
		if v.known && r.ticks-v.heard <= 1 && v.judge.judge(v.offset-median, r.cfg.BadClockMs) {
			r.noticeClock(v.id, v.judge.offsetMs, work)
		}
	}
	if r.clockJudge.judge(own-median, r.cfg.BadClockMs) {
		r.noticeClock(r.cfg.RaftID, r.clockJudge.offsetMs, work)
	}
}

// takeClock takes in what the leader thinks of this member's clock.
func (r *replica) takeClock(offsetMs int64, work *Work) {
	if (offsetMs != 0) != (r.clockJudge.offsetMs != 0) {
		r.clockJudge = clockJudge{offsetMs: offsetMs}
		r.noticeClock(r.cfg.RaftID, offsetMs, work)
	}
}

func (r *replica) noticeClock(id core.RaftID, offsetMs int64, work *Work) {
	work.Notices = append(work.Notices, Notice{Kind: NoticeClock, Member: id, OffsetMs: offsetMs})
}
