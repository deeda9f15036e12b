package store

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/replication"
)

// TestFoundVoters: every disk of an ensemble begins with the identical checkpoint, whether each
// makes its own or all get the same, and a member starts from each under its own raft id.
func TestFoundVoters(t *testing.T) {
	same := Founding(foundingState(t), 1, 2, 3)
	var first Meta
	var records map[string]string
	for id := core.RaftID(1); id <= 3; id++ {
		mem := NewMemory()
		o := testOptions()
		o.DiskID[0] = byte(id)
		if _, err := mem.Open(o); err != nil {
			t.Fatal(err)
		}
		found := func() error { return FoundWith(mem, same) }
		if id == 3 {
			found = func() error { return Found(mem, 1, 2, 3) }
		}
		if err := found(); err != nil {
			t.Fatalf("member %d: Found() = %v", id, err)
		}
		mem = mem.Crash()
		rec, err := mem.Open(o)
		if err != nil {
			t.Fatalf("member %d: Open() = %v", id, err)
		}
		held, err := readAll(mem)
		if err != nil {
			t.Fatal(err)
		}
		if id == 1 {
			first, records = rec.Checkpoint, held
		}
		if diff := cmp.Diff(records, held); diff != "" || rec.Checkpoint.Digest != first.Digest ||
			rec.Checkpoint.Position != (Position{1, 1}) ||
			string(rec.Checkpoint.Header) != string(first.Header) {
			t.Errorf("member %d begins with %+v, member 1 with %+v\n%s", id, rec.Checkpoint,
				first, diff)
		}
		loaded, err := LoadMember(mem, rec)
		if err != nil {
			t.Fatalf("member %d: LoadMember() = %v", id, err)
		}
		if got := loaded.ConfState.GetVoters(); !cmp.Equal(got, []uint64{1, 2, 3}) {
			t.Errorf("member %d: voters are %v", id, got)
		}
		if _, err := replication.New(replication.Config{RaftID: id}, loaded); err != nil {
			t.Errorf("member %d: New() = %v", id, err)
		}
	}
}

// foundingState is an empty State at the founding index.
func foundingState(t *testing.T) *core.State {
	state := core.NewState()
	if err := state.Begin(replication.FoundingIndex, replication.FoundingTerm, nil); err != nil {
		t.Fatal(err)
	}
	var out core.Outcome
	for state.Next(core.Origin{}, &out) {
		t.Fatal("the founding entry has a command")
	}
	return state
}
