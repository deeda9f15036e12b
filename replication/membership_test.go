package replication

import (
	"fmt"
	"testing"

	"github.com/vivariumdb/vivarium/core"
	"go.etcd.io/raft/v3/raftpb"
)

// TestIntakeFollows: what peers have sent stays in its bound when members come and go, and nothing
// of who has left is proposed.
func TestIntakeFollows(t *testing.T) {
	const term, most = 7, 40
	in := intake{term: term}
	in.follow([]core.RaftID{2, 3})
	for _, id := range []core.RaftID{2, 3} {
		in.position(&core.StreamInfo{Origin: core.Origin{RaftID: id, Registration: 5}})
	}
	batch := func(id core.RaftID, seq uint64, size int) {
		in.take(held{in.source(id), 5, seq, 1, make([]byte, size)}, term, most)
	}
	state := func() string {
		text := fmt.Sprint(in.bytes, " bytes:")
		for _, h := range in.queue {
			text += fmt.Sprintf(" %d/%d", in.sources[h.source].id, h.seq)
		}
		return text
	}
	want := func(what, want string) {
		t.Helper()
		if got := state(); got != want {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
	}
	batch(3, 1, 6)
	batch(2, 1, 7)
	batch(3, 2, 7) // 13 of a third of 40
	want("of two", "20 bytes: 3/1 2/1 3/2")
	in.follow([]core.RaftID{2, 3, 4}) // a learner: its stream counts as any
	in.position(&core.StreamInfo{Origin: core.Origin{RaftID: 4, Registration: 5}})
	batch(2, 2, 4) // 11 of a quarter of 40
	batch(4, 1, 9)
	want("of three", "29 bytes: 3/1 2/1 3/2 4/1")
	if !in.sources[in.source(2)].refused {
		t.Error("a stream got more than its share")
	}
	in.follow([]core.RaftID{2, 4})
	want("when 3 has left", "16 bytes: 2/1 4/1")
	in.proposed(2)
	want("when all is proposed", "0 bytes:")
	for i := range in.sources {
		if s := &in.sources[i]; s.bytes != 0 {
			t.Errorf("member %d still holds %d bytes", s.id, s.bytes)
		}
	}
}

// TestNextConf: what checkpoints name is what raft makes of each change.
func TestNextConf(t *testing.T) {
	conf := FoundingConf(1, 2, 3)
	add := func(kind raftpb.ConfChangeType, ids ...core.RaftID) *raftpb.ConfChangeV2 {
		cc := &raftpb.ConfChangeV2{}
		for _, id := range ids {
			cc.Changes = append(cc.Changes, single(kind, id))
		}
		return cc
	}
	jointly := add(raftpb.ConfChangeAddNode, 4)
	jointly.Changes = append(jointly.Changes, single(raftpb.ConfChangeRemoveNode, 2),
		single(raftpb.ConfChangeAddLearnerNode, 3))
	jointly.Transition = raftpb.ConfChangeTransitionJointExplicit.Enum()
	for _, test := range []struct {
		cc   *raftpb.ConfChangeV2
		want string
	}{
		{add(raftpb.ConfChangeAddLearnerNode, 4), "[1 2 3] [] [4] []; votes [1 2 3], learns [4]"},
		{jointly, "[1 4] [1 2 3] [] [3]; votes [1 2 3 4], learns []"},
		{&raftpb.ConfChangeV2{}, "[1 4] [] [3] []; votes [1 4], learns [3]"},
		{add(raftpb.ConfChangeRemoveNode, 3), "[1 4] [] [] []; votes [1 4], learns []"},
	} {
		next, err := nextConf(conf, test.cc)
		if err != nil {
			t.Fatalf("nextConf(%v): %v", test.cc, err)
		}
		roles := currentRoles(next)
		got := fmt.Sprint(next.GetVoters(), next.GetVotersOutgoing(), next.GetLearners(),
			next.GetLearnersNext(), "; votes ", ids(roles.Voters), ", learns ", ids(roles.Learners))
		if got != test.want {
			t.Errorf("nextConf(%v) = %s, want %s", test.cc, got, test.want)
		}
		conf = next
	}
	if _, err := nextConf(conf, &raftpb.ConfChangeV2{}); err == nil {
		t.Error("a joint phase ends that has not begun")
	}
}

func ids(list []core.RaftID) []uint64 {
	out := make([]uint64, len(list))
	for i, id := range list {
		out[i] = uint64(id)
	}
	return out
}
