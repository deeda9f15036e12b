package sim_test

import (
	"testing"

	"github.com/vivariumdb/vivarium/sim"
)

// asking is a world whose hosts found their ensemble by asking each other.
func asking(hosts, durationMs int64) sim.Knobs {
	k := sim.Ensemble(hosts, durationMs)
	k.Asks, k.MinTimeoutMs, k.MaxTimeoutMs = 1, 5000, 5000
	return k
}

// Two disks are lost while the third host is down: nobody founds a second ensemble. When the third
// is back it alone holds the data, and waits too.
func TestNoSecondFounding(t *testing.T) {
	k := asking(3, 8000)
	r := sim.Run(sim.Options{Seed: 1, Knobs: &k, Script: func(s *sim.Stage) {
		a := s.Actor()
		s.At(1500, func() { a.Send(create("/x", 0)) })
		s.At(2000, func() {
			s.Down(3, 3000)
			s.Wipe(1)
			s.Wipe(2)
		})
		for _, ms := range []int64{3000, 4900, 7900} {
			s.At(ms, func() {
				for _, host := range []int64{1, 2} {
					if id, runs := s.Member(host); id != 0 || runs {
						t.Errorf("at %d ms: host %d is member %d, runs %v", ms, host, id, runs)
					}
				}
			})
		}
		s.At(7900, func() {
			if s.Leader() != 0 {
				t.Errorf("host %d leads without its voters", s.Leader())
			}
		})
	}})
	if n := r.Count("founded by asking"); n != 1 {
		t.Errorf("%d ensembles were founded, want 1", n)
	}
	for _, v := range r.Violations {
		if v.Judge != "liveness" { // two of three disks are lost: an operator has to help
			t.Errorf("violation %v", v)
		}
	}
}

// swapped is a world in which a follower loses its disk as it is told to, at 2 s, and is another
// member at 11 s: nobody has spoken under the old raft id since. A client writes before.
type swapped struct {
	client sim.Actor
	lost   int64 // the host
}

func (w *swapped) script(t *testing.T, s *sim.Stage, lose func(host int64)) {
	t.Helper()
	var before int64
	s.At(1200, func() {
		w.lost = s.Others(s.Leader())[0]
		before, _ = s.Member(w.lost)
		w.client = s.ActorAt(s.Leader())
	})
	s.At(1500, func() { w.client.Send(create("/x", 0)) })
	s.At(2000, func() { lose(w.lost) })
	s.At(11000, func() {
		if id, runs := s.Member(w.lost); id <= 3 || !runs {
			t.Errorf("host %d was member %d and is member %d, runs %v", w.lost, before, id, runs)
		}
		if at := s.Spoke(before); at == 0 || at > 2_000_000 {
			t.Errorf("somebody speaks as member %d at %d us, whose disk was lost", before, at)
		}
	})
}

// A disk is emptied but for its id, and its server comes back under its old server id: it never
// votes or acknowledges under its old raft id again, for its peers know that it had data.
func TestEmptiedMemberUnderItsOldServerID(t *testing.T) {
	var w swapped
	r := play(t, asking(3, 12000), func(s *sim.Stage) {
		w.script(t, s, s.Empty)
		s.At(2500, func() { w.client.Send(create("/y", 0)) })
	})
	if w.client.Committed("/y") == 0 {
		t.Error("the service was interrupted")
	}
	if n := r.Count("disks lost"); n != 2 {
		t.Errorf("%d disks were lost, want 2: the emptied one has to take a new id", n)
	}
}

// A disk is lost: its server comes back as another member, which has no vote until it is swapped
// in, and the ensemble serves all the time.
func TestLostDiskIsSwapped(t *testing.T) {
	var w swapped
	r := play(t, asking(3, 12000), func(s *sim.Stage) {
		w.script(t, s, s.Wipe)
		s.At(2300, func() { w.client.Send(create("/meanwhile", 0)) })
		s.At(11000, func() {
			// The two that were there from the beginning are a quorum of nothing any more if
			// the new disk votes: without one of them it goes on.
			for _, other := range s.Others(w.lost) {
				if other != s.Leader() {
					s.Down(other, 3000)
				}
			}
		})
		s.At(11500, func() { w.client.Send(create("/after", 0)) })
	})
	if w.client.Committed("/meanwhile") == 0 || w.client.Committed("/after") == 0 {
		t.Errorf("the service was interrupted: writes are committed at %d and %d us",
			w.client.Committed("/meanwhile"), w.client.Committed("/after"))
	}
	if n := r.Count("founded by asking"); n != 1 {
		t.Errorf("%d ensembles were founded, want 1", n)
	}
}
