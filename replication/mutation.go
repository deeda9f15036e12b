package replication

import (
	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/internal/mutant"
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
)

// mutation is what the known bugs of the replica need to go wrong with. It is empty unless a
// mutant is on (package mutant).
type mutation struct {
	decided []expired        // that a leader has decided
	tell    []core.SessionID // to the leader: sessions that are to end, negative, and generations
}

// readOnlyOption is how a leader makes sure that it still leads: it asks. A lease trusts clocks.
func readOnlyOption() raft.ReadOnlyOption {
	if mutant.On("reads-lease-trusted") {
		return raft.ReadOnlyLeaseBased
	}
	return raft.ReadOnlySafe
}

// misjudge lets one who does not lead decide that sessions have been silent.
func (r *replica) misjudge(turn *Turn) {
	m := &r.mutation
	if r.leading || r.lead == 0 || turn.Ticks == 0 {
		return
	}
	if mutant.On("sessions-follower-expires") {
		m.decided = r.clock.tick(m.decided)
	}
	for _, e := range m.decided {
		if r.clock.live[e.session] != nil {
			m.tell = append(m.tell, -e.session, core.SessionID(e.generation))
		}
	}
	m.decided = m.decided[:0]
}

// believe lets a leader end the sessions that a follower says are silent, and returns the others.
func (r *replica) believe(touched []core.SessionID) []core.SessionID {
	if !mutant.On("sessions-follower-expires") && !mutant.On("sessions-deposed-leader-expires") {
		return touched
	}
	for i, id := range touched {
		if id >= 0 {
			continue
		}
		for list := touched[i:]; len(list) > 1; list = list[2:] {
			r.house = core.AppendExpire(r.house, -list[0], core.Generation(list[1]))
			r.houseCount++
		}
		return touched[:i]
	}
	return touched
}

// answerEarly sends what has to wait for the disk to others, and returns the rest.
func (r *replica) answerEarly(list []*raftpb.Message) (rest []*raftpb.Message) {
	for _, m := range list {
		if m.GetTo() != uint64(r.cfg.RaftID) {
			r.post(m)
		} else {
			rest = append(rest, m)
		}
	}
	return rest
}
