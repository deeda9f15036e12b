package store

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/internal/invariant"
	"github.com/vivariumdb/vivarium/replication"
	"go.etcd.io/raft/v3/raftpb"
)

// Replay applies to the State of rec what its log is known to have committed behind the
// checkpoint, for tools that look at a disk without a member on it. It returns the number of
// entries. An only voter commits whatever it has written; who only learns from it may hold what
// that one never wrote. The disk's seat says which of them it is.
func Replay(rec *replication.Recovered, seat Seat) (int, error) {
	commit, id := rec.HardState.GetCommit(), cmp.Or(seat.RaftID, 1) // who is alone needs no seat
	lone := slices.Equal(rec.ConfState.GetVoters(), []uint64{uint64(id)}) &&
		len(rec.ConfState.GetVotersOutgoing()) == 0
	var out core.Outcome
	done := 0
	for _, e := range rec.Entries {
		if e.GetIndex() <= rec.State.Index() {
			continue // kept for others
		}
		if !lone && e.GetIndex() > commit {
			return done, nil
		}
		data := e.GetData()
		if e.GetType() != raftpb.EntryNormal {
			data = nil
			// Membership changes take effect here; what they are is for a member to judge.
			lone = false
		}
		if err := rec.State.Begin(e.GetIndex(), e.GetTerm(), data); err != nil {
			return done, fmt.Errorf("replay log: %w", err)
		}
		for rec.State.Next(core.Origin{}, &out) {
			invariant.Check(out.Kind != 0, "a command without a kind was applied")
		}
		done++
	}
	return done, nil
}
