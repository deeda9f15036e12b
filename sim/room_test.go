package sim_test

import (
	"testing"

	"github.com/vivariumdb/vivarium/linearizability"
	"github.com/vivariumdb/vivarium/sim"
	"github.com/vivariumdb/vivarium/wire"
)

// Little room on one disk harms nobody; a leader that has little lets another one lead; while a
// majority has little nothing grows, and all else goes on.
func TestLowRoom(t *testing.T) {
	for _, test := range []struct {
		name          string
		hosts         func(s *sim.Stage) []int64
		moves, refuse bool
	}{
		{"one", func(s *sim.Stage) []int64 { return s.Others(s.Leader())[:1] }, false, false},
		{"the leader", func(s *sim.Stage) []int64 { return []int64{s.Leader()} }, true, false},
		{"a majority", func(s *sim.Stage) []int64 { return s.Others(s.Leader()) }, false, true},
	} {
		k := sim.Ensemble(3, 9000)
		k.LowDiskBytes, k.MinTimeoutMs, k.MaxTimeoutMs = 10000, 10000, 10000
		var a sim.Actor
		var before, during int64
		r := play(t, k, func(s *sim.Stage) {
			a = s.Actor()
			s.At(1500, func() {
				a.Send(create("/x", 0), set("/x", "1234"), create("/y", 0))
				before = s.Leader()
				for _, id := range test.hosts(s) {
					s.Lower(id, 9000, 4000)
				}
			})
			s.At(4500, func() {
				during = s.Leader()
				a.Send(set("/x", "4321"), create("/more", 0), set("/x", "12345"), set("/x", ""),
					remove("/y"))
			})
			s.At(8000, func() { a.Send(create("/after", 0), set("/x", "123")) })
		})
		if (before != during) != test.moves {
			t.Errorf("%s: host %d leads before, %d meanwhile; want another one %v", test.name,
				before, during, test.moves)
		}
		if (r.Count("entries without growth") > 0) != test.refuse {
			t.Errorf("%s: %d entries without growth, want some %v", test.name,
				r.Count("entries without growth"), test.refuse)
		}
		want := []linearizability.Code{0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
		if test.refuse {
			want[4], want[5] = linearizability.CodeQuotaExceeded,
				linearizability.CodeQuotaExceeded
		}
		n := 0
		for _, h := range a.Heard() {
			switch {
			case h.Event != 0, n == len(want), h.Op == wire.OpSync:
				continue
			case h.Result.Err != want[n]:
				t.Errorf("%s: answer %d, %v %s: err %d, want %d", test.name, n, h.Op, h.Path,
					h.Result.Err, want[n])
			}
			n++
		}
		if n != len(want) {
			t.Errorf("%s: %d answers, want %d", test.name, n, len(want))
		}
	}
}
