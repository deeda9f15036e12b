package replication

import (
	"slices"
	"testing"

	"github.com/vivariumdb/vivarium/core"
)

// few changes the membership of one to four servers again and again while faults happen: servers
// join as voters or observers, become the other, and leave, until one is left, or one votes.
func (w *world) few(c *client) {
	w.after(w.spread(300_000), func() {
		if w.calm {
			return
		}
		if l := w.leader(); l != nil && c.idle() && c.conn != nil && !c.host.paused {
			w.changeFew(c, l)
		}
		w.few(c)
	})
}

func (w *world) changeFew(c *client, lead *host) {
	m := lead.member.Local.State.Membership()
	voters, alive := 0, 0
	for i := range m.Members {
		if h := w.host(int(m.Members[i].RaftID)); m.Members[i].Role == core.RoleVoter && h.up {
			alive++
		}
	}
	for _, s := range m.Servers {
		if !s.Observer {
			voters++
		}
	}
	// Who votes must not be asked to leave while another voter is missing.
	whole := alive == voters && !joint(lead.member.replica.log.conf) && w.agreed()
	pick := m.Servers[w.rng.IntN(len(m.Servers))]
	spare := pick.Observer || voters > 1 && whole
	switch n := w.rng.IntN(8); {
	case n < 3 && len(m.Servers) < 4:
		w.next++
		w.stranger(w.next, diskOf(w.next))
		s := server(w.next)
		s.Observer = w.rng.IntN(2) == 0
		c.reconfigTo([]core.Server{s})
	case n < 6 && len(m.Servers) > 1 && spare:
		c.reconfig(nil, int(pick.ID))
	case n == 6:
		lead.turn.HandOver = true
		lead.wake()
	case n == 7 && spare:
		s := server(int(pick.ID))
		s.Observer = !pick.Observer
		c.reconfigTo([]core.Server{s})
	}
}

// TestFewMembers judges ensembles of so few members that who leaves is needed by those who stay.
func TestFewMembers(t *testing.T) {
	for seed := *firstSeed; seed < *firstSeed+*seedCount/2; seed++ {
		_, rttUs, _ := swarm(seed)
		cfg := changeable(seed)
		cfg.DigestEntries = 4
		try(t, seed, 1+int(seed%2), cfg, func(w *world) {
			w.rttUs = min(rttUs, 20_000)
			w.settle()
			w.next = len(w.hosts) + 1
			w.stranger(w.next, diskOf(w.next))
			w.must(100, "there is a learner", func() bool {
				return len(w.hosts) == w.next && w.hosts[w.next-1].up
			})
			c := w.session(w.leader())
			for i := range 3 {
				w.join(w.hosts[i%len(w.hosts)], 8000).work(30_000)
			}
			w.must(100, "all clients have begun", func() bool {
				return !slices.ContainsFunc(w.clients, func(c *client) bool { return c.acked == 0 })
			})
			for _, h := range w.hosts {
				h.syncUs = w.rng.Int64N(3) * 5000
			}
			w.few(c)
			w.faults(6_000_000)
			w.heal()
			w.must(200+4*w.rttUs/1000, "everything is answered", w.served)
			w.must(400, "no change is under way", func() bool {
				l := w.leader()
				return l != nil && !joint(l.member.replica.log.conf) &&
					l.member.Local.State.Membership().Target == nil
			})
			w.together()
		})
		if t.Failed() {
			return
		}
	}
}
