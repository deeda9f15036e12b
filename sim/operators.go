package sim

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/replication"
	"github.com/vivariumdb/vivarium/wire"
)

// meddle lets operators ask for a change at the moment in which a leader begins to change raft's
// configuration by itself, since a disk was lost: theirs must not be taken for done when that one
// ends.
func (w *World) meddle(h *host, appends []*replication.Append) {
	if w.k.MemberChanges+w.k.RoleChanges == 0 || w.calm || !h.member.Leading() ||
		w.shadow.members == nil || w.shadow.members.Target != nil {
		return
	}
	changes := slices.ContainsFunc(appends, func(a *replication.Append) bool {
		for _, e := range a.Entries {
			if e.GetType() != 0 {
				return true
			}
		}
		return false
	})
	if !changes {
		return
	}
	name := fmt.Sprintf("meeting at %d#%d", h.id, h.crossed)
	if !w.comes(name, "operators meet a change of members") {
		return
	}
	w.delay(h, newRNG(w.seed, name))
	for _, c := range w.clients {
		c, ok := c.(*rawClient)
		if !ok || c.manual || c.conn == nil || !c.conn.open || c.conn.closing || c.conn.readOnly ||
			c.silent > w.clock.now || c.conn.end.link.host != h.id {
			continue
		}
		c.gen.operator.knows(w.shadow.members)
		q, ok := c.gen.members()
		if !ok {
			if q, ok = c.gen.roles(); !ok {
				continue
			}
		}
		w.count.add(countMeddled)
		for _, q := range c.gen.mayChange(c.session, q) {
			c.conn.request(q.op, q.body)
		}
	}
}

// delay holds for a moment what a host and its peers say to each other.
func (w *World) delay(h *host, r rng) {
	for _, p := range w.around(h) {
		l := w.peerLink(p.from, p.to)
		l.cut(p.to, true)
		w.clock.after(r.between(20, 250)*millisecond, func() { w.mend(p) })
	}
}

// confirm is what an operator asks for once the faults have stopped: where some name servers that
// never come, that one of these join, of which nothing may be left, and then that the configuration
// become what it is. It asks again until it is answered.
func (c *rawClient) confirm() []asked {
	w := c.w
	if c.confirmed > w.k.Ghosts || c.auditor || c.manual || w.k.ReconfigEnabled == 0 ||
		w.k.WeightOperator == 0 || w.shadow.members == nil || c.id%3 != 1 {
		return nil
	}
	s := w.shadow.members.Servers[0]
	if c.confirmed < w.k.Ghosts {
		s = ghost(0)
	}
	return c.gen.mayChange(c.session, ask(wire.OpReconfig, &wire.ReconfigRequest{
		CurrentConfigID: -1, Joining: fmt.Sprintf("%v=%s", s.ID, s.Text()), HasJoining: true}))
}

// judgeServers: the configuration changes by nothing but the end of a change of it; then each of
// its voters votes, and nobody else does.
func (s *shadow) judgeServers(m *core.Membership) {
	if s.members == nil {
		return
	}
	if s.enforced != s.index {
		is, was := configText(m.Servers), configText(s.members.Servers)
		if !bytes.Equal(is, was) {
			s.w.violate("members", fmt.Sprintf("index %d makes the servers\n%sof\n%swithout the "+
				"end of a change", s.index, is, was))
		}
		return
	}
	voting := map[core.ServerID]int{}
	for i := range m.Members {
		if e := &m.Members[i]; e.Role == core.RoleVoter {
			voting[e.Server]++
		}
	}
	for i := range m.Servers {
		want := 1
		if m.Servers[i].Observer {
			want = 0
		}
		if id := m.Servers[i].ID; voting[id] != want {
			s.w.violate("members", fmt.Sprintf("index %d ends a change, and %v has %d votes, "+
				"want %d", s.index, id, voting[id], want))
		}
		delete(voting, m.Servers[i].ID)
	}
	if len(voting) > 0 {
		s.w.violate("members", fmt.Sprintf("index %d ends a change, and others vote: %v", s.index,
			voting))
	}
}
