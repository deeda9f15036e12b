package sim

import (
	"testing"

	"github.com/vivariumdb/vivarium/wire"
)

// Clients speak to a leader while another one leads and it cannot know, and say nothing behind that
// until their time-outs are nearly over.
func TestLullLetsFormerLeaderHear(t *testing.T) {
	heard, silent := 0, 0
	quietly(t, Ensemble(3, 8000), func(s *Stage) {
		w := s.w
		var old *host
		var asks *rawClient
		s.At(1200, func() {
			old = w.leader()
			asks = s.guest(old)
		})
		for ms := int64(2000); ms < 7000; ms += 1500 {
			s.At(ms, func() {
				if old = w.leader(); old != nil {
					w.lull()
				}
			})
		}
		s.each(millisecond, func() {
			if asks == nil || asks.conn == nil || asks.conn.end == nil {
				return
			}
			at, tells := w.hosts[asks.conn.end.link.host-1], asks.conn.waiting > 0
			if tells && at.member != nil && at.member.Leading() && w.leader() != at {
				heard++
			}
			if asks.silent > w.clock.now {
				silent++
			}
		})
	})
	if heard == 0 || silent < 5000 {
		t.Errorf("for %d ms a leader that is one no more has a sign of life, for %d ms its client "+
			"is silent; want some, and more than 5000", heard, silent)
	}
}

// What a leader said before it died comes to the next one, which hears nobody else for a while.
func TestHauntComesLate(t *testing.T) {
	alone := 0
	r := quietly(t, Ensemble(3, 6000), func(s *Stage) {
		w := s.w
		s.At(1200, func() { s.guest(w.hosts[s.Others(s.Leader())[0]-1]) })
		var dead *host
		s.At(2000, func() {
			dead = w.leader()
			w.haunt()
		})
		s.each(millisecond, func() {
			lead := w.leader()
			for _, o := range w.hosts {
				if dead != nil && lead != nil && o != lead && o != dead && lead != dead {
					l := w.peerLink(o, lead)
					alone += l.way[l.index(lead)].cuts
				}
			}
		})
	})
	if late := r.Count(faultPeerLate.String()); late < 3 || alone < 100 {
		t.Errorf("%d messages of the dead come late, and who leads then hears nobody for %d ms; "+
			"want 3 and 100 at least", late, alone)
	}
}

// A process dies twice, comes back at once, and its clients with it, who ask again; what it asked
// for before it died comes to its leader late.
func TestReliveAsksAgain(t *testing.T) {
	var h *host
	boots, syncs, answered := 0, 0, 0
	r := quietly(t, Ensemble(3, 8000), func(s *Stage) {
		w := s.w
		var asks *rawClient
		s.At(1200, func() {
			h = w.hosts[s.Others(s.Leader())[0]-1]
			asks = s.guest(h)
			asks.servers = servers{order: append([]int64{h.id}, s.Others(h.id)...)}
		})
		s.At(3000, func() {
			boots = h.boots
			w.relive()
		})
		s.each(millisecond, func() {
			if h != nil && h.boots == boots+2 && asks.conn != nil && asks.conn.open &&
				asks.conn.end.link.host == h.id && asks.conn.waiting > 0 {
				syncs++
			}
		})
		s.At(7900, func() {
			boots, answered = h.boots-boots, asks.answers(wire.OpSync)
		})
	})
	if late := r.Count(faultPeerLate.String()); boots != 2 || late == 0 || syncs == 0 ||
		answered == 0 {
		t.Errorf("the host began %d times, %d messages came late, for %d ms its second process "+
			"is asked, %d syncs are answered; want 2, and some of each", boots, late, syncs,
			answered)
	}
}

// All hosts stop in good order, and none has anything to apply when it begins.
func TestHaltLeavesNothingToApply(t *testing.T) {
	began, behind := 0, 0
	quietly(t, Ensemble(3, 6000), func(s *Stage) {
		w := s.w
		s.At(1200, func() { s.guest(w.leader()) })
		s.At(2500, w.halt)
		boots := []int{0, 1, 1, 1}
		s.each(100, func() {
			for _, h := range w.hosts {
				if h.boots > boots[h.id] && h.member != nil {
					boots[h.id] = h.boots
					began++
					if h.member.Local.State.Index() < h.log.last() {
						behind++
					}
				}
			}
		})
	})
	if began != 3 || behind == 3 {
		t.Errorf("%d hosts began again, %d of them behind their logs; want 3, and fewer", began,
			behind)
	}
}

// A host's monotonic clock goes on for as long as the host does, and its time of day for ever.
func TestRebootBeginsClockAnew(t *testing.T) {
	w := &World{k: Quiet(1000), seed: 1, luck: 1}
	w.k.UptimeMs = 1 << 40
	h := newHost(w, 1)
	w.clock.now = 5 * second
	mono, wall := h.mono(), h.wallMs()
	if mono < 1<<20 || wall != 1_700_000_000_000+6000 {
		t.Errorf("a host that has run for long shows %d ms, and the time %d", mono, wall)
	}
	h.reboot()
	if h.mono() != 1000 || h.wallMs() != wall {
		t.Errorf("after a new start it shows %d ms, and the time %d, want 1000 and %d", h.mono(),
			h.wallMs(), wall)
	}
}

// Who is lazy says nothing for most of its time-out.
func TestLazyClientsPingLate(t *testing.T) {
	k := Ensemble(3, 15000) // time-outs are of 20 seconds
	k.Lazy = 900
	pings := map[bool]int{}
	quietly(t, k, func(s *Stage) {
		var all []*rawClient
		s.At(1200, func() {
			for range 2 {
				all = append(all, s.guest(s.w.leader()))
			}
		})
		s.At(14900, func() {
			for _, c := range all {
				pings[c.lazy > 0] += c.answers(wire.OpPing)
			}
		})
	})
	if len(pings) != 2 || pings[true] != 0 || pings[false] == 0 {
		t.Errorf("pings of who is lazy, and is not: %v, want none and some", pings)
	}
}
