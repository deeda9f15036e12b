package store

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.etcd.io/raft/v3/raftpb"
)

func voteBatch(term, vote uint64) Batch {
	commit := uint64(0)
	return Batch{HardState: &raftpb.HardState{Term: &term, Vote: &vote, Commit: &commit}}
}

// A process that ended between the log's sync and the mark's has a vote that the mark does not
// know. Raft gives it again without storing anything: the next Open has to write it down.
func TestOpenBringsMarkUp(t *testing.T) {
	for disk, mark := range marksBroughtUp {
		if m := mark(t); m.Term != 3 || m.Vote != 2 {
			t.Errorf("%s: the mark knows vote %d in term %d, want 2 in 3", disk, m.Vote, m.Term)
		}
	}
}

// marksBroughtUp return, for each disk, the mark after a start with a log that is ahead of it.
var marksBroughtUp = map[string]func(t *testing.T) Mark{
	"memory": func(t *testing.T) Mark {
		r := memoryRig{mem: NewMemory()}
		mustOpen(t, &r)
		p := r.mem.PlanAppend(voteBatch(3, 2))
		for p.Next() != EffectMarkWrite {
			if err := p.Do(); err != nil {
				t.Fatal(err)
			}
		}
		r.powerCut(t)
		mustOpen(t, &r)
		r.powerCut(t)
		_, rec := mustOpen(t, &r)
		return rec.Mark
	},
	"store": func(t *testing.T) Mark {
		const file = "/data/" + ourDir + "/" + markFile
		r := crashRig{fs: vfs.NewCrashableMem()}
		d, _ := mustOpen(t, &r)
		old, _, err := readFile(r.fs, file)
		if err != nil {
			t.Fatal(err)
		}
		mustAppend(t, d, voteBatch(3, 2))
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		replace(r.fs, file, old)
		var mark Mark
		for range 2 {
			d, rec := mustOpen(t, &r)
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
			mark = rec.Mark
		}
		return mark
	},
}
