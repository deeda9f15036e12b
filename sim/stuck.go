package sim

import (
	"fmt"
	"strings"

	"github.com/vivariumdb/vivarium/core"
)

// stuck says what a world waits for that does not come to an end: who waits, how each host
// stands, and what is not as it is where nothing is wrong.
func (w *World) stuck() string {
	var out []string
	for _, c := range w.clients { // who waits comes first: the text may be cut off
		if !c.done() {
			out = append(out, c.String())
		}
	}
	members := ""
	for _, h := range w.hosts {
		text := h.String()
		if list := h.members(); list != members && list != "" { // most often all know the same
			text, members = text+" of "+list, list
		}
		out = append(out, text)
	}
	for _, l := range w.peers {
		if text := l.String(); text != "" {
			out = append(out, text)
		}
	}
	for _, h := range w.hosts {
		if h.member == nil {
			continue
		}
		for _, c := range h.member.Local.Conns() {
			if text := h.describeConn(c); text != "" {
				out = append(out, text)
			}
		}
	}
	return strings.Join(out, "; ")
}

// oddities are words for what is not as usual.
type oddities []string

func (o *oddities) add(yes bool, format string, args ...any) {
	if yes {
		*o = append(*o, fmt.Sprintf(format, args...))
	}
}

// String says how the host is.
func (h *host) String() string {
	m := h.member
	if !h.up || m == nil {
		return fmt.Sprintf("host %d down", h.id)
	}
	var odd oddities
	switch leader := h.w.byRaftID(core.RaftID(m.Leader())); {
	case m.Leading():
		odd.add(true, "leads term %d", m.Term())
	case m.Leader() == 0:
		odd.add(true, "knows no leader in term %d", m.Term())
	case leader == nil:
		odd.add(true, "follows raft id %d in term %d", m.Leader(), m.Term())
	default:
		odd.add(true, "follows %d in term %d", leader.id, m.Term())
	}
	odd.add(true, "applied %d", m.Local.State.Index())
	odd.add(h.paused, "paused")
	odd.add(h.stopping, "stopping")
	odd.add(m.Local.Outstanding() > 0, "%d unanswered", m.Local.Outstanding())
	if list := m.Local.State.Membership(); list != nil {
		odd.add(uint64(h.raftID()) != uint64(h.id), "raft id %d", uint64(h.raftID()))
		odd.add(m.Changing(), "changing members")
		odd.add(list.Target != nil, "aims at other members")
	}
	return fmt.Sprintf("host %d %s", h.id, strings.Join(odd, ", "))
}

// members are those that the host's State knows, by raft id, server and role.
func (h *host) members() string {
	if !h.up || h.member == nil {
		return ""
	}
	list := h.member.Local.State.Membership()
	if list == nil {
		return ""
	}
	var out []string
	for i := range list.Members {
		if e := &list.Members[i]; e.Role != core.RoleRemoved {
			out = append(out, fmt.Sprintf("%d=%d:%v", uint64(e.RaftID), e.Server, e.Role))
		}
	}
	return strings.Join(out, " ")
}

// String says what is wrong with the link, "" if nothing is.
func (l *peerLink) String() string {
	var odd oddities
	odd.add(!l.up, "down")
	odd.add(l.silent, "silent")
	for i := range l.way {
		w := &l.way[i]
		odd.add(w.cuts > 0, "cut %d times to %d", w.cuts, l.hosts[i].id)
		odd.add(len(w.held) > 0, "%d held to %d", len(w.held), l.hosts[i].id)
	}
	if len(odd) == 0 {
		return ""
	}
	return fmt.Sprintf("link %d-%d %s", l.hosts[0].id, l.hosts[1].id, strings.Join(odd, ", "))
}

// describeConn says what a connection of the host waits for, "" if for nothing.
func (h *host) describeConn(c *core.Conn) string {
	var odd oddities
	odd.add(c.Queued() > 0, "%d queued", c.Queued())
	odd.add(c.Unsent() > 0, "%d bytes unsent", c.Unsent())
	odd.add(c.Cause() != core.CauseNone, "to end for %v", c.Cause())
	if sc := h.conns[c.ID()]; sc != nil {
		odd.add(len(sc.in) > 0, "%d bytes not fed", len(sc.in))
		odd.add(sc.waiting, "takes no more")
		odd.add(sc.closing, "closing")
		odd.add(sc.end.over, "gone")
	}
	if len(odd) == 0 {
		return ""
	}
	return fmt.Sprintf("connection of session %v at %d: %s", c.Session(), h.id,
		strings.Join(odd, ", "))
}
