package sim

import (
	"slices"

	"github.com/vivariumdb/vivarium/core"
)

// A meeting is a fault that met a host in some state. Which of them worlds have seen says more than
// how often each fault came: a leader killed while it installs is another test than one killed at
// rest.
type meeting struct {
	fault counter
	what  string
}

// meet counts a fault, and notes in which state the hosts were that it befalls; without any, the
// state of whoever leads. It is called before the fault changes anything.
func (w *World) meet(fault counter, hosts ...*host) {
	w.count.add(fault)
	if len(hosts) == 0 {
		if h := w.leader(); h != nil {
			hosts = []*host{h}
		}
	}
	for _, h := range hosts {
		w.meetings[meeting{fault, h.role() + h.activity()}]++
	}
	if !w.alone() {
		w.meetings[meeting{fault, w.margin()}]++
	}
}

// role is what a host is to the ensemble.
func (h *host) role() string {
	m := h.member
	switch {
	case !h.up:
		return "down"
	case h.paused:
		return "paused"
	case h.stopping:
		return "stopping"
	case m == nil:
		return "starting"
	case m.Leading() && m.Local.State.Term() < m.Term():
		return "new leader"
	case m.Leading():
		return "leader"
	case m.Leader() == 0:
		return "leaderless"
	case h.learns():
		return "learner"
	}
	return "follower"
}

func (h *host) learns() bool {
	members := h.member.Local.State.Membership()
	if members == nil {
		return false
	}
	e := members.Member(h.raftID())
	return e != nil && e.Role != core.RoleVoter
}

// activity is what a process has under way, the rarest of it.
func (h *host) activity() (text string) {
	switch {
	case !h.up:
		return ""
	case h.busy:
		text = ", keeping"
	case h.appending:
		text = ", storing"
	case h.applying:
		text = ", applying"
	}
	if h.member == nil {
		return text
	}
	if m := h.member.Local.State.Membership(); m != nil && m.Target != nil {
		text += ", changing"
	}
	return text
}

// margin says how many hosts more than a majority run.
func (w *World) margin() string {
	up := 0
	for _, h := range w.hosts {
		if h.up && !h.paused {
			up++
		}
	}
	switch quorum := len(w.hosts)/2 + 1; {
	case up == len(w.hosts):
		return "all up"
	case up > quorum:
		return "some down"
	case up == quorum:
		return "bare majority"
	}
	return "minority"
}

// listMeetings returns all kinds of meetings, as "fault @ state".
func listMeetings(meetings map[meeting]int) []string {
	var list []string
	for s := range meetings { //order-free: sorted below
		list = append(list, s.fault.String()[len("fault: "):]+" @ "+s.what)
	}
	slices.Sort(list)
	return list
}
