package sim

import (
	"fmt"
	"iter"
	"slices"
	"strconv"

	"github.com/vivariumdb/vivarium/client/protocol"
	"github.com/vivariumdb/vivarium/linearizability"
	"github.com/vivariumdb/vivarium/wire"
)

// A recipe is what an application does with the service: it takes locks, moves money, consumes a
// queue. It is written as such an application would be, one call after the other, and runs as a
// coroutine of the real client's, which goes on when what it waits for has come: there is still
// one thing at a time, and its order is the world's.
//
// What recipes saw is noted in the world's ledger, which knows what must hold of it. The judges of
// histories know requests; the ledger knows what they are for.
type recipe struct {
	c    *protocolClient
	next func() (struct{}, bool)
	stop func()

	yield func(struct{}) bool
	woken bool // that it goes on is planned
}

// abandoned is what a recipe panics with when its session is over, or its world.
type abandoned struct{}

// recipes are all that there are, with their weights in the order of the knobs.
func (k *Knobs) recipes() ([]func(*recipe), []int64) {
	return []func(*recipe){(*recipe).counter, (*recipe).bank, (*recipe).queue, (*recipe).lock,
			(*recipe).election, (*recipe).barrier, (*recipe).group},
		[]int64{k.WeightCounter, k.WeightBank, k.WeightQueue, k.WeightLock, k.WeightElection,
			k.WeightBarrier, k.WeightGroup}
}

// follow starts a recipe for the client's session.
func (c *protocolClient) follow(program func(*recipe)) {
	h := &recipe{c: c}
	h.next, h.stop = iter.Pull(func(yield func(struct{}) bool) {
		h.yield = yield
		defer func() {
			if r := recover(); r != nil && r != any(abandoned{}) {
				panic(r)
			}
		}()
		program(h)
	})
	c.recipe = h
	h.wake()
}

// leave ends the recipe; what it has asked for is still answered, to nobody.
func (c *protocolClient) leave() {
	if h := c.recipe; h != nil {
		c.recipe = nil
		h.stop()
	}
}

// wake lets the recipe look whether it can go on, in an event of its own.
func (h *recipe) wake() {
	if h.woken {
		return
	}
	h.woken = true
	h.c.w.clock.after(0, func() {
		h.woken = false
		if h.c.recipe != h || h.c.w.over {
			return
		}
		if _, more := h.next(); !more {
			h.c.recipe = nil
		}
		h.c.act()
	})
}

// until waits.
func (h *recipe) until(ready func() bool) {
	for !ready() {
		if !h.yield(struct{}{}) {
			panic(abandoned{})
		}
	}
}

// pause waits for some time.
func (h *recipe) pause(us int64) {
	over := false
	h.c.w.clock.after(us, func() { over = true; h.wake() })
	h.until(func() bool { return over })
}

// think waits between two steps, which are smaller than those of other clients.
func (h *recipe) think() { h.pause(h.c.r.spread(min(h.c.w.k.ThinkUs/4, second))) }

// answer is what became of a request.
type answer struct {
	zxid int64
	res  *linearizability.Result
	seen *sighting // of the watch that the request has set
}

// sighting is an event that is waited for.
type sighting struct {
	event wire.EventType
	id    protocol.WatcherID
}

func (a *answer) ok() bool { return a.res.Err == linearizability.CodeOk }

// unknown says that the request may have been carried out, or not.
func (a *answer) unknown() bool {
	return a.res.Err == linearizability.CodeConnectionLoss ||
		a.res.Err == linearizability.CodeSessionExpired
}

func (a *answer) absent() bool { return a.res.Err == linearizability.CodeNoNode }

// all sends requests in one pipeline and waits for their answers. A request that cannot be sent
// counts as one that was lost.
func (h *recipe) all(list ...asked) []answer {
	c := h.c
	out := make([]answer, len(list))
	sent := false
	c.own.act(func() {
		c.own.next()
		if c.w.record {
			for _, q := range list {
				c.w.say("%s", describe(q))
			}
		}
		sent = true
	})
	if !sent {
		h.pause(20 * millisecond)
		for i := range out {
			out[i] = answer{seen: &sighting{},
				res: &linearizability.Result{Err: linearizability.CodeConnectionLoss}}
		}
		return out
	}
	missing := len(list)
	for i, q := range list {
		a := &out[i]
		a.seen = &sighting{}
		c.wait = func(reply *protocol.Reply) {
			if reply == nil {
				a.res = &linearizability.Result{Err: linearizability.CodeConnectionLoss}
			} else {
				a.zxid, a.res = reply.Zxid, resultOf(q.op, reply.Err, reply.Body)
			}
			if missing--; missing == 0 {
				h.wake()
			}
		}
		c.watch = func(e *protocol.Event) {
			a.seen.event = e.Type
			h.wake()
		}
		if !c.submit(q) {
			c.wait(nil)
		}
		a.seen.id = c.last
		c.wait, c.watch = nil, nil
	}
	h.until(func() bool { return missing == 0 })
	return out
}

// do sends one request and waits for its answer.
func (h *recipe) do(q asked) answer { return h.all(q)[0] }

// await waits for the event of a watch, for so long at most. A watch that has not fired is taken
// back, most often.
func (h *recipe) await(seen *sighting, us int64) bool {
	over := false
	h.c.w.clock.after(us, func() { over = true; h.wake() })
	h.until(func() bool { return over || seen.event != 0 })
	if seen.event == 0 && h.c.r.chance(700) {
		h.c.s.Unwatch(seen.id, h.c.nowMs())
		h.c.twin.unwatch(seen.id)
	}
	return seen.event != 0
}

// insist repeats a request whose effect is the same the second time until it is answered.
func (h *recipe) insist(q asked) answer {
	for {
		a := h.do(q)
		if !a.unknown() {
			return a
		}
		h.pause(h.c.r.between(millisecond, 200*millisecond))
	}
}

// The requests of recipes. Their paths are their own, and open to all.

func (h *recipe) create(path, data string, flags int32) asked {
	return ask(wire.OpCreate2, &wire.CreateRequest{Path: path, Data: []byte(data),
		ACL: wire.OpenACL(), Flags: flags})
}

func (h *recipe) set(path, data string, version int32) asked {
	return ask(wire.OpSetData, &wire.SetDataRequest{Path: path, Data: []byte(data),
		Version: version})
}

func (h *recipe) remove(path string) asked {
	return ask(wire.OpDelete, &wire.DeleteRequest{Path: path, Version: -1})
}

func (h *recipe) read(op wire.OpCode, path string, watch bool) asked {
	return ask(op, &wire.PathWatchRequest{Path: path, Watch: watch})
}

// guarded sets data if the znode of a path is still there.
func (h *recipe) guarded(mine, path, data string) asked {
	return ask(wire.OpMulti, &wire.MultiRequest{Ops: []wire.MultiOp{
		{Op: wire.OpCheck, Check: wire.CheckRequest{Path: mine, Version: -1}},
		{Op: wire.OpSetData, SetData: wire.SetDataRequest{Path: path, Data: []byte(data),
			Version: -1}}}})
}

// children returns names in their order, and whether the request was answered at all.
func (h *recipe) children(path string, watch bool) (answer, []string) {
	a := h.do(h.read(wire.OpGetChildren2, path, watch))
	names := slices.Clone(a.res.Children)
	slices.Sort(names)
	return a, names
}

// enlist creates a numbered ephemeral below a path and returns its name. If the answer was lost it
// looks whether there is one of this session.
func (h *recipe) enlist(dir string) (name string, czxid int64, ok bool) {
	a := h.do(h.create(dir+"/n-", fmt.Sprint(h.c.id), wire.FlagEphemeralSequential))
	if a.ok() {
		return a.res.Path[len(dir)+1:], a.res.Stat.Czxid, true
	}
	if !a.unknown() {
		return "", 0, false
	}
	mine := h.insist(ask(wire.OpGetEphemerals, &wire.PathRequest{Path: dir + "/n-"}))
	if !mine.ok() || len(mine.res.Children) == 0 {
		return "", 0, false
	}
	path := slices.Min(mine.res.Children)
	if a = h.insist(h.read(wire.OpExists, path, false)); !a.ok() {
		return "", 0, false
	}
	return path[len(dir)+1:], a.res.Stat.Czxid, true
}

func number(data []byte) int64 {
	n, err := strconv.ParseInt(string(data), 10, 64)
	if err != nil {
		return -1
	}
	return n
}
