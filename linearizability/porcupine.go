package linearizability

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/anishathalye/porcupine"
)

// This file holds a history against porcupine, which looks for any order of the operations that
// explains what clients were told. It knows nothing of zxids, and of the commit lines only what no
// client asked for and what became of calls that were never answered. So it confirms, or refutes,
// by itself what the replay says.
//
// What takes part: writes; with one member all reads, else those that follow a sync on their
// connection, which together with it must be linearizable (the operation begins when the sync is
// called). Besides real time each session's order holds.
//
// Operations are split by the connected components of the znodes that they touch together: a
// create or delete ties a znode to its parent, a multi ties all of its znodes. The root, which
// would tie all, stands alone and gets what operations do to it.
//
// The search is exponential in what overlaps, and clients send hundreds of requests at once. A
// component that is not decided within its budget is weakened. With commit lines, intervals are
// narrowed around the commits until no more than a dozen writes overlap; a read is moved beside
// the commit that its zxid names. If that is not decided either, nothing overlaps any more. Where
// the order of commits is an order of the whole, it is one of these, too. Without commit lines,
// each znode is judged by itself, which asks less.
//
// # Windows
//
// A component with many operations is cut into windows. With commit lines a cut may be made
// between any two lines: each write belongs to the window that its commit is in, and its interval
// is clipped to the window. In a history that is right, the order of commits is an order of the
// whole with each write at its commit, so the clipped intervals admit it: no cut raises a false
// alarm. The next window begins with the state that the writes before the cut lead to in the order
// of commits, and the last operation of each window reads all of that state. Hence if every
// window has an order, so has the whole: these orders one after the other. A read that spans a cut
// is left out, since nothing but its zxid would say where it belongs. Cuts are made where few
// operations are under way.
//
// Without commit lines windows end only where nothing is under way, and the next one begins
// with nothing known: a znode counts from when it is created or found missing.

const (
	windowOps      = 1000   // with commit lines
	blindWindowOps = 10_000 // without
	// stepsPerOp and leastSteps bound the work on one window. Counting steps, not time, gives the
	// same verdict on every machine.
	stepsPerOp = 15
	leastSteps = 5_000
	// blindFactor is how much more a history without commit lines may cost, as nothing else
	// judges what its writes did.
	blindFactor = 20
	// reach is how many commits a narrowed interval reaches to either side.
	reach = 6
)

// operation is what porcupine orders.
type operation struct {
	call, ret int // places of lines; both belong to the interval
	// generation and sent, the place of its call, say its place in its session.
	generation uint64
	sent       int
	at         int // the place of its commit line, or -1
	line, by   *Line
	session    int64
	failed     bool  // a multi that had no effect
	zxid       int64 // of a commit or a read's answer, to narrow by
	read       bool
	unknown    bool // nobody knows whether it took effect
	blind      bool // it comes from a session that nobody knows
	stray      bool // session is no id, but a number of its own for want of one
	attach     bool
	ends       int64 // a session that ends
	parts      []part

	rank int // by commit, once narrowed

	// Within a window.
	slot        int
	turn, needs int32
	acts        []action
	state       *pstate // all that is, at the end of a window
}

// part is one request of an operation.
type part struct {
	req  *Request
	res  *Result
	mode createMode
	path string // of its znode, "" if that is not known
	code Code
}

// confirmer gathers operations and has them judged.
type confirmer struct {
	*index
	ops    []*operation
	ends   map[int64]operation // of sessions, without commit lines; nil: not found yet
	budget int                 // steps per window; 0: by its length
	// refuted, if not nil, is shown what has no order.
	refuted func(porcupine.Model, porcupine.LinearizationInfo)
}

func judgePorcupine(x *index) { (&confirmer{index: x}).judge() }

func (p *confirmer) judge() {
	x := p.index
	p.gather()
	for _, g := range p.components() {
		x.r.Porcupine.Components++
		if p.confirm(g) != porcupine.Unknown {
			continue
		}
		x.r.Porcupine.Weakened++
		if x.logged {
			// To find an order within a dozen is cheap; to refute all of them may not be.
			if p.confirm(g.narrow(reach)) == porcupine.Unknown &&
				p.confirm(g.narrow(0)) == porcupine.Unknown {
				x.r.Porcupine.Inconclusive++
			}
			continue
		}
		for _, one := range p.apart(g) {
			if p.confirm(one) == porcupine.Unknown {
				x.r.Porcupine.Inconclusive++
			}
		}
	}
}

// group is a component with its operations.
type group struct {
	component
	ops []*operation
}

// components splits the operations.
func (p *confirmer) components() []*group {
	sets := &forest{index: map[string]int{}}
	for _, o := range p.ops {
		o.touch(func(path string) bool { return path != "/" }, sets.join)
	}
	p.tieUnnamed(sets)
	groups := map[int]*group{}
	var list []*group
	of := func(root int) *group {
		g := groups[root]
		if g == nil {
			g = &group{component: component{index: map[string]int{}, guess: !p.logged, root: -1}}
			groups[root] = g
			list = append(list, g)
		}
		return g
	}
	const tree = -1 // the root's
	for i, path := range sets.paths {
		of(sets.root(i)).add(path)
	}
	of(tree).add("/")
	for _, o := range p.ops {
		var seen []*group
		o.touch(func(string) bool { return true }, func(_ int, path string) int {
			root := tree
			if path != "/" {
				root = sets.root(sets.index[path])
			}
			if g := of(root); !slices.Contains(seen, g) {
				seen = append(seen, g)
				g.ops = append(g.ops, o)
			}
			return 0
		})
	}
	for _, g := range list {
		p.addEnds(g)
	}
	return list
}

// tieUnnamed puts znodes that a sequential create without an answer may have made into the
// component of their parent, whose counter says which one it made.
func (p *confirmer) tieUnnamed(sets *forest) {
	prefixes := p.unnamed()
	if len(prefixes) == 0 {
		return
	}
	for i := range len(sets.paths) {
		path := sets.paths[i]
		if !prefixes[unnumbered(path)] { // others need not begin with a slash
			continue
		}
		if parent, _ := split(path); parent != "/" {
			sets.join(i, parent)
		}
	}
}

// unnamed are the paths of sequential creates, without the number, whose znode nobody knows. With
// commit lines all are known.
func (p *confirmer) unnamed() map[string]bool {
	if p.logged {
		return nil
	}
	prefixes := map[string]bool{}
	for _, o := range p.ops {
		for i := range o.parts {
			q := &o.parts[i]
			if q.mode.sequential && q.path == "" && (o.unknown || q.code == CodeOk) {
				prefixes[q.req.Path] = true
			}
		}
	}
	return prefixes
}

// unnumbered is the path of the sequential create that may have made a znode, "" if none has.
func unnumbered(path string) string {
	n := len(path) - 10
	if n < 1 || strings.Trim(path[n:], "0123456789") != "" {
		return ""
	}
	return strings.TrimSuffix(path[:n], "-") // of a number below 0
}

func (g *group) add(path string) {
	if path == "/" {
		g.root = len(g.paths)
	}
	g.index[path] = len(g.paths)
	g.paths = append(g.paths, path)
}

// apart makes a group of each znode of a group.
func (p *confirmer) apart(g *group) []*group {
	list := make([]*group, len(g.paths))
	for i, path := range g.paths {
		list[i] = &group{component: component{index: map[string]int{}, guess: g.guess, root: -1}}
		list[i].add(path)
	}
	in := func(path string) bool { return g.placeOf(path) >= 0 }
	for _, o := range g.ops {
		o.touch(in, func(_ int, path string) int {
			one := list[g.index[path]]
			if n := len(one.ops); n == 0 || one.ops[n-1] != o {
				one.ops = append(one.ops, o)
			}
			return 0
		})
	}
	prefixes := p.unnamed()
	for _, one := range list {
		if prefixes[unnumbered(one.paths[0])] {
			one.ops = nil // apart from its parent it may come to be at any time
			continue
		}
		p.addEnds(one)
	}
	return list
}

// touch calls join for each path of an operation that is wanted: first with -1, then with what
// the last call returned.
func (o *operation) touch(want func(string) bool, join func(last int, path string) int) {
	last := -1
	visit := func(path string) {
		if path != "" && want(path) {
			last = join(last, path)
		}
	}
	for i := range o.parts {
		q := &o.parts[i]
		visit(q.path)
		if q.req.Op.tied() {
			parent, _ := split(q.req.Path)
			visit(parent)
		}
	}
}

// tied says whether the op concerns the parent of its znode as well.
func (o Op) tied() bool {
	switch o {
	case OpCreate, OpCreate2, OpCreateContainer, OpCreateTTL, OpDelete, OpDeleteContainer:
		return true
	}
	return false
}

// forest unites paths.
type forest struct {
	index map[string]int
	paths []string
	up    []int
}

func (f *forest) join(last int, path string) int {
	i, ok := f.index[path]
	if !ok {
		i = len(f.paths)
		f.index[path] = i
		f.paths = append(f.paths, path)
		f.up = append(f.up, i)
	}
	if last >= 0 {
		f.up[f.root(i)] = f.root(last)
	}
	return i
}

func (f *forest) root(i int) int {
	for f.up[i] != i {
		f.up[i] = f.up[f.up[i]]
		i = f.up[i]
	}
	return i
}

// confirm judges a group window by window.
func (p *confirmer) confirm(g *group) porcupine.CheckResult {
	if len(g.ops) == 0 {
		return porcupine.Ok
	}
	slices.SortStableFunc(g.ops, func(a, b *operation) int { return a.call - b.call })
	st := g.begin(!p.logged && !p.h.Header.Fresh, &p.h.Header)
	for _, o := range g.windows(p.logged) {
		var end *pstate
		if o.cut < math.MaxInt {
			end = g.after(st, o.ops)
		}
		p.r.Porcupine.Windows++
		p.r.Porcupine.Operations += len(o.ops)
		if res := p.check(g, st, o.ops, end); res != porcupine.Ok {
			return res
		}
		if o.cut < math.MaxInt && end == nil {
			return porcupine.Unknown // no state to go on with, since the commits contradict it
		}
		if st = end; end == nil {
			st = g.begin(true, &p.h.Header)
		}
	}
	return porcupine.Ok
}

// check judges one window.
func (p *confirmer) check(g *group, st *pstate, ops []*operation, end *pstate,
) porcupine.CheckResult {
	sessions := g.prepare(ops)
	list := make([]porcupine.Operation, 0, len(ops)+1)
	// Of those that begin at the same place, the first is to be tried first.
	const places = 1 << 20
	for i, o := range ops {
		list = append(list, porcupine.Operation{ClientId: i, Input: o,
			Call: int64(o.call)*places + int64(i), Return: int64(o.ret+1)*places - 1})
	}
	if end != nil {
		last := int64(len(p.h.Lines)+2) * places
		list = append(list, porcupine.Operation{Input: &operation{state: end, slot: -1},
			Call:   last,
			Return: last})
	}
	budget := p.budget
	if budget == 0 {
		budget = max(leastSteps, stepsPerOp*len(ops))
		if !p.logged {
			budget *= blindFactor
		}
	}
	steps, spent := 0, false
	from := *st
	from.last = make([]int32, sessions)
	model := porcupine.Model{
		Init: func() any { return &from },
		Step: func(state, input, _ any) (bool, any) {
			// Beyond the budget nothing is possible any more, and the search ends at once.
			st, o := state.(*pstate), input.(*operation)
			if spent = spent || steps >= budget; spent || !o.due(st) {
				return false, state
			}
			steps++
			return g.step(st, o)
		},
		Equal: func(a, b any) bool { return a.(*pstate).equal(b.(*pstate)) },
		Hash:  func(a any) uint64 { return a.(*pstate).hash },
	}
	res := porcupine.CheckOperationsTimeout(model, list, 0)
	p.r.Porcupine.Steps += steps
	switch {
	case res == porcupine.Ok:
		return res
	case spent:
		return porcupine.Unknown
	}
	steps = 0
	_, info := porcupine.CheckOperationsVerbose(model, list, 0)
	p.report(g, list, longest(info.PartialLinearizations()[0]))
	if p.refuted != nil {
		steps, spent, budget = 0, false, unbounded
		p.refuted(model, info)
	}
	return res
}

func longest(all [][]int) []int {
	var most []int
	for _, l := range all {
		if len(l) > len(most) || len(l) == len(most) && slices.Compare(l, most) < 0 {
			most = l
		}
	}
	return most
}

// report names the operation that found no place behind the longest order of others.
func (p *confirmer) report(g *group, list []porcupine.Operation, order []int) {
	placed := make([]bool, len(list))
	for _, i := range order {
		placed[i] = true
	}
	var stuck *operation
	for i, l := range list {
		o := l.Input.(*operation)
		if !placed[i] && (stuck == nil || o.ret < stuck.ret) && o.line != nil {
			stuck = o
		}
	}
	if stuck == nil {
		p.r.add(JudgePorcupine, nil, "no order of the operations on %s ends as the log does",
			g.paths[0])
		return
	}
	text := "the end of a session"
	if stuck.line.Request != nil {
		text = describe(stuck.line.Request)
	}
	p.r.add(JudgePorcupine, lines(stuck.line, stuck.by),
		"no order of the operations explains %s: %d of %d fit", text, len(order), len(list))
}

// due says whether the order of its session lets an operation be next.
func (o *operation) due(st *pstate) bool {
	if o.slot < 0 {
		return true
	}
	last := st.last[o.slot]
	return last >= o.needs && (last < o.turn || o.unknown)
}

// step is one step of the search.
func (g *group) step(st *pstate, o *operation) (bool, any) {
	if o.state != nil {
		return st.equal(o.state), st
	}
	if o.slot >= 0 && st.last[o.slot] > o.turn {
		return true, st // a later one of its session was there first: it never took effect
	}
	w := work{c: &g.component, st: st}
	if !g.apply(&w, o) {
		return false, st
	}
	if o.slot >= 0 {
		if !w.copied {
			next := *w.st
			w.st = &next
		}
		w.st.last = slices.Clone(w.st.last)
		w.st.last[o.slot] = o.turn
	}
	return true, w.st
}

// apply lets an operation happen, and reports whether it can have had its outcome.
func (g *group) apply(w *work, o *operation) bool {
	switch {
	case o.ends != 0:
		w.end(o.ends)
		return true
	case o.attach:
		return true
	case o.read:
		for i := range o.acts {
			a := &o.acts[i]
			if a.node >= 0 && !w.st.node(a.node).reads(a.req.Op, a.res) {
				return false
			}
		}
		return true
	}
	before := *w
	for i := range o.acts {
		a := &o.acts[i]
		code := CodeOk
		if !o.unknown {
			code = o.parts[i].code
		}
		if modelled(code) && !w.do(a, code) {
			*w = before
			return o.unknown
		}
	}
	if o.failed {
		*w = before // all or nothing
	}
	if o.blind {
		for _, a := range o.acts {
			w.set(a.node, unknownNode)
			w.set(a.parent, unknownNode)
		}
	}
	return true
}

// prepare numbers the operations of a window within their sessions, and finds the places of their
// znodes. It returns how many sessions there are.
func (g *group) prepare(ops []*operation) int {
	type track struct {
		slot          int
		turns, needed int32
	}
	tracks := map[int64]*track{}
	sent := slices.Clone(ops)
	slices.SortStableFunc(sent, func(a, b *operation) int {
		return cmp.Or(cmp.Compare(a.generation, b.generation), a.sent-b.sent)
	})
	for _, o := range sent {
		o.slot = -1
		if o.session != 0 && o.generation != 0 {
			t := tracks[o.session]
			if t == nil {
				t = &track{slot: len(tracks)}
				tracks[o.session] = t
			}
			t.turns++
			o.slot, o.turn, o.needs = t.slot, t.turns, t.needed
			if !o.unknown {
				t.needed = t.turns
			}
		}
		g.bind(o)
	}
	return len(tracks)
}

func (g *group) bind(o *operation) {
	o.acts = o.acts[:0]
	for i := range o.parts {
		q := &o.parts[i]
		a := action{req: q.req, res: q.res, mode: q.mode, node: g.placeOf(q.path), parent: -1,
			number: noNumber}
		if q.req.Op.tied() {
			parent, name := split(q.req.Path)
			a.parent, a.name = g.placeOf(parent), name
			if q.mode.ephemeral {
				a.owner = o.session
			}
		}
		if q.mode.sequential && q.path != "" {
			_, a.name = split(q.path)
			suffix := strings.TrimPrefix(q.path, q.req.Path)
			if n, err := strconv.ParseInt(suffix, 10, 32); err == nil {
				a.number = n
			}
		}
		if g.guess && q.mode.sequential && q.path == "" {
			for i, path := range g.paths {
				if unnumbered(path) == q.req.Path {
					a.maybe = append(a.maybe, i)
				}
			}
		}
		o.acts = append(o.acts, a)
	}
}
