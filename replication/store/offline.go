package store

import (
	"fmt"

	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/internal/invariant"
	"github.com/vivariumdb/vivarium/replication"
	"go.etcd.io/raft/v3/raftpb"
)

// Replay applies to the State of rec what its log is known to have committed behind the
// checkpoint, for tools that look at a disk without a member on it. It returns the number of
// entries. A lone member commits whatever it has written.
func Replay(rec *replication.Recovered) (int, error) {
	commit := rec.HardState.GetCommit()
	lone := len(rec.ConfState.GetVoters()) == 1 && len(rec.ConfState.GetVotersOutgoing()) == 0
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
