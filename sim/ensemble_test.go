package sim_test

import (
	"testing"

	"github.com/vivariumdb/vivarium/linearizability"
	"github.com/vivariumdb/vivarium/sim"
	"github.com/vivariumdb/vivarium/wire"
)

func sync(path string) sim.Request {
	return sim.NewRequest(wire.OpSync, &wire.PathRequest{Path: path})
}

// A leader's process crashes and both followers are told in the same moment: one leads and
// commits within ten round trips, in 95 of 100 worlds.
func TestCrashedLeader(t *testing.T) {
	const roundTripUs = 1000
	worlds, slow := uint64(100), 0
	if testing.Short() {
		worlds = 20
	}
	for seed := uint64(1); seed <= worlds; seed++ {
		k := sim.Ensemble(3, 3000)
		k.MinTimeoutMs, k.MaxTimeoutMs, k.DownMs = 5000, 5000, 2000
		var a sim.Actor
		told := int64(0)
		r := sim.Run(sim.Options{Seed: seed, Knobs: &k, Script: func(s *sim.Stage) {
			s.At(1200, func() { a = s.ActorAt(s.Others(s.Leader())[int(seed%2)]) })
			s.At(1500, func() {
				s.Kill(s.Leader(), roundTripUs/2)
				told = s.NowUs() + roundTripUs/2
				a.Send(create("/after", 0))
			})
		}})
		for _, v := range r.Violations {
			t.Errorf("seed %d: violation %v", seed, v)
		}
		if at := a.Committed("/after"); at == 0 || at-told > 10*roundTripUs {
			slow++
			t.Logf("seed %d: a write is answered %d us after the followers were told", seed,
				at-told)
		}
	}
	if slow*20 > int(worlds) {
		t.Errorf("in %d of %d worlds the service took more than ten round trips", slow, worlds)
	}
}

// A leader hangs while another is elected and writes; when it wakes up, a client of its own that
// syncs and reads sees that write, or nothing.
func TestPausedLeaderWakes(t *testing.T) {
	k := sim.Ensemble(3, 6000)
	k.MinTimeoutMs, k.MaxTimeoutMs = 10000, 10000
	var a, b sim.Actor
	var lead int64
	play(t, k, func(s *sim.Stage) {
		s.At(1200, func() {
			lead = s.Leader()
			a, b = s.ActorAt(lead), s.ActorAt(s.Others(lead)[0])
		})
		s.At(1500, func() { a.Send(create("/x", 0), set("/x", "old")) })
		s.At(1700, func() { s.Pause(lead, 2500) })
		s.At(3500, func() { b.Send(set("/x", "new")) })
		s.At(4100, func() {
			if s.Leader() == lead {
				t.Error("the paused leader is still the one")
			}
			a.Send(sync("/x"), get("/x", false))
		})
	})
	find(t, b.Heard(), "the write under the new leader", reply(wire.OpSetData, "/x"))
	for _, h := range a.Heard() {
		if h.Op == wire.OpGetData && h.Path == "/x" && h.Result.Err == linearizability.CodeOk &&
			string(h.Result.Data) != "new" {
			t.Errorf("a read behind a sync has %q, want %q", h.Result.Data, "new")
		}
	}
}

// One clock that is a year ahead ends no TTL node early, whoever's it is.
func TestClockYearAheadEndsNoTTL(t *testing.T) {
	const year = 365 * 24 * 3600 * 1000
	for _, whose := range []int{0, 1, 2} { // the leader's, and those of the others
		k := sim.Ensemble(3, 5000)
		k.ContainerCheckMs, k.MinTimeoutMs, k.MaxTimeoutMs = 200, 5000, 5000
		var a sim.Actor
		r := play(t, k, func(s *sim.Stage) {
			a = s.Actor()
			s.At(1200, func() {
				a.Send(sim.NewRequest(wire.OpCreateTTL, &wire.CreateTTLRequest{Path: "/ttl",
					ACL: wire.OpenACL(), Flags: wire.FlagTTL, TTLMs: 60000}))
			})
			s.At(1500, func() {
				ids := append([]int64{s.Leader()}, s.Others(s.Leader())...)
				s.JumpClockOf(ids[whose], year)
			})
			s.At(2500, func() { a.Send(create("/other", 0)) })
			s.At(4500, func() { a.Send(exists("/ttl", false)) })
		})
		heard := a.Heard()
		got := heard[find(t, heard, "answer", reply(wire.OpExists, "/ttl"))].Result.Err
		if got != linearizability.CodeOk || r.Count("znodes reaped") != 0 {
			t.Errorf("clock %d a year ahead: the TTL node is gone: err %d, %d reaped", whose, got,
				r.Count("znodes reaped"))
		}
	}
}

// A client comes back to another host around the moment at which its session expires: it is let in
// or refused, and the judges agree with either.
func TestAttachRacesExpiry(t *testing.T) {
	resumed, refused := int64(0), int64(0)
	for offset := int64(-120); offset <= 240; offset += 20 {
		k := sim.Ensemble(3, 5000)
		r := play(t, k, func(s *sim.Stage) {
			a := s.ActorAt(1)
			s.At(1500, func() { a.Send(create("/e", wire.FlagEphemeral)) })
			s.At(1600, func() { a.Move(2, 1000+offset) })
		})
		resumed += r.Count("sessions resumed")
		refused += r.Count("sessions refused")
	}
	if resumed == 0 || refused == 0 {
		t.Errorf("%d sessions were resumed and %d refused, want some of both", resumed, refused)
	}
}

// A checkpoint comes to a member that serves clients: they are closed, and find everything when
// they come back.
func TestCheckpointUnderServingMember(t *testing.T) {
	k := sim.Ensemble(3, 8000)
	k.MaxLogBytes, k.CheckpointBytes, k.SyncLimitMs = 1000, 500, 60000
	k.MinTimeoutMs, k.MaxTimeoutMs = 20000, 20000
	var a, b sim.Actor
	r := play(t, k, func(s *sim.Stage) {
		s.At(1200, func() {
			ids := s.Others(s.Leader())
			a, b = s.ActorAt(ids[0]), s.ActorAt(ids[1])
			s.At(1400, func() { a.Send(create("/x", 0), get("/x", true)) })
			s.At(1600, func() { s.Cut(ids[0], 3000) })
		})
		for i := range int64(150) {
			s.At(1800+15*i, func() { b.Send(set("/x", "once more, to make the log longer")) })
		}
		s.At(7000, func() { a.Send(get("/x", false)) })
	})
	if n := r.Count("installed"); n == 0 {
		t.Errorf("no checkpoint was installed: %v", r.Counts)
	}
	find(t, a.Heard(), "event of what happened meanwhile",
		event(linearizability.EventNodeDataChanged, "/x"))
}

// A disk is full on one host, on the leader, on a majority. As long as a quorum has room the
// service goes on; in any case it does when there is room again.
func TestFullDisks(t *testing.T) {
	for _, test := range []struct {
		name  string
		hosts func(s *sim.Stage) []int64
		stops bool
	}{
		{"one", func(s *sim.Stage) []int64 { return s.Others(s.Leader())[:1] }, false},
		{"the leader", func(s *sim.Stage) []int64 { return []int64{s.Leader()} }, false},
		{"a majority", func(s *sim.Stage) []int64 { return s.Others(s.Leader()) }, true},
	} {
		k := sim.Ensemble(3, 9000)
		k.MinTimeoutMs, k.MaxTimeoutMs, k.DownMs = 10000, 10000, 100
		var a sim.Actor
		r := play(t, k, func(s *sim.Stage) {
			a = s.Actor()
			s.At(1200, func() { a.Send(create("/x", 0)) })
			s.At(1500, func() {
				for _, id := range test.hosts(s) {
					s.Fill(id, 300, 3000)
				}
			})
			for i := range int64(60) {
				s.At(1600+50*i, func() {
					if a.Connected() {
						a.Send(set("/x", "more than there is room for, after some time"))
					}
				})
			}
			s.At(8000, func() {
				if a.Connected() {
					a.Send(create("/after", 0))
				}
			})
		})
		during := 0
		for _, l := range r.History.Lines {
			if l.Kind == linearizability.KindCommit && l.At > 2500_000 && l.At < 4400_000 &&
				l.Request != nil && !l.Commit.Skipped {
				during++
			}
		}
		if r.Count("fault: no room on the disk") == 0 {
			t.Errorf("full disk on %s: it was never felt", test.name)
		}
		if (during == 0) != test.stops {
			t.Errorf("full disk on %s: %d writes while it was full, want none %v", test.name,
				during, test.stops)
		}
		if a.Committed("/after") == 0 {
			t.Errorf("full disk on %s: no service when there is room again", test.name)
		}
	}
}
