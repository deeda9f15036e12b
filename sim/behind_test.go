package sim

import (
	"slices"
	"testing"

	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/linearizability"
	"github.com/vivariumdb/vivarium/wire"
)

// quietly runs an ensemble in which nothing happens but what the script lets happen, and in which
// the clients that it lets in say nothing of their own.
func quietly(t *testing.T, k Knobs, script func(*Stage)) *Result {
	t.Helper()
	k.ThinkUs, k.MinTimeoutMs, k.MaxTimeoutMs = 1<<50, 20000, 20000
	r := Run(Options{Seed: 1, Knobs: &k, Script: script})
	for _, v := range r.Violations {
		t.Errorf("violation %v", v)
	}
	return r
}

// guest lets in a client of one host, which faults may ask for something.
func (s *Stage) guest(h *host) *rawClient {
	c := s.ActorAt(h.id).c
	c.manual = false
	return c
}

// each lets something happen every so many microseconds until the faults stop.
func (s *Stage) each(us int64, do func()) {
	s.w.clock.after(us, func() {
		if !s.w.calm {
			do()
			s.each(us, do)
		}
	})
}

// answers counts what a client was answered.
func (c *rawClient) answers(op wire.OpCode) (n int) {
	for _, a := range c.seen {
		if a.connect == nil && a.event == nil && a.op == op {
			n++
		}
	}
	return n
}

// What a leader says to a host that is far takes as long as that, what the host says to it does
// not; and only for a while, and never longer than the faults last.
func TestFarTakesLonger(t *testing.T) {
	const delay, length = 70 * millisecond, 500 * millisecond
	a, b := &host{id: 1}, &host{id: 2}
	l := &peerLink{hosts: [2]*host{a, b}, r: newRNG(1, "test")}
	w := &World{k: Quiet(1000), peers: []*peerLink{l}, hosts: []*host{a, b}}
	l.w, a.w, b.w = w, w, w
	took := func(to *host) int64 {
		way := &l.way[l.index(to)]
		way.last, way.delay = 0, 400
		l.carry(l.index(to), &parcel{})
		return way.last - w.clock.now
	}
	w.far(a, b, delay, length)
	if there, back := took(b), took(a); there < delay || back >= delay {
		t.Errorf("a message takes %d us, and %d back; want %d and much less", there, back, delay)
	}
	if w.calm = true; took(b) >= delay {
		t.Errorf("without faults a message takes %d us", took(b))
	}
	w.calm = false
	w.clock.after(length, func() {
		if took(b) >= delay {
			t.Errorf("after %d us a message still takes %d us", length, took(b))
		}
	})
	for e, ok := w.clock.next(); ok && w.clock.now <= length; e, ok = w.clock.next() {
		if w.clock.now == length {
			e.run()
		}
	}
}

// A host that is far from its leader is asked meanwhile, and nobody takes another leader for it.
func TestDistantHostIsAsked(t *testing.T) {
	far, asked, syncs := 0, 0, 0
	quietly(t, Ensemble(3, 6000), func(s *Stage) {
		w := s.w
		var c *rawClient
		s.At(1200, func() { c = s.guest(w.hosts[s.Others(s.Leader())[0]-1]) })
		s.At(2000, func() {
			lead := w.leader()
			h := w.hosts[c.servers.current()-1]
			l := w.peerLink(lead, h)
			w.distance(lead, h)
			s.each(millisecond, func() {
				if id := core.RaftID(h.member.Leader()); w.leader() != lead || id != lead.raftID() {
					t.Errorf("at %d us host %d follows %d, not %d", w.clock.now, h.id, id,
						lead.raftID())
				}
				if l.way[l.index(h)].far > 0 {
					if far++; c.conn.waiting > 0 {
						asked++
					}
				}
			})
		})
		s.At(5900, func() { syncs = c.answers(wire.OpSync) })
	})
	if far < 500 || asked == 0 || syncs < 4 {
		t.Errorf("the host is far for %d ms, for %d of them it is asked, and %d syncs are "+
			"answered; want half a second, some, and 4", far, asked, syncs)
	}
}

// A visit is a client of a host that follows.
type visit struct {
	host  *host
	guest *rawClient
}

// visit lets one begin, 1200 ms from the start.
func (s *Stage) visit() *visit {
	v := new(visit)
	s.At(1200, func() {
		v.host = s.w.hosts[s.Others(s.Leader())[0]-1]
		v.guest = s.guest(v.host)
	})
	return v
}

// The connection breaks between two syncs: the first is answered on it, the second is not.
func TestInterruptedBetweenSyncs(t *testing.T) {
	var first, before, after, broke, held int
	quietly(t, Ensemble(3, 4000), func(s *Stage) {
		w := s.w
		v := s.visit()
		s.At(2000, func() {
			h, c := v.host, v.guest
			lead := w.leader()
			l := w.peerLink(lead, h)
			epoch := l.epoch
			first = -1
			w.interrupt(lead, h)
			s.each(50, func() {
				if broke > 0 {
					return
				}
				if l.epoch != epoch {
					broke = 1
					return
				}
				before = c.answers(wire.OpSync)
				if way := &l.way[l.index(lead)]; way.cuts > 0 {
					if first < 0 {
						first = before
					}
					held = max(held, len(way.held))
				}
			})
		})
		s.At(3900, func() { after = v.guest.answers(wire.OpSync) })
	})
	if broke != 1 || first != 0 || before != 1 || after != 2 || held == 0 {
		t.Errorf("the connection broke %d times; %d syncs were answered when it was cut, %d when "+
			"it broke, %d in all; %d parcels were held; want 1; 0, 1, 2; some", broke, first,
			before, after, held)
	}
}

// A host that is outrun hears nothing, and what it gave to its leader before is carried out.
func TestOutrunHearsNothing(t *testing.T) {
	var stands, most uint64
	var carried int
	quietly(t, Ensemble(3, 6000), func(s *Stage) {
		w := s.w
		v := s.visit()
		s.At(1200, func() { s.guest(w.leader()) })
		s.At(2000, func() {
			h, c := v.host, v.guest
			w.outrun(w.leader(), h)
			s.each(millisecond, func() {
				if !w.deaf(h) {
					return
				}
				index := h.member.Local.State.Index()
				if stands == 0 {
					stands = index
				}
				if index != stands {
					t.Errorf("at %d us host %d goes from index %d to %d though it hears nobody",
						w.clock.now, h.id, stands, index)
				}
				most, carried = w.shadow.state.Index(), w.commits(c, wire.OpSetData)
			})
		})
	})
	if stands == 0 || most < stands+2 || carried != 2 {
		t.Errorf("host stands at index %d while the others reach %d and carry out %d of its "+
			"client's writes; want it further behind, and 2", stands, most, carried)
	}
}

// deaf says whether nothing reaches a host.
func (w *World) deaf(h *host) bool {
	return !slices.ContainsFunc(w.around(h), func(p path) bool {
		l := w.peerLink(p.from, p.to)
		return p.to == h && l.way[l.index(h)].cuts == 0
	})
}

// commits counts what was carried out of what a client has asked for in its session.
func (w *World) commits(c *rawClient, op wire.OpCode) (n int) {
	for i := range w.history.Lines {
		l := &w.history.Lines[i]
		if l.Kind == linearizability.KindCommit && l.Session == c.session.id && l.Request != nil &&
			l.Request.Op == linearizability.Op(op) && !l.Commit.Skipped {
			n++
		}
	}
	return n
}

// A leader that flaps hears who does not vote without a break, and voters now and then, so that
// nobody takes another leader for it.
func TestFlapSparesLearners(t *testing.T) {
	k := Ensemble(3, 8000)
	k.Asks, k.Spares, k.Listed = 1, 1, 1
	cuts := map[int64]int{} // by host, how often a way between it and the leader was cut
	quietly(t, k, func(s *Stage) {
		w := s.w
		s.At(4000, func() {
			lead := w.leader()
			if !w.hasLearner() || !w.hosts[3].learns() {
				t.Fatal("host 4 is no learner")
			}
			term := lead.member.Term()
			w.flap(lead)
			was := map[int64]bool{}
			s.each(millisecond, func() {
				if h := w.leader(); h != lead || h.member.Term() != term {
					t.Errorf("at %d us another one leads", w.clock.now)
				}
				for _, o := range w.hosts {
					if o == lead {
						continue
					}
					l := w.peerLink(lead, o)
					cut := l.way[0].cuts > 0 && l.way[1].cuts > 0
					if cut && !was[o.id] {
						cuts[o.id]++
					}
					was[o.id] = cut
				}
			})
		})
	})
	if len(cuts) != 2 || cuts[4] != 0 {
		t.Errorf("cut off were %v, want both voters some times and host 4 never", cuts)
	}
	for id, n := range cuts {
		if n < 3 {
			t.Errorf("host %d was cut off %d times, want three at least", id, n)
		}
	}
}

// A leader that is stranded answers a write that no other host knows to be committed until another
// one leads.
func TestStrandedAsItCommits(t *testing.T) {
	var answered, heard int64
	var led []int64
	quietly(t, Ensemble(3, 6000), func(s *Stage) {
		w := s.w
		var c *rawClient
		s.At(1200, func() { c = s.guest(w.leader()) })
		s.At(2000, func() {
			lead := w.leader()
			index := w.shadow.state.Index()
			w.bequeath(lead)
			s.each(50, func() {
				if answered == 0 && c.answers(wire.OpSetData) > 0 {
					answered = w.clock.now
				}
				for _, o := range w.hosts {
					if o != lead && heard == 0 && o.member.Local.State.Index() > index {
						heard = w.clock.now
					}
				}
				if h := w.leader(); h != nil && !slices.Contains(led, h.id) {
					led = append(led, h.id)
				}
			})
		})
	})
	const election = 500 * millisecond // the least that one takes
	if answered == 0 || heard < answered+election || len(led) != 2 {
		t.Errorf("a write is answered at %d us, others know of it at %d us, and %v have led; want "+
			"an election between", answered, heard, led)
	}
}

// Clients of a host that mingles sync before writes and before reads, and write without a sync;
// those of others write, and sync now and then.
func TestMingleAsksInAnyOrder(t *testing.T) {
	here, there := map[[2]wire.OpCode]int{}, map[[2]wire.OpCode]int{}
	quietly(t, Ensemble(3, 6000), func(s *Stage) {
		w := s.w
		var h *host
		guests := map[*rawClient]map[[2]wire.OpCode]int{}
		s.At(1200, func() {
			h = w.hosts[s.Others(s.Leader())[0]-1]
			for range 3 {
				guests[s.guest(h)] = here
				guests[s.guest(w.leader())] = there
			}
		})
		s.At(2000, func() { w.mingle(h, "/", 2*second, 40) })
		s.At(5900, func() {
			for c, pairs := range guests {
				last := wire.OpPing
				for _, a := range c.seen {
					if a.connect == nil && a.event == nil {
						pairs[[2]wire.OpCode{last, a.op}]++
						last = a.op
					}
				}
			}
		})
	})
	sum := func(pairs map[[2]wire.OpCode]int, op wire.OpCode) (n int) {
		for p, times := range pairs {
			if p[1] == op {
				n += times
			}
		}
		return n
	}
	for _, p := range [][2]wire.OpCode{
		{wire.OpSync, wire.OpSetData}, {wire.OpSync, wire.OpGetData},
		{wire.OpSetData, wire.OpSetData}, {wire.OpGetData, wire.OpSetData},
	} {
		if here[p] == 0 {
			t.Errorf("%v never follows %v: %v", p[1], p[0], here)
		}
	}
	if writes, syncs := sum(there, wire.OpSetData), sum(there, wire.OpSync); writes < 2*syncs ||
		syncs == 0 {
		t.Errorf("elsewhere %d writes and %d syncs are answered; want mostly writes", writes, syncs)
	}
}
