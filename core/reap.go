package core

import (
	"cmp"
	"slices"

	"github.com/vivariumdb/vivarium/internal/mutant"
	"github.com/vivariumdb/vivarium/wire"
)

// Reap names a TTL or container znode whose time has come.
type Reap struct {
	Path  string
	Czxid Zxid // of the znode that was looked at, in case the path gets another one
}

// AppendReapable appends the znodes that may be removed at nowMs, by path: a childless
// container that had a child, or that never had one for longer than neverUsedMs (0: never), and
// a childless TTL znode not written for longer than its time. The leader asks, and proposes
// what it gets; apply looks again.
//
// It appends the oldest of them, most at the most, and no more than mostBytes of paths, but one
// always: a short name below a long one is a long path.
func (s *State) AppendReapable(dst []Reap, nowMs, neverUsedMs int64, most, mostBytes int) []Reap {
	var found []*node
	for n := range s.containers { //order-free: sorted below
		if n.reapable(nowMs, neverUsedMs) {
			found = append(found, n)
		}
	}
	for n := range s.ttls { //order-free: sorted below
		if n.reapable(nowMs, neverUsedMs) {
			found = append(found, n)
		}
	}
	slices.SortFunc(found, func(a, b *node) int {
		if a.czxid != b.czxid {
			return cmp.Compare(a.czxid, b.czxid)
		}
		return cmp.Compare(a.path(), b.path()) // of one multi
	})
	start, bytes := len(dst), 0
	for _, n := range found[:min(len(found), most)] {
		path := n.path()
		if bytes += len(path); bytes > mostBytes && len(dst) > start {
			break
		}
		dst = append(dst, Reap{Path: path, Czxid: n.czxid})
	}
	slices.SortFunc(dst[start:], func(a, b Reap) int { return cmp.Compare(a.Path, b.Path) })
	return dst
}

func (n *node) reapable(nowMs, neverUsedMs int64) bool {
	if len(n.children) > 0 {
		return false
	}
	switch kindOf(n.owner) {
	case ownerContainer:
		if mutant.On("limits-unused-container-reaped") {
			return true
		}
		return n.created > 0 || neverUsedMs > 0 && nowMs-n.mtime > neverUsedMs
	case ownerTTL:
		if mutant.On("limits-ttl-never-reaped") {
			return false
		}
		if mutant.On("limits-ttl-from-creation") {
			return nowMs-n.ctime > n.ttl()
		}
		if mutant.On("limits-ttl-lives-twice") {
			return nowMs-n.mtime > 2*n.ttl()
		}
		return nowMs-n.mtime > n.ttl()
	}
	return false
}

// reap removes what the leader found reapable, if by the State's own clock it is. It takes a
// zxid only then.
func (s *State) reap(c *Command, out *Outcome) {
	out.Op = wire.OpDeleteContainer
	n := s.lookup(c.Path)
	blind := mutant.On("replication-reap-not-looked-again")
	if n == nil || n.czxid != c.Czxid || !n.reapable(s.reapTime(), c.NeverUsedMs) && !blind {
		out.skip(ReasonNotReapable)
		return
	}
	out.Zxid = s.nextZxid()
	s.deleteNode(n, c.Path, out.Zxid)
}
