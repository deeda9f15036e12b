package replication

import (
	"fmt"
	"slices"

	"github.com/vivariumdb/vivarium/core"
	"go.etcd.io/raft/v3/confchange"
	"go.etcd.io/raft/v3/raftpb"
	"go.etcd.io/raft/v3/tracker"
	"google.golang.org/protobuf/proto"
)

// A change of raft's configuration is an entry of raft's own kind. What it means to the State
// stands in its context, an entry of ours: so one index changes both, on every member.

// StateEntry is what the State gets of an entry of the log: all of it, or what a change of members
// means to it.
func StateEntry(e *raftpb.Entry) ([]byte, error) {
	if e.GetType() == raftpb.EntryNormal {
		return e.GetData(), nil
	}
	cc, err := decodeChange(e)
	if err != nil {
		return nil, err
	}
	return cc.GetContext(), nil
}

// Electors are the members that an entry of the log gives a vote, beside those that have one.
func Electors(e *raftpb.Entry) (ids []core.RaftID) {
	if e.GetType() == raftpb.EntryNormal {
		return nil
	}
	cc, err := decodeChange(e)
	if err != nil {
		return nil
	}
	for _, c := range cc.GetChanges() {
		if c.GetType() == raftpb.ConfChangeAddNode {
			ids = append(ids, core.RaftID(c.GetNodeId()))
		}
	}
	return ids
}

// decodeChange reads such an entry.
func decodeChange(e *raftpb.Entry) (*raftpb.ConfChangeV2, error) {
	if e.GetType() != raftpb.EntryConfChangeV2 {
		return nil, fmt.Errorf("apply entry %d: %w: a change of members of an unknown kind",
			e.GetIndex(), core.ErrEntry)
	}
	cc := &raftpb.ConfChangeV2{}
	if err := proto.Unmarshal(e.GetData(), cc); err != nil {
		return nil, fmt.Errorf("apply entry %d: %w: %w", e.GetIndex(), core.ErrEntry, err)
	}
	if _, known := raftpb.ConfChangeTransition_name[int32(cc.GetTransition())]; !known {
		// Raft would panic.
		return nil, fmt.Errorf("apply entry %d: %w: a change of members with an unknown transition",
			e.GetIndex(), core.ErrEntry)
	}
	return cc, nil
}

// nextConf is what raft makes of conf by cc.
func nextConf(conf *raftpb.ConfState, cc *raftpb.ConfChangeV2) (*raftpb.ConfState, error) {
	changer := confchange.Changer{Tracker: tracker.MakeProgressTracker(1, 0)}
	cfg, progress, err := confchange.Restore(changer, conf)
	if err != nil {
		return nil, fmt.Errorf("restore configuration: %w", err)
	}
	changer.Tracker.Config, changer.Tracker.Progress = cfg, progress
	if cc.LeaveJoint() {
		cfg, _, err = changer.LeaveJoint()
	} else if autoLeave, ok := cc.EnterJoint(); ok {
		cfg, _, err = changer.EnterJoint(autoLeave, cc.Changes...)
	} else {
		cfg, _, err = changer.Simple(cc.Changes...)
	}
	if err != nil {
		return nil, fmt.Errorf("change configuration: %w", err)
	}
	changer.Tracker.Config = cfg
	return changer.Tracker.ConfState(), nil
}

// joint says whether a change is under way.
func joint(c *raftpb.ConfState) bool { return len(c.GetVotersOutgoing()) > 0 }

// everybody lists who is in a configuration, by raft id.
func everybody(c *raftpb.ConfState) []uint64 {
	ids := slices.Concat(c.GetVoters(), c.GetVotersOutgoing(), c.GetLearners(),
		c.GetLearnersNext())
	slices.Sort(ids)
	return slices.Compact(ids)
}

func raftIDs(list ...[]uint64) []core.RaftID {
	var ids []core.RaftID
	for _, l := range list {
		for _, id := range l {
			ids = append(ids, core.RaftID(id))
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// currentRoles says who votes and who learns in a configuration: who is about to leave still votes.
func currentRoles(c *raftpb.ConfState) core.MemberCommand {
	roles := core.MemberCommand{Voters: raftIDs(c.GetVoters(), c.GetVotersOutgoing())}
	roles.Learners = slices.DeleteFunc(raftIDs(c.GetLearners(), c.GetLearnersNext()),
		func(id core.RaftID) bool { return slices.Contains(roles.Voters, id) })
	return roles
}

// Changing says whether raft's configuration is between two sets of voters, as far as the loop
// knows. Only the loop may ask.
func (m *Member) Changing() bool { return joint(m.replica.log.conf) }
