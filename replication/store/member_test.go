package store

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/replication"
	"go.etcd.io/raft/v3/raftpb"
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

// TestJoin: what waits becomes one batch as long as it is not too much, and one append that is too
// much alone goes alone.
func TestJoin(t *testing.T) {
	sized := func(bytes ...int) (appends []*replication.Append) {
		for i, n := range bytes {
			index := uint64(i + 1)
			appends = append(appends, &replication.Append{HardState: hardState{index, 0, 0}.proto(),
				Entries: []*raftpb.Entry{{Index: &index, Data: make([]byte, n)}}})
		}
		return appends
	}
	for _, test := range []struct {
		sizes, want []int // bytes of the appends, and how many there are in each batch
	}{
		{[]int{1}, []int{1}},
		{[]int{4, 3, 3}, []int{3}},
		{[]int{4, 3, 4}, []int{2, 1}},
		{[]int{99, 99, 0, 99}, []int{1, 2, 1}},
		{[]int{0, 0, 99, 1}, []int{2, 1, 1}},
	} {
		var got []int
		for rest := sized(test.sizes...); len(rest) > 0; {
			batch, n := join(rest, 10)
			if n < 1 || len(batch.Entries) != n ||
				batch.HardState.GetTerm() != rest[n-1].HardState.GetTerm() {
				t.Fatalf("%v: %d of %d appends make %d entries and the hard state %v", test.sizes,
					n, len(rest), len(batch.Entries), batch.HardState)
			}
			got, rest = append(got, n), rest[n:]
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%v: batches of %v appends, want %v", test.sizes, got, test.want)
		}
	}
}
