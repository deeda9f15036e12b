package replication

import (
	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/internal/mutant"
)

// transfer hands leadership over to a voter, as a leader. Raft first sends it what it lacks, and
// gives up after an election time-out. Nothing may be proposed meanwhile: raft would drop it. What
// waits stays in the streams and goes to the next leader.
func (r *replica) transfer(to core.RaftID) {
	r.node.TransferLeader(uint64(to))
	r.handingTo = to
}

// transferring says whether leadership is being handed over.
func (r *replica) transferring() bool {
	if r.handingTo != 0 && r.node.BasicStatus().LeadTransferee == 0 {
		r.handingTo = 0
	}
	return r.handingTo != 0 && !mutant.On("replication-proposed-in-transfer")
}
