package sim

import (
	"strings"
	"testing"

	"github.com/vivariumdb/vivarium/linearizability"
	"github.com/vivariumdb/vivarium/wire"
)

// In the end of a world with rest the leader dies, and until all is carried out nobody asks for
// anything: what is open is black, and who dials is not heard.
func TestRestIsUndisturbed(t *testing.T) {
	k := Ensemble(3, 3000)
	k.Rest, k.PeerDelayUs = 1, 30*millisecond // so that writes are under way when it dies
	var last *host                            // to lead before
	boots, commits := 0, 0
	var began, ended int64
	r := quietly(t, k, func(s *Stage) {
		w := s.w
		var guests []*rawClient
		s.At(1200, func() {
			for _, h := range w.hosts {
				guests = append(guests, s.guest(h))
			}
		})
		look := func() {
			switch {
			case ended > 0:
			case !w.resting && began == 0:
				last = w.leader()
				if last != nil {
					boots = last.boots
				}
			case !w.resting:
				ended = w.clock.now
				for _, c := range guests {
					commits += w.commits(c, wire.OpSetData)
				}
				if !w.carriedOut() {
					t.Error("the rest ends before all is carried out")
				}
			case began == 0:
				began = w.clock.now
				if last == nil || last.boots != boots+1 {
					t.Errorf("host %v led last, and has not died", last)
				}
				s.guest(w.hosts[0]) // who dials
			}
			if began == 0 || ended > 0 {
				return
			}
			for _, h := range w.hosts {
				for _, sc := range h.conns {
					if !sc.end.link.black && !sc.end.over {
						t.Errorf("at %d us connection %d reaches host %d", w.clock.now,
							sc.end.link.id, h.id)
					}
				}
			}
		}
		for us := int64(0); us < 10*second; us += millisecond / 2 {
			w.clock.after(us, look)
		}
	})
	if began < 3200*millisecond || ended < began+100*millisecond || commits == 0 {
		t.Errorf("rest from %d to %d us, %d writes; want it behind the last writes, and long "+
			"enough to elect somebody", began, ended, commits)
	}
	if n := r.Count(faultRest.String()); n != 1 {
		t.Errorf("the leader was killed %d times in the end, want once", n)
	}
}

// Who waits for the outcome of what it was given, and cannot get it, has no rest; after a minute
// that is a violation.
func TestRestWaitsForWhatIsUnderWay(t *testing.T) {
	waited := false
	quietly(t, Ensemble(3, 5000), func(s *Stage) {
		w := s.w
		var c *rawClient
		s.At(1200, func() { c = s.guest(w.hosts[s.Others(s.Leader())[0]-1]) })
		s.At(2000, func() {
			if !w.carriedOut() {
				t.Error("nobody asks for anything, and something waits to be carried out")
			}
			s.Cut(c.conn.end.link.host, 1000)
			c.conn.ask("/", wire.OpSetData)
		})
		s.At(2500, func() { waited = !w.carriedOut() })
		s.At(4500, func() {
			if !w.carriedOut() {
				t.Error("the host is heard again, and something waits to be carried out still")
			}
			for what, h := range map[string]*host{"down": {}, "gone": {up: true, gone: true},
				"stopping": {up: true, stopping: true}} {
				if o := (&World{hosts: []*host{h}}); o.carriedOut() {
					t.Errorf("a host that is %s is thought to have carried out all", what)
				}
			}
		})
	})
	if !waited {
		t.Error("a write of a host that nobody hears is thought to be carried out")
	}
}

// What does not come about in time is a violation, and what does is none.
func TestAwait(t *testing.T) {
	for _, test := range []struct{ ready, limit, want int64 }{ // in milliseconds, want -1: never
		{0, 1000, 0}, {400, 1000, 400}, {401, 1000, 450}, {1000, 1000, 1000}, {1001, 1000, -1},
		{5000, 1000, -1},
	} {
		w := &World{}
		came := int64(-1)
		w.await("the others", test.limit*millisecond,
			func() bool { return w.clock.now >= test.ready*millisecond },
			func() { came = w.clock.now / millisecond })
		w.run()
		if late := w.violations[0].Judge == "liveness"; came != test.want || !late {
			t.Errorf("ready at %d ms, within %d: it goes on at %d, %v; want %d", test.ready,
				test.limit, came, w.violations, test.want)
		}
		if told := strings.Contains(w.violations[0].Text, "the others"); told != (test.want < 0) {
			t.Errorf("ready at %d ms, within %d: %v", test.ready, test.limit, w.violations)
		}
	}
}

// In the end an operator wants a server that never comes, which is given up, and then what is there
// already: it asks for both, and nothing is left of the first.
func TestOperatorNamesAGhostInTheEnd(t *testing.T) {
	k := Ensemble(3, 3000)
	k.Asks, k.ReconfigEnabled, k.WeightOperator, k.ReconfigTicks = 1, 1, 1, 10
	for ghosts := range int64(2) {
		k.Ghosts = ghosts
		var c *rawClient
		r := quietly(t, k, func(s *Stage) { s.At(1500, func() { c = s.guest(s.w.hosts[0]) }) })
		var asked []string
		for _, l := range r.History.Lines {
			if l.Kind == linearizability.KindCall && l.Request != nil &&
				l.Request.Op == linearizability.Op(wire.OpReconfig) {
				asked = append(asked, l.Request.Reconfig.Joining)
			}
		}
		m := c.w.shadow.members
		if c.confirmed != ghosts+1 || len(asked) == 0 || m.Target != nil || len(m.Servers) != 3 {
			t.Errorf("%d ghosts: %d wishes of %q are answered, the target is %v, and %d servers "+
				"are left", ghosts, c.confirmed, asked, m.Target, len(m.Servers))
			continue
		}
		s := ghost(0)
		name := s.Text()
		if first := strings.Contains(asked[0], name); first != (ghosts > 0) ||
			strings.Contains(asked[len(asked)-1], name) {
			t.Errorf("%d ghosts: asked for is %q, want %s first, if at all", ghosts, asked, name)
		}
	}
}
