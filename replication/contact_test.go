package replication

import (
	"testing"

	"github.com/vivariumdb/vivarium/core"
	"go.etcd.io/raft/v3/raftpb"
)

// TestStateTimeGoesOnFromStart: a leader that knows nobody's clock yet goes on from the State's
// time, whatever its monotonic clock shows when its process begins.
func TestStateTimeGoesOnFromStart(t *testing.T) {
	err := inWorld(1, 3, Config{IdleTicks: 5}, func(w *world) {
		w.session(w.settle()).write()
		w.run(1_000_000) // until all have a checkpoint
		h := w.followers()[0]
		h.crash()
		h.start()
		m := h.member
		state := m.Local.State.Clock()
		var work Work
		m.Step(&Turn{NowMs: state + 5, MonoMs: 42_000}, &work)
		c := &m.replica.clocks
		c.reset()
		if state == 0 || c.median() {
			t.Fatalf("State's time %d, clocks known %v: want a time, and none", state, c.median())
		}
		if got, want := c.stamp(state+1e9, 42_010), state+10; got != want {
			t.Errorf("stamp %d, %d ms ahead of %d", got, got-want, want)
		}
	})
	if err != nil {
		t.Error(err)
	}
}

// TestFormerTermIsNoContact: what a process said in a former term shows no leader of this one that
// it hears that member.
func TestFormerTermIsNoContact(t *testing.T) {
	for _, test := range []struct {
		term uint64
		want bool
	}{{4, false}, {5, true}} {
		r := replica{term: 5, leading: true, ticks: 100}
		r.clocks.follow(&raftpb.ConfState{Voters: []uint64{1, 2, 3}}, 1, []core.RaftID{2, 3})
		r.clocks.reset()
		var work Work
		r.takeTick(&peerMessage{kind: peerTick, wallMs: 7, news: tickNews{term: test.term}}, 2, 0,
			&work)
		if got := r.clocks.fresh(r.ticks); got != test.want {
			t.Errorf("fresh after a tick of term %d in term 5: %v", test.term, got)
		}
		if got := r.clocks.known(); got != test.want {
			t.Errorf("clocks known after a tick of term %d in term 5: %v", test.term, got)
		}
	}
}
