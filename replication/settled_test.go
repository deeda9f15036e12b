package replication

import (
	"testing"

	"go.etcd.io/raft/v3/raftpb"
)

// A checkpoint may stand in the midst of what raft has handed over for apply in one piece. Raft
// does not know then that anything of that is applied, and who campaigns looks at all of it.
func TestCutLeavesWhatRaftMayRead(t *testing.T) {
	cfg := Config{}.withDefaults()
	log := &memlog{start: position{1, 1}}
	for index := uint64(2); index <= 10; index++ {
		term := uint64(1)
		log.append([]*raftpb.Entry{{Term: &term, Index: &index}})
	}
	r := replica{cfg: &cfg, alone: true, log: log, applied: 8, settled: 4, checkpointed: 8}
	var work Work
	r.cut(&Turn{Checkpointed: 8}, &work)
	if log.start.index != 4 || work.Cut != 8 {
		t.Errorf("with a checkpoint at 8 and raft at 4 the log in memory is cut at %d, that on "+
			"the disk at %d; want 4 and 8", log.start.index, work.Cut)
	}
}

// A member with peers that forgets log in memory which its last checkpoint does not cover has
// nothing to send to who needs that: it makes a new one, however little has happened.
func TestCheckpointWhenNoneCanBeSent(t *testing.T) {
	for _, test := range []struct {
		start uint64
		want  int
	}{{10, 0}, {11, 1}} {
		cfg := Config{}.withDefaults()
		log := &memlog{start: position{1, test.start}, checkpoint: position{1, 10}}
		r := replica{cfg: &cfg, log: log, logBytes: 1}
		var work Work
		r.checkpoint(&work)
		if len(work.Apply) != test.want {
			t.Errorf("with a checkpoint at 10 and log behind %d, %d checkpoints begin, want %d",
				test.start, len(work.Apply), test.want)
		}
	}
}
