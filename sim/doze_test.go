package sim

import (
	"testing"

	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/replication"
	"github.com/vivariumdb/vivarium/wire"
)

// A leader that is cut off is asked until it finds out, while another one leads; and of the clients
// of the others each writes in turn, so that there is something that it cannot know.
func TestIsolatedLeaderIsAsked(t *testing.T) {
	syncs, apart := 0, 0
	var writers []int
	quietly(t, Ensemble(3, 6000), func(s *Stage) {
		w := s.w
		var old *host
		var asks *rawClient
		var others []*rawClient
		s.At(1200, func() {
			old = w.leader()
			asks = s.guest(old)
			for range 2 {
				others = append(others, s.guest(w.hosts[s.Others(old.id)[0]-1]))
			}
		})
		s.At(2000, func() {
			w.isolate(old)
			s.each(millisecond, func() {
				if lead := w.leader(); lead != nil && lead != old && w.deaf(old) {
					apart++ // another one leads, and the old one cannot know
					if asks.conn != nil && asks.conn.waiting > 0 {
						syncs++
					}
				}
			})
		})
		s.At(5900, func() {
			for _, c := range others {
				writers = append(writers, w.commits(c, wire.OpSetData))
			}
		})
	})
	if apart < 100 || syncs == 0 {
		t.Errorf("for %d ms another one leads, for %d of them the old one is asked; want some of "+
			"both", apart, syncs)
	}
	if len(writers) != 2 || writers[0] == 0 || writers[1] == 0 {
		t.Errorf("the clients of another host carry out %v writes, want some of each", writers)
	}
}

// A process that dozes was asked just before, and hangs with that under way.
func TestDozesWhileItIsAsked(t *testing.T) {
	paused, waiting := 0, 0
	r := quietly(t, Ensemble(3, 6000), func(s *Stage) {
		w := s.w
		v := s.visit()
		s.At(2000, func() {
			h, c := v.host, v.guest
			w.doze(h)
			s.each(millisecond, func() {
				if h.paused {
					if paused++; c.conn != nil && c.conn.waiting > 0 {
						waiting++
					}
				}
			})
		})
	})
	if r.Count(faultDoze.String()) != 1 || paused < 200 || waiting != paused {
		t.Errorf("the process hangs for %d ms, for %d of them it is asked; want 200 at least, and "+
			"always", paused, waiting)
	}
}

// A host that comes back dials the others at once, though they will not notice for seconds that it
// was gone.
func TestComesBackBeforeItIsMissed(t *testing.T) {
	told, met := int64(0), int64(0)
	k := Ensemble(3, 20000)
	k.DownMs = 20
	quietly(t, k, func(s *Stage) {
		w := s.w
		s.At(2000, func() {
			h, other := w.hosts[s.Others(s.Leader())[0]-1], w.leader()
			l := w.peerLink(h, other)
			h.crash(true)
			told = l.next - w.clock.now
			s.each(millisecond, func() {
				if met == 0 && l.sides[l.index(other)].met {
					met = w.clock.now - 2*second
				}
			})
		})
	})
	if told < second || met == 0 || met > second/2 {
		t.Errorf("the next attempt was planned in %d us, and there is a connection after %d; want "+
			"seconds, and at once", told, met)
	}
}

// Of several plans to connect the earliest counts, and it alone.
func TestEarliestAttemptCounts(t *testing.T) {
	for _, test := range []struct {
		delays []int64
		want   int64
	}{{[]int64{500, 20, 70}, 20}, {[]int64{20, 500}, 20}, {[]int64{20, 20}, 20}} {
		a, b := &host{id: 1, up: true}, &host{id: 2, dark: true}
		l := &peerLink{hosts: [2]*host{a, b}, r: newRNG(1, "test")}
		w := &World{peers: []*peerLink{l}}
		l.w = w
		for _, ms := range test.delays {
			l.try(ms * millisecond)
		}
		var got []int64
		for len(got) == 0 || w.clock.now < 500*millisecond {
			e, ok := w.clock.next()
			if !ok {
				break
			}
			planned, before := l.next, l.tries
			if e.run(); l.tries == before {
				continue
			}
			if got = append(got, w.clock.now/millisecond); w.clock.now != planned {
				t.Errorf("try(%v ms) attempts at %v ms, the last was planned for %d us",
					test.delays, got, planned)
			}
		}
		if len(got) == 0 || got[0] != test.want {
			t.Errorf("try(%v ms) attempts at %v ms, want %d first", test.delays, got, test.want)
		}
	}
}

// A connection that came up and broke within one turn is told as lost only.
func TestLostIsNotConnected(t *testing.T) {
	h := &host{member: new(replication.Member), looped: true}
	h.turn.Connected = []core.RaftID{2, 3, 2}
	h.part(&host{id: 2}, 2)
	if len(h.turn.Lost) != 1 || h.turn.Lost[0] != 2 || len(h.turn.Connected) != 1 ||
		h.turn.Connected[0] != 3 {
		t.Errorf("lost are %v, connected %v; want 2 and 3", h.turn.Lost, h.turn.Connected)
	}
}
