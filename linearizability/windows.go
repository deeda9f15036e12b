package linearizability

import (
	"cmp"
	"math"
	"slices"
	"sort"
)

// window is a run of operations and the place of the line that ends it.
type window struct {
	ops []*operation
	cut int
}

// windows cuts the operations of a group, which stand in the order of their calls.
func (g *group) windows(logged bool) []window {
	most := windowOps
	if !logged {
		most = blindWindowOps
	}
	var out []window
	rest := g.ops
	for len(rest) > most {
		cut := quietest(rest, most, logged)
		now, later := divide(rest, cut)
		if len(now) == 0 && logged {
			// So many are under way that nothing is over before the next ones begin.
			cut = commitAmong(rest, most/2)
			now, later = divide(rest, cut)
		}
		if len(now) == 0 {
			break
		}
		if len(later) == len(rest) {
			break // more than a window holds are under way since the last cut
		}
		w := window{ops: now, cut: cut}
		if !logged {
			w.cut = math.MaxInt // no state is known there
		}
		out = append(out, w)
		rest = later
		slices.SortStableFunc(rest, func(a, b *operation) int { return a.call - b.call })
	}
	return append(out, window{ops: rest, cut: math.MaxInt})
}

// divide gives operations to both sides of a cut; -1 is none.
func divide(ops []*operation, cut int) (now, later []*operation) {
	for _, o := range ops {
		first, second := o.clip(cut)
		if first != nil {
			now = append(now, first)
		}
		if second != nil {
			later = append(later, second)
		}
	}
	return now, later
}

// commitAmong is the place of the n-th commit of operations, or of the last, -1 without any.
func commitAmong(ops []*operation, n int) int {
	var at []int
	for _, o := range ops {
		if o.at >= 0 {
			at = append(at, o.at)
		}
	}
	if len(at) == 0 {
		return -1
	}
	slices.Sort(at)
	return at[min(n, len(at)-1)]
}

// clip gives an operation to one side of a cut, behind the line at that place, or to none.
func (o *operation) clip(cut int) (first, second *operation) {
	switch {
	case o.ret <= cut:
		return o, nil
	case o.call > cut:
		return nil, o
	case o.at < 0:
		return nil, nil
	}
	c := *o
	c.acts = nil
	if o.at <= cut {
		c.ret = cut
		return &c, nil
	}
	c.call = cut + 1
	return nil, &c
}

// quietest returns the place of a line, in the last part of a window, after which few operations
// are under way. Without commit lines it must be none; -1 says that there is no such place.
func quietest(ops []*operation, most int, logged bool) int {
	from := most * 3 / 4
	best, least := -1, math.MaxInt
	for i := from; i < most; i++ {
		cut := ops[i].call - 1
		under := 0
		for _, o := range ops[:i] {
			if o.ret > cut {
				under++
			}
		}
		if under < least && (logged || under == 0) {
			best, least = cut, under
		}
		if under == 0 {
			break
		}
	}
	return best
}

// after is the state that the writes of a window lead to, in the order of their commits; nil if
// they cannot have had their outcomes in that order.
func (g *group) after(st *pstate, ops []*operation) *pstate {
	writes := make([]*operation, 0, len(ops))
	for _, o := range ops {
		if o.at >= 0 && !o.read {
			writes = append(writes, o)
		}
	}
	slices.SortStableFunc(writes, func(a, b *operation) int { return a.at - b.at })
	for _, o := range writes {
		g.bind(o)
		w := work{c: &g.component, st: st}
		if !g.apply(&w, o) {
			return nil
		}
		st = w.st
	}
	return st
}

// narrow returns the group with the intervals of its operations cut to what is around their
// commits, reach of them to either side; with 0 nothing overlaps. They begin in the order of the
// commits, so that the search, which tries first what began first, tries that order first.
func (g *group) narrow(reach int) *group {
	n := &group{component: g.component}
	var commits []*operation
	for _, o := range g.ops {
		c := *o
		c.acts = nil
		n.ops = append(n.ops, &c)
		if c.at >= 0 {
			commits = append(commits, &c)
		}
	}
	slices.SortFunc(commits, func(a, b *operation) int { return a.at - b.at })
	for i, o := range commits {
		o.rank = i
		if i >= reach {
			o.call = max(o.call, commits[i-reach].at)
		}
		if i+reach < len(commits) {
			o.ret = min(o.ret, commits[i+reach].at)
		}
	}
	for _, o := range n.ops {
		if o.at < 0 {
			o.besideCommit(commits)
		}
	}
	slices.SortStableFunc(n.ops, func(a, b *operation) int {
		return cmp.Or(a.rank-b.rank, b.at-a.at, a.ret-b.ret) // what has no commit is behind its own
	})
	floor := 0
	for i, o := range n.ops {
		if reach == 0 {
			o.call, o.ret = i, i
			if o.at >= 0 {
				o.at = i
			}
			continue
		}
		latest := o.ret
		if o.at >= 0 {
			latest = o.at
		}
		floor = max(floor, o.call)
		o.call = min(floor, latest)
	}
	return n
}

// besideCommit cuts a read to the time between the commit whose zxid it shows and the next one.
func (o *operation) besideCommit(commits []*operation) {
	next := sort.Search(len(commits), func(i int) bool { return commits[i].zxid > o.zxid })
	o.rank = next - 1
	call, ret := o.call, o.ret
	if next > 0 {
		call = max(call, commits[next-1].at)
	}
	if next < len(commits) {
		ret = min(ret, commits[next].at)
	}
	if call <= ret {
		o.call, o.ret = call, ret
	}
}
