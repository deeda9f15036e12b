package replication

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/wire"
)

// operate changes the membership again and again while faults happen: servers join and leave, the
// leader among them, disks are lost and replaced, leaders hand over. No majority of the disks that
// vote is ever lost at once.
func (w *world) operate(c *client) {
	w.after(w.spread(300_000), func() {
		if w.calm {
			return
		}
		if l := w.leader(); l != nil && c.idle() && c.conn != nil && !c.host.paused {
			w.operation(c, l)
		}
		w.operate(c)
	})
}

func (w *world) operation(c *client, lead *host) {
	m := lead.member.Local.State.Membership()
	voters := 0
	for i := range m.Members {
		if m.Members[i].Role == core.RoleVoter && !w.host(int(m.Members[i].RaftID)).gone {
			voters++
		}
	}
	whole := voters == len(m.Servers) && !joint(lead.member.replica.log.conf) && w.agreed()
	pick := m.Servers[w.rng.IntN(len(m.Servers))].ID
	var answer *wire.ErrorCode
	what := ""
	switch n := w.rng.IntN(8); {
	case n < 3 && len(m.Servers) < 6:
		id := w.next + 1
		w.next++
		w.stranger(id, diskOf(id))
		what, answer = "joined", c.reconfig([]int{id})
	case n < 5 && len(m.Servers) > 3 && whole:
		what, answer = "left", c.reconfig(nil, int(pick))
		if lead.server == pick {
			what = "leader left"
		}
	case n == 5 && whole && len(m.Servers) >= 3 && m.Target == nil:
		for _, h := range w.hosts {
			if h.server == pick && !h.gone {
				w.wipe(h)
				w.done["wiped"]++
				return
			}
		}
	case n == 6:
		lead.turn.HandOver = true
		lead.wake()
		w.done["handed over"]++
	}
	if answer != nil {
		w.answers = append(w.answers, func() { w.done[fmt.Sprint(what, " ", int(*answer))]++ })
	}
}

// agreed says whether all members know of the same configuration. Who leads may be the only one to
// know that a change has ended: those who are left would need a majority of the old voters too.
func (w *world) agreed() bool {
	voting := ""
	for _, h := range w.hosts {
		switch {
		case h.gone:
			continue
		case !h.up:
			return false
		case voting == "":
			voting = h.voting()
		}
		if h.voting() != voting {
			return false
		}
	}
	return true
}

// changing is a world of random faults whose members change.
func changing(seconds int64) func(*world) {
	return func(w *world) {
		w.settle()
		w.next = len(w.hosts)
		for i := range 3 {
			w.join(w.hosts[i%len(w.hosts)], 8000).work(30_000)
		}
		c := w.join(w.leader(), 8000)
		w.must(40, "all clients have begun", func() bool {
			for _, c := range w.clients {
				if c.acked == 0 {
					return false
				}
			}
			return true
		})
		w.operate(c)
		w.faults(seconds * 1_000_000)
		w.heal()
		w.must(200+4*w.rttUs/1000, "everything is answered", w.served)
		w.must(400, "no change is under way, and no dead disk votes", func() bool {
			l := w.leader()
			if l == nil || joint(l.member.replica.log.conf) ||
				l.member.Local.State.Membership().Target != nil {
				return false
			}
			for _, id := range l.member.replica.log.conf.GetVoters() {
				if w.host(int(id)).gone {
					return false
				}
			}
			return true
		})
		w.together()
		if w.done["lost"] > 0 {
			w.violate("a disk that has everything is taken for lost")
		}
		for _, f := range w.answers {
			f()
		}
	}
}

// changeable is a world in which those that come get log, or a checkpoint.
func changeable(seed uint64) Config {
	cfg := reconfigurable()
	if seed%3 != 0 {
		cfg.CheckpointBytes, cfg.IdleTicks, cfg.PieceBytes = 4<<10, 20, 200
		cfg.MaxLogBytes = 2 << 10
	}
	return cfg
}

// TestMembers judges ensembles whose members change under random faults, and demands that each
// kind of change came to pass.
func TestMembers(t *testing.T) {
	all := map[string]int{}
	for seed := *firstSeed; seed < *firstSeed+*seedCount/2; seed++ {
		n, rttUs, _ := swarm(seed)
		try(t, seed, min(n, 5), changeable(seed), func(w *world) {
			w.rttUs = min(rttUs, 20_000)
			changing(6)(w)
			for what, n := range w.done {
				all[what] += n
			}
		})
		if t.Failed() {
			return
		}
	}
	for _, what := range slices.Sorted(maps.Keys(all)) {
		t.Logf("%6d %s", all[what], what)
	}
	for _, what := range []string{"joined 0", "left 0", "leader left 0", "wiped", "handed over",
		"told"} {
		if all[what] == 0 && *seedCount >= 100 {
			t.Errorf("never %s", what)
		}
	}
}
