package replication

import (
	"testing"

	"github.com/vivariumdb/vivarium/core"
	"go.etcd.io/raft/v3/confchange"
	"go.etcd.io/raft/v3/raftpb"
	"go.etcd.io/raft/v3/tracker"
)

// TestRestorableIsRafts asks raft itself of every small membership, the impossible ones included:
// with two members and an id that is none, listed up to twice in each place. Raft begins with
// nobody, too, but who sends a checkpoint leads.
func TestRestorableIsRafts(t *testing.T) {
	lists := [][]uint64{nil}
	for a := range uint64(3) {
		lists = append(lists, []uint64{a})
		for b := a; b < 3; b++ {
			lists = append(lists, []uint64{a, b})
		}
	}
	accepted := 0
	for i := range 2 * 10_000 {
		n, auto := i/2, i%2 == 1
		conf := &raftpb.ConfState{Voters: lists[n%10], VotersOutgoing: lists[n/10%10],
			Learners: lists[n/100%10], LearnersNext: lists[n/1000], AutoLeave: &auto}
		got, want := restorable(conf), len(conf.Voters) > 0 && raftRestores(conf)
		if got != want {
			t.Fatalf("%v is restorable: %v, raft says %v", conf, got, want)
		}
		if got {
			accepted++
		}
	}
	if accepted == 0 {
		t.Error("no membership is restorable")
	}
}

// raftRestores says whether raft has that very membership when it begins with it.
func raftRestores(conf *raftpb.ConfState) bool {
	config, _, err := confchange.Restore(confchange.Changer{
		Tracker: tracker.MakeProgressTracker(1, 0), LastIndex: 1}, conf)
	if err != nil {
		return false
	}
	restored := tracker.ProgressTracker{Config: config}
	return conf.Equivalent(restored.ConfState()) == nil
}

// TestRestorableIsBounded: no ensemble has more members than it may give ids.
func TestRestorableIsBounded(t *testing.T) {
	ids := make([]uint64, core.MaxMembers+1)
	for i := range ids {
		ids[i] = uint64(i + 1)
	}
	most, last := ids[:core.MaxMembers], ids[core.MaxMembers:]
	for _, c := range []struct {
		conf *raftpb.ConfState
		want bool
	}{
		{&raftpb.ConfState{Voters: most}, true},
		{&raftpb.ConfState{Voters: most, VotersOutgoing: most}, true},
		{&raftpb.ConfState{Voters: ids}, false},
		{&raftpb.ConfState{Voters: most, VotersOutgoing: last}, false},
		{&raftpb.ConfState{Voters: most, Learners: last}, false},
	} {
		if got := restorable(c.conf); got != c.want {
			t.Errorf("%d voters, %d outgoing, %d learners: restorable is %v, want %v",
				len(c.conf.Voters), len(c.conf.VotersOutgoing), len(c.conf.Learners), got, c.want)
		}
	}
}

// TestRestorableUnknown: what a later release says of a membership, this one's raft doesn't have.
func TestRestorableUnknown(t *testing.T) {
	conf := &raftpb.ConfState{Voters: []uint64{1}}
	if !restorable(conf) {
		t.Error("one voter is not restorable")
	}
	conf.ProtoReflect().SetUnknown([]byte{0x78, 1}) // field 15
	if restorable(conf) || raftRestores(conf) {
		t.Errorf("with an unknown field: restorable is %v, raft says %v", restorable(conf),
			raftRestores(conf))
	}
}
