package store

import (
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/vivariumdb/vivarium/core"
	"go.etcd.io/raft/v3/raftpb"
)

// An only voter's log is committed as it was written. A learner's of the same ensemble may hold
// what that voter sent and never wrote, which another one may come to replace.
func TestReplay(t *testing.T) {
	for _, test := range []struct {
		seat     Seat
		replayed int
	}{{Seat{}, 1}, {Seat{Cluster: core.ClusterID{7}, RaftID: 1}, 1},
		{Seat{Cluster: core.ClusterID{7}, RaftID: 2}, 0}} {
		t.Run(fmt.Sprint(test.seat.RaftID), func(t *testing.T) {
			fs, o := vfs.NewMem(), Options{DataDir: "d", DiskID: DiskID{1}}
			disk, _, err := Open(fs, o)
			if err != nil {
				t.Fatal(err)
			}
			state := core.NewState()
			if err := state.Begin(1, 1, nil); err != nil {
				t.Fatal(err)
			}
			var out core.Outcome
			for state.Next(core.Origin{}, &out) {
				t.Error("an empty entry has a command")
			}
			c := Founding(state, 1)
			c.ConfState.Learners = []uint64{2}
			if test.seat != (Seat{}) {
				if err := disk.Sit(test.seat); err != nil {
					t.Fatal(err)
				}
			}
			if err := FoundWith(disk, c); err != nil {
				t.Fatal(err)
			}
			e := &raftpb.Entry{Term: new(uint64(1)), Index: new(uint64(2)),
				Type: raftpb.EntryNormal.Enum(), Data: core.AppendEntryHeader(nil, 5)}
			if err := disk.Append(Batch{Entries: []*raftpb.Entry{e}}); err != nil {
				t.Fatal(err)
			}
			if err := disk.Close(); err != nil {
				t.Fatal(err)
			}
			disk, rec, err := Open(fs, o)
			if err != nil {
				t.Fatal(err)
			}
			m, err := LoadMember(disk, rec)
			if err != nil {
				t.Fatal(err)
			}
			if n, err := Replay(&m, rec.Seat); n != test.replayed || err != nil {
				t.Errorf("%d entries are applied, %v; want %d", n, err, test.replayed)
			}
			if err := disk.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}
