package sim

import (
	"fmt"
	"slices"

	"github.com/vivariumdb/vivarium/linearizability"
	"github.com/vivariumdb/vivarium/wire"
)

// lock takes a lock as the recipe for it says: who has the first of the numbered ephemerals holds
// it, everybody else watches the one before his own. What is written under the lock carries the
// czxid of the holder's znode as its token.
func (h *recipe) lock() {
	const dir, fence = "/lock", "/fence"
	h.do(h.create(fence, "0", 0))
	for {
		h.do(h.create(dir, "", 0))
		if name, token, ok := h.enlist(dir); ok {
			h.hold(&h.c.w.ledger.lock, dir, fence, name, token)
		}
		h.think()
	}
}

// hold waits until name comes first, writes some times, and gives the lock back.
func (h *recipe) hold(f *fence, dir, target, name string, token int64) {
	mine := dir + "/" + name
	for {
		a, names := h.children(dir, false)
		if a.unknown() {
			h.think()
			continue
		}
		at := slices.Index(names, name)
		if at < 0 {
			return // it went with a session before this one
		}
		if at == 0 {
			f.acquired(h.c.w, token, a.zxid)
			h.c.w.count.add(countLocks)
			break
		}
		if before := h.do(h.read(wire.OpExists, dir+"/"+names[at-1], true)); before.ok() {
			h.await(before.seen, 2*second)
		}
	}
	for range h.c.r.between(1, 4) {
		a := h.do(h.guarded(mine, target, fmt.Sprint(token)))
		if a.ok() {
			f.wrote(h.c.w, token, a.zxid)
		}
		h.think()
	}
	for {
		a := h.do(h.remove(mine))
		switch {
		case a.ok():
			f.released(h.c.w, token, a.zxid)
			return
		case !a.unknown():
			return
		}
		h.think()
	}
}

// election has one leader at a time, who writes the term of his office until he resigns; all
// others watch the candidates, and what he writes.
func (h *recipe) election() {
	const dir, office = "/election", "/leader"
	h.do(h.create(office, "0", 0))
	for {
		h.do(h.create(dir, "", 0))
		name, token, ok := h.enlist(dir)
		for ok {
			a, names := h.children(dir, true)
			if a.ok() && !slices.Contains(names, name) {
				break
			}
			if a.ok() && names[0] == name {
				ok = h.office(&h.c.w.ledger.office, dir+"/"+name, office, token, a.zxid)
				continue
			}
			seen := h.do(h.read(wire.OpGetData, office, true))
			if seen.ok() {
				h.c.w.ledger.office.sighted(h.c.w, number(seen.res.Data), seen.res.Stat.Mzxid)
			}
			h.await(a.seen, second)
		}
		h.think()
	}
}

// office writes once as leader and says whether it still is in office.
func (h *recipe) office(f *fence, mine, target string, token, zxid int64) bool {
	f.acquired(h.c.w, token, zxid)
	h.c.w.count.add(countOffices)
	a := h.do(h.guarded(mine, target, fmt.Sprint(token)))
	if a.ok() {
		f.wrote(h.c.w, token, a.zxid)
	}
	h.think()
	switch {
	case h.c.r.chance(30) && !h.c.closed:
		h.c.close() // resigns with everything that it has
		h.pause(second)
	case h.c.r.chance(150):
		if a = h.insist(h.remove(mine)); a.ok() {
			f.released(h.c.w, token, a.zxid)
		}
		return false
	}
	return true
}

// barrierSize is how many have to come before anybody passes a barrier.
const barrierSize = 2

// barrier enters and leaves double barriers, one after the other: nobody passes the first half
// before enough have come, and nobody the second before all of them have left.
func (h *recipe) barrier() {
	h.do(h.create("/barrier", "", 0))
	for ; ; h.c.round++ {
		round := h.c.round
		dir := fmt.Sprintf("/barrier/%d", round)
		h.do(h.create(dir, "", 0))
		mine := fmt.Sprintf("%s/m%d-%x", dir, h.c.id, h.c.s.ID())
		h.c.w.ledger.comes(round, mine)
		for {
			a := h.do(h.create(mine, "", wire.FlagEphemeral))
			if a.ok() || a.res.Err == linearizability.CodeNodeExists {
				break
			}
			h.think()
			h.all(h.create("/barrier", "", 0), h.create(dir, "", 0))
		}
		if h.enter(dir, mine, round) {
			h.think()
			h.leaveBarrier(dir, mine)
		}
		h.think()
	}
}

// enter waits at the first half of a barrier. It gives up after some time.
func (h *recipe) enter(dir, mine string, round int) bool {
	ready := dir + "/ready"
	for range 20 {
		open := h.do(h.read(wire.OpExists, ready, true))
		if open.ok() {
			h.c.w.ledger.passes(h.c.w, round)
			return true
		}
		a, names := h.children(dir, false)
		if a.ok() && len(names) >= barrierSize {
			h.do(h.create(ready, "", 0))
			continue
		}
		if open.absent() {
			h.await(open.seen, second)
		} else {
			h.think()
		}
	}
	h.do(h.remove(mine))
	return false
}

// leaveBarrier waits at the second half until nobody but the mark is left, for some time.
func (h *recipe) leaveBarrier(dir, mine string) {
	h.insist(h.remove(mine))
	for range 20 {
		a, names := h.children(dir, true)
		if a.ok() && len(names) <= 1 {
			return
		}
		if a.ok() && slices.Contains(names, mine[len(dir)+1:]) {
			h.c.w.violate("recipes", fmt.Sprintf("%v: %s was deleted and is seen at zxid %#x", h.c,
				mine, a.zxid))
		}
		h.await(a.seen, second)
	}
}

// group is membership: who is there has an ephemeral. A member sees itself, and getEphemerals
// names what it has.
func (h *recipe) group() {
	const dir = "/group"
	h.do(h.create(dir, "", 0))
	for n := 0; ; n++ {
		mine := fmt.Sprintf("%s/%d-%x-%d", dir, h.c.id, h.c.s.ID(), n)
		a := h.do(h.create(mine, "", wire.FlagEphemeral))
		if a.absent() {
			h.do(h.create(dir, "", 0))
		}
		joined := a.ok()
		for range h.c.r.between(1, 6) {
			list := h.all(h.read(wire.OpGetChildren, dir, true),
				ask(wire.OpGetEphemerals, &wire.PathRequest{Path: dir}))
			h.seesItself(joined, mine, dir, &list[0], &list[1])
			h.await(list[0].seen, second)
			h.think()
		}
		if joined {
			h.insist(h.remove(mine))
		}
	}
}

// seesItself holds what a member sees against what it knows. It knows that it has joined in this
// session, which is still its own.
func (h *recipe) seesItself(joined bool, mine, dir string, all, own *answer) {
	if !joined {
		return
	}
	w := h.c.w
	w.count.add(countMemberships)
	if all.ok() && !slices.Contains(all.res.Children, mine[len(dir)+1:]) {
		w.violate("recipes", fmt.Sprintf("%v: the members at zxid %#x are without %s", h.c,
			all.zxid, mine))
	}
	if own.ok() && !slices.Contains(own.res.Children, mine) {
		w.violate("recipes", fmt.Sprintf("%v: the ephemerals at zxid %#x are without %s", h.c,
			own.zxid, mine))
	}
}
