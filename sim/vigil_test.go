package sim

import "testing"

// A member that was deposed and does not know it goes on with a leader's ticks, which tell nobody
// who its clients are: seed 50010979 of 0812949 took them for a follower's. It is heard itself all
// the same: for seed 51095 of 7d49ac8 (with Ghosts=1 ReconfigEnabled=1 WeightOperator=30 Asks=1) it
// was not, and the clock of the leader that it reaches was thought to stand. In the turn in which
// it is told it may tell of all: for seed 440000719 of dec6943 it did not, and whoever it told of
// was thought to be known for as long only as it was told of again.
func TestLeadersTellNobody(t *testing.T) {
	from, to := &host{id: 1}, &host{id: 2}
	w := &World{peers: []*peerLink{{hosts: [2]*host{from, to}}}}
	from.w, to.w = w, w
	tick := []byte{1, 4}
	for _, test := range []struct {
		leads, led  bool
		least, most int // signs that are told after three ticks
	}{{false, false, 3, 3}, {true, true, 0, 0}, {false, true, 0, 3}} {
		v := newVigil()
		v.leads, v.led = test.leads, test.led
		var got *telling
		for range 3 {
			if got = v.tells(from, to, tick, 3); got == nil || got.from != from || got.vigil != v {
				t.Fatalf("nobody hears a tick of a member that leads (%v): %+v", test.leads, got)
			}
		}
		if got.n != test.least || got.earlier[1] != test.most {
			t.Errorf("a member that leads (%v), or did (%v), tells of %d clients at least and %d "+
				"at most, want %d and %d", test.leads, test.led, got.n, got.earlier[1],
				test.least, test.most)
		}
	}
	if got := newVigil().tells(from, to, []byte{1, 1}, 3); got != nil {
		t.Errorf("a message that is no tick tells %+v", got)
	}
}

// A leader that nobody hears has no contact with a quorum: its session clock stands after a few
// ticks, in worlds whose hosts have asked each other, and in those that begin with an ensemble.
func TestJudgedClockStandsWithoutQuorum(t *testing.T) {
	for _, test := range []struct {
		asks, cutMs int64
		least, most int64 // by how many ticks the clock may have moved in 400 ms
	}{{0, 0, 7, 8}, {0, 400, 0, 5}, {1, 0, 7, 8}, {1, 400, 0, 5}} {
		k := Ensemble(3, 6000)
		k.Asks = test.asks
		var moved int64
		quietly(t, k, func(s *Stage) {
			s.At(4000, func() {
				lead := s.w.leader()
				was := lead.vigil.clock
				if test.cutMs > 0 {
					s.Cut(lead.id, test.cutMs)
				}
				s.At(4399, func() { moved = lead.vigil.clock - was })
			})
		})
		if moved < test.least || moved > test.most {
			t.Errorf("asks %d, cut off for %d of 400 ms: the session clock may have moved by %d "+
				"ticks, want %d to %d", test.asks, test.cutMs, moved, test.least, test.most)
		}
	}
}

// A leader that nobody hears has no contact with a quorum, whatever comes from a former term: the
// last words of a process that is gone, or the ticks of one that leads still, as it thinks.
func TestFormerTermIsNoContactToTheJudge(t *testing.T) {
	for _, test := range []struct {
		behind      uint64 // so many terms
		least, most int64  // by how many ticks the session clock may have moved
	}{{0, 7, 8}, {1, 0, 5}} {
		var moved int64
		quietly(t, Ensemble(3, 4000), func(s *Stage) {
			w := s.w
			s.At(2000, func() {
				lead, other := w.leader(), w.hosts[s.Others(s.Leader())[0]-1]
				v := lead.vigil
				was := v.clock
				s.Cut(lead.id, 400)
				for ms := int64(0); ms < 400; ms += 10 {
					s.At(2000+ms, func() {
						v.heeds = append(v.heeds, telling{from: other, id: other.raftID(),
							term: v.term - test.behind})
					})
				}
				s.At(2399, func() { moved = v.clock - was })
			})
		})
		if moved < test.least || moved > test.most {
			t.Errorf("with ticks of %d terms before the session clock may have moved by %d, want "+
				"%d to %d", test.behind, moved, test.least, test.most)
		}
	}
}

// A stamp is not behind all clocks for long.
func TestJudgedStampsGoOn(t *testing.T) {
	for _, test := range []struct {
		ledMs, lateMs int64
		ok            bool
	}{{6000, 29_000, true}, {6000, 31_000, false}, {4000, 31_000, true}} {
		w := &World{}
		for id := range 3 {
			w.hosts = append(w.hosts, &host{w: w, id: int64(id + 1), trough: int64(id * 1000)})
		}
		const at = 100 * second
		s := &shadow{w: w, stamp: at/millisecond - test.lateMs, from: &seen{host: w.hosts[0],
			decided: at, decision: decision{vigil: newVigil(), since: at - test.ledMs*millisecond}}}
		s.judgeLateStamp()
		if ok := len(w.violations) == 0; ok != test.ok {
			t.Errorf("who leads for %d ms stamps %d ms behind all: fine %v, want %v", test.ledMs,
				test.lateMs, ok, test.ok)
		}
	}
}
