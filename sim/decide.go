package sim

import (
	"fmt"
	"strings"

	"github.com/zeebo/xxh3"
)

// Decision is one thing that a world does of its own: a fault, a step or a request of a client, a
// client's coming. Its ID says who makes it and as which of its decisions, which does not depend on
// what others do: "client 3#17" is the 17th step of client 3, "client 3#17.2.1" the first request
// of the second thing that it asks for in that step.
//
// A world that is told which decisions to keep (Plan.Keep) suppresses all others. What is random
// in a decision comes from a stream of its own: it stays what it is when others are not made.
type Decision struct {
	ID   string
	At   int64  // virtual microseconds
	What string // for people
	// Spot is where it comes, if it is a crash between two effects of a process.
	Spot Spot
}

// actor makes decisions, one after the other.
type actor struct {
	w     *World
	name  string
	hash  uint64
	r     rng // for what is in a decision; begins anew with each
	times rng // for when they are made
	plan  int64
	begun bool
	step  int // decisions so far,
	part  int // parts of the last,
	item  int // and what the last part consists of
}

// actor returns one whose decisions draw from r.
func (w *World) actor(name string, r rng) *actor {
	return &actor{w: w, name: name, hash: xxh3.HashString(name), r: r,
		times: newRNG(w.seed, name+"/times")}
}

// wait lets something happen after a time around mean. The plan is made in the time that would go
// by if no idle time were left out.
func (a *actor) wait(mean int64, do func()) {
	w := a.w
	if !a.begun {
		a.begun, a.plan = true, w.gaps.unwarp(w.clock.now)
	}
	a.plan += a.times.spread(mean)
	w.clock.after(w.gaps.warp(a.plan)-w.clock.now, do)
}

// act makes the next decision, unless it is suppressed.
func (a *actor) act(do func()) {
	a.step++
	a.part, a.item = 0, 0
	a.r.again(a.w.seed, a.hash, a.step, 0)
	was := a.r.set(true)
	defer a.r.set(was)
	w := a.w
	if !w.selective() {
		do()
		return
	}
	id := fmt.Sprintf("%s#%d", a.name, a.step)
	if !w.allowed(id) {
		return
	}
	w.decided(id, "")
	before := w.count
	do()
	w.label(id, &before)
}

// next begins the next part of a decision.
func (a *actor) next() {
	a.part++
	a.item = 0
	a.r.again(a.w.seed, a.hash, a.step, a.part)
}

// asks says whether something that is asked for in a part is to be asked for.
func (a *actor) asks(q asked) bool {
	a.item++
	w := a.w
	if !w.selective() {
		return true
	}
	id := fmt.Sprintf("%s#%d.%d.%d", a.name, a.step, a.part, a.item)
	if !w.allowed(id) {
		return false
	}
	w.decided(id, describe(q))
	return true
}

// describe says what a request asks for.
func describe(q asked) string {
	r := requestOf(q.op, q.body)
	text := r.Op.String()
	switch {
	case r.Malformed:
		text += " (damaged)"
	case len(r.Ops) > 0:
		for i := range r.Ops {
			text += fmt.Sprintf(" %v %s", r.Ops[i].Op, r.Ops[i].Path)
		}
	default:
		text += " " + r.Path
	}
	if r.Watch {
		text += ", watching"
	}
	return text
}

// selective says whether anybody wants to know of decisions.
func (w *World) selective() bool { return w.only != nil || w.record }

// allowed says whether a decision is to be carried out.
func (w *World) allowed(id string) bool { return w.only == nil || w.only[id] }

// comes decides whether something comes to be at all.
func (w *World) comes(id, what string) bool {
	if !w.selective() {
		return true
	}
	if !w.allowed(id) {
		return false
	}
	w.decided(id, what)
	return true
}

// decided notes a decision.
func (w *World) decided(id, what string) {
	if w.record {
		w.decisions = append(w.decisions, Decision{ID: id, At: w.clock.now, What: what})
	}
}

// say tells more of the last decision.
func (w *World) say(format string, args ...any) {
	if n := len(w.decisions); n > 0 {
		w.decisions[n-1].say(fmt.Sprintf(format, args...))
	}
}

// brings says of the last decision what it brings a host later, when nobody would know any more
// where that comes from.
func (w *World) brings(fault counter, h *host) {
	name, _ := strings.CutPrefix(fault.String(), "fault: ")
	w.say("soon, at host %d: %s", h.id, name)
}

func (d *Decision) say(text string) {
	if d.What != "" {
		d.What += ", "
	}
	d.What += text
}

// label names a decision by the faults that were counted in it.
func (w *World) label(id string, before *counters) {
	if !w.record {
		return
	}
	for i := len(w.decisions) - 1; i >= 0; i-- {
		if d := &w.decisions[i]; d.ID == id {
			told := d.What
			d.What = ""
			for c := range counterCount {
				if name, ok := strings.CutPrefix(c.String(), "fault: "); ok &&
					w.count[c] > before[c] {
					d.say(name)
				}
			}
			if told != "" {
				d.say(told)
			}
			return
		}
	}
}

// leaves are the decisions that do not merely consist of others.
func leaves(all []Decision) []Decision {
	whole := map[string]bool{}
	for _, d := range all {
		for id := parent(d.ID); id != ""; id = parent(id) {
			whole[id] = true
		}
	}
	var out []Decision
	for _, d := range all {
		if !whole[d.ID] {
			out = append(out, d)
		}
	}
	return out
}

// parent is the decision that one is a part of, "" if there is none.
func parent(id string) string {
	for i := len(id) - 1; i >= 0; i-- {
		switch id[i] {
		case '.', '#', '/':
			return id[:i]
		case ' ':
			return ""
		}
	}
	return ""
}

// Gap is a time in which a world leaves out what it would have waited for.
type Gap struct{ From, To int64 }

// gaps are in the order of time, and do not overlap.
type gaps []Gap

// warp is when something happens that would happen at a time if nothing were left out.
func (g gaps) warp(at int64) int64 {
	out := int64(0)
	for _, gap := range g {
		if at > gap.From {
			out += min(at, gap.To) - gap.From
		}
	}
	return at - out
}

// unwarp is the inverse.
func (g gaps) unwarp(at int64) int64 {
	for _, gap := range g {
		if at > gap.From {
			at += gap.To - gap.From
		}
	}
	return at
}
