package replication

import (
	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/internal/mutant"
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/tracker"
)

// room is what a member knows of the disks (DESIGN section 5, "Disk space"): its own, and as a
// leader whether a quorum has room. Only apply refuses what makes the State grow, by what the
// leader's entries say: otherwise members would differ.
type room struct {
	low      bool  // this member's disk is nearly full
	noGrowth bool  // as a leader: no quorum has room
	handedAt int64 // the tick at which it tried to hand over last
}

// takeRoom takes in the room that the driver sees on this member's disks.
func (r *replica) takeRoom(turn *Turn, work *Work) {
	if turn.FreeBytes <= 0 {
		return
	}
	bound := r.cfg.LowDiskBytes
	if r.room.low {
		bound += bound / 2 // back to normal only when there is clearly more
	}
	if low := turn.FreeBytes < bound; low != r.room.low {
		r.room.low = low
		work.Notices = append(work.Notices, Notice{Kind: NoticeDisk, Member: r.cfg.RaftID,
			Low: low})
	}
}

// judgeRoom finds out, once a tick as the leader, whether a quorum has room, and hands leadership
// over if only this member has none.
func (r *replica) judgeRoom(work *Work) {
	m := &r.room
	with := func(v *voterClock) bool { return r.seen(v) && !v.low }
	// Without a quorum nothing is committed, and there is nothing to judge.
	noGrowth := r.clocks.quorum(r.seen) && !r.clocks.majority(!m.low, with) &&
		!mutant.On("replication-grows-without-room")
	if noGrowth != m.noGrowth {
		m.noGrowth = noGrowth
		work.Notices = append(work.Notices, Notice{Kind: NoticeRoom, Low: noGrowth})
	}
	if m.low && !r.alone && r.ticks-m.handedAt >= 2*int64(r.cfg.ElectionTicks) {
		if to := r.roomier(); to != 0 && !mutant.On("replication-low-leader-stays") {
			m.handedAt = r.ticks
			r.transfer(to)
			work.Notices = append(work.Notices, Notice{Kind: NoticeHandover, Member: to})
		}
	}
}

// seen says whether a voter was heard not long ago. One that has not been heard since this
// member leads has some time.
func (r *replica) seen(v *voterClock) bool {
	return r.ticks-max(v.heard, r.ledSince) <= int64(r.cfg.ElectionTicks)
}

// roomier is the voter with room that has most of the log, 0 if there is none.
func (r *replica) roomier() (best core.RaftID) {
	const fresh = 3
	most := uint64(0)
	r.node.WithProgress(func(id uint64, _ raft.ProgressType, p tracker.Progress) {
		for i := range r.clocks.voters {
			v := &r.clocks.voters[i]
			if uint64(v.id) == id && v.votes[0] && !v.low && v.known && r.ticks-v.heard <= fresh &&
				p.Match > most && p.Match >= r.commit {
				best, most = v.id, p.Match
			}
		}
	})
	return best
}

// appendHeader starts an entry.
func (r *replica) appendHeader(b []byte, stampMs int64) []byte {
	if r.room.noGrowth && r.level >= noGrowthLevel {
		return core.AppendNoGrowthHeader(b, stampMs)
	}
	return core.AppendEntryHeader(b, stampMs)
}

// noGrowthLevel is the feature level that knows entries without growth.
const noGrowthLevel = 2
