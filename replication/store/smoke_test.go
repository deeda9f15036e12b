package store

import (
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.etcd.io/raft/v3/raftpb"
)

func TestSmoke(t *testing.T) {
	mem := vfs.NewCrashableMem()
	o := Options{DataDir: "/d", LogDir: "/l", DiskID: DiskID{1}, SegmentSize: 4096, Quiet: true, MemTableSize: 1 << 20}
	s, rec, err := Open(mem, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(rec)
	for i := uint64(1); i <= 100; i++ {
		term := uint64(1)
		typ := raftpb.EntryNormal
		e := &raftpb.Entry{Term: &term, Index: &i, Type: &typ, Data: make([]byte, 300)}
		if err := s.Append(Batch{HardState: hardState{1, 1, i - 1}.proto(), Entries: []*raftpb.Entry{e}}); err != nil {
			t.Fatal(err)
		}
		if i%20 == 0 {
			if err := s.WriteCheckpoint(Checkpoint{Meta: Meta{Position: Position{1, i}}, Records: []Record{{Key: []byte(fmt.Sprint(i)), Value: []byte("x")}}}); err != nil {
				t.Fatal(err)
			}
			if err := s.Cut(i); err != nil {
				t.Fatal(err)
			}
		}
	}
	fmt.Println(mem.String())
	c := mem.CrashClone(vfs.CrashCloneCfg{})
	s2, rec, err := Open(c, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(len(rec.Entries), rec.HardState, rec.Checkpoint, rec.Damage)
	if err := s2.Records(func(k, v []byte) error { t.Log(string(k)); return nil }); err != nil {
		t.Fatal(err)
	}
	t.Log(s2.Close(), s.Close())
}
