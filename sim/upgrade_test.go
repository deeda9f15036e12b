package sim_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/vivariumdb/vivarium/linearizability"
	"github.com/vivariumdb/vivarium/sim"
)

// One host after the other gets a new release while clients write. The ensemble goes on as before
// until the last one has it; what only the new release knows, that nothing may grow while disks are
// nearly full, begins only then.
func TestRollingUpgrade(t *testing.T) {
	const hosts = 3
	k := asking(hosts, 14000)
	k.Upgrade, k.LowDiskBytes, k.LoopUs = 2, 10000, 20
	clients := make([]sim.Actor, hosts+1)
	low := func(s *sim.Stage) {
		for host := int64(1); host <= hosts; host++ {
			s.Lower(host, 9000, 1000)
		}
	}
	level := func(s *sim.Stage, ms int64, below uint32) {
		s.At(ms, func() {
			if have, highest := s.Level(); have != highest-below {
				t.Errorf("at %d ms: feature level %d of %d, want %d below it", ms, have, highest,
					below)
			}
		})
	}
	r := play(t, k, func(s *sim.Stage) {
		for host := int64(1); host <= hosts; host++ {
			s.At(1200, func() { clients[host] = s.ActorAt(host) })
			for ms := int64(1500); ms < 13500; ms += 50 {
				s.At(ms, func() {
					if a := clients[host]; a.Connected() {
						a.Send(create(fmt.Sprintf("/%d-%d", host, ms), 0))
					}
				})
			}
		}
		old := []int64{1, 2, 3}
		upgrade := func(host int64) {
			old = slices.DeleteFunc(old, func(o int64) bool { return o == host })
			s.Upgrade(host)
		}
		s.At(2000, func() { upgrade(s.Leader()) }) // another one leads then, of the old release
		level(s, 3000, 1)
		s.At(3100, func() { low(s) }) // nobody may refuse what the others would carry out
		s.At(5000, func() { upgrade(old[0]) })
		s.At(5500, func() { s.Kill(old[0], 1000) }) // one of the new release leads by now
		s.At(6400, func() {
			if s.Leader() == old[0] {
				t.Errorf("host %d leads, the only one of the old release", old[0])
			}
		})
		level(s, 6500, 1)
		s.At(7000, func() { upgrade(old[0]) })
		level(s, 10000, 0)
		s.At(11000, func() { low(s) })
	})
	if n := r.Count("fault: release upgraded"); n != hosts {
		t.Errorf("%d hosts got the new release, want %d", n, hosts)
	}
	for _, span := range []struct {
		what        string
		from, to    int64 // ms
		least, most int   // refused
	}{
		{"before the last host is new", 0, 7000, 0, 0},
		{"behind that, with room", 7000, 11000, 0, 0},
		{"behind that, without room", 11000, 14000, 10, 90},
	} {
		done, refused := answers(r, span.from*1000, span.to*1000)
		t.Logf("%s: %d done, %d refused", span.what, done, refused)
		if refused < span.least || refused > span.most || done < 50 {
			t.Errorf("%s: %d calls are refused for lack of room, want %d to %d; %d are done",
				span.what, refused, span.least, span.most, done)
		}
	}
}

// answers counts the calls that were carried out between two moments, and those that were refused
// for lack of room.
func answers(r *sim.Result, fromUs, toUs int64) (done, refused int) {
	for _, l := range r.History.Lines {
		if l.Kind != linearizability.KindReturn || l.Result == nil || l.At < fromUs ||
			l.At >= toUs {
			continue
		}
		switch l.Result.Err {
		case linearizability.CodeQuotaExceeded:
			refused++
		case linearizability.CodeOk:
			done++
		}
	}
	return done, refused
}
