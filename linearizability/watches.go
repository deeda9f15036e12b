package linearizability

import (
	"fmt"
	"sort"
)

// The bits of a path's entry in a watch table. One-shot watches are the standard ones.
const (
	watchOnce = 1 << iota
	watchPersistent
	watchRecursive
)

// The modes of addWatch and the watcher types of removeWatches.
const (
	modePersistent = 0
	modeRecursive  = 1

	typeChildren   = 1
	typeData       = 2
	typeAny        = 3
	typePersistent = 4
	typeRecursive  = 5
)

// catchUp is what a setWatches finds at the current state, in the order of its events.
func (m *model) catchUp(w *Watches) []catchup {
	if w == nil {
		return nil
	}
	var out []catchup
	for _, p := range w.Data {
		c := catchup{path: p}
		if n := m.node(p); n == nil {
			c.event = EventNodeDeleted
		} else if n.stat.Mzxid > w.RelativeZxid {
			c.event = EventNodeDataChanged
		}
		out = append(out, c)
	}
	for _, p := range w.Exist {
		c := catchup{path: p}
		if m.node(p) != nil {
			c.event = EventNodeCreated
		}
		out = append(out, c)
	}
	for _, p := range w.Child {
		c := catchup{path: p, child: true}
		if n := m.node(p); n == nil {
			c.event = EventNodeDeleted
		} else if n.stat.Pzxid > w.RelativeZxid {
			c.event = EventNodeChildrenChanged
		}
		out = append(out, c)
	}
	return out
}

// judgeWatches: per connection, the events that its watches call for arrive, each once, in the
// order of the changes, and each before the first answer that shows its change or a later one.
// Which watches a connection has follows from its answers, whose zxids say when they were set.
func judgeWatches(y *replay) {
	for _, c := range y.order {
		if c.gen == nil && !c.readOnly() {
			continue
		}
		if c.ambiguous {
			y.r.Unjudged++
			continue
		}
		w := &watcher{replay: y, conn: c, data: map[string]int{}, child: map[string]int{}}
		w.run()
	}
}

// judgeEventOrder: whatever is watched, an event comes before any answer on its connection that can
// show its change. It needs no commit lines.
func judgeEventOrder(x *index) {
	for _, c := range x.order {
		var shown point
		for _, it := range c.stream {
			l := it.line
			if it.line.Kind == KindReturn {
				if it.judged() && (shown.line == nil || l.Zxid > shown.line.Zxid) {
					shown = it.point
				}
				continue
			}
			x.r.Events++
			if l.Zxid <= 0 {
				continue
			}
			x.checked[JudgeWatches]++
			if shown.line != nil && l.Zxid <= shown.line.Zxid {
				x.bad(JudgeWatches, lines(l, shown.line),
					"the event %v %s at %#x comes behind an answer at zxid %#x", l.Event, l.Path,
					l.Zxid, shown.line.Zxid)
			}
		}
	}
}

// watcher follows one connection through what arrived on it.
type watcher struct {
	*replay
	conn *connection

	data, child map[string]int // by path, the bits above
	recursive   int            // how many entries of data are recursive

	next    int    // the first change not yet looked at
	wants   []want // events that are due, in order
	missed  []miss // events that should have come by now
	came    map[want]bool
	catchup []item // what came with zxid -1 since the last answer

	// maybe are events that come if the connection may read, of which nothing is known.
	maybe map[want]bool
}

// want is an event that the connection must get.
type want struct {
	typ  EventType
	path string
	zxid int64
	// group is the commit whose events come in any order, or -1.
	group int
}

func (w want) String() string { return fmt.Sprintf("%v %s at %#x", w.typ, w.path, w.zxid) }

// miss is an event that did not come before some line, which shows that it should have.
type miss struct {
	want
	by *Line
}

func (w *watcher) run() {
	w.came, w.maybe = map[want]bool{}, map[want]bool{}
	for _, it := range w.conn.stream {
		if it.line.Kind == KindEvent {
			w.r.Events++
			w.checked[JudgeWatches]++
			if it.line.Zxid == -1 {
				w.catchup = append(w.catchup, it)
			} else if it.line.Zxid >= w.stop {
				break
			} else {
				w.advance(it.line.Zxid)
				w.take(it)
			}
			continue
		}
		if it.call == nil {
			continue
		}
		z := it.line.Zxid
		if it.call.commit != nil {
			z = it.call.commit.line.Zxid // which a wrong answer may misstate
		} else if w.blamed[it.line.No] {
			w.r.Unjudged++
			break // its zxid says nothing
		}
		if z >= w.stop {
			break
		}
		w.advance(z)
		w.overdue(it.line)
		w.answer(it)
	}
	w.atEnd()
	for _, m := range w.missed {
		w.bad(JudgeWatches, lines(m.by, w.commitOf(m.zxid)),
			"the event %v did not come on connection %d", m.want, w.conn.id)
	}
}

func (w *watcher) commitOf(zxid int64) *Line {
	for _, c := range w.commits {
		if c.line.Zxid == zxid {
			return c.line
		}
	}
	return nil
}

// advance looks at the changes up to a zxid.
func (w *watcher) advance(z int64) {
	changes := w.m.changes
	if len(w.data)+len(w.child) == 0 {
		rest := changes[w.next:]
		w.next += sort.Search(len(rest), func(i int) bool { return rest[i].zxid > z })
		return
	}
	for ; w.next < len(changes) && changes[w.next].zxid <= z; w.next++ {
		w.change(&changes[w.next])
	}
}

// change finds whether a change concerns the connection, and spends its one-shot watches. They
// are spent also when the connection may not read the node and is told nothing.
func (w *watcher) change(c *change) {
	hit := false
	if c.typ == EventNodeChildrenChanged {
		hit = spend(w.child, c.path)
	} else {
		hit = spend(w.data, c.path) || w.recursive > 0 && w.underRecursive(c.path)
	}
	if c.childToo && spend(w.child, c.path) {
		hit = true
	}
	if !hit {
		return
	}
	n := want{c.typ, c.path, c.zxid, -1}
	if !w.mayRead(c) {
		if w.conn.gen == nil {
			w.maybe[n] = true
		}
		return
	}
	if c.unordered {
		n.group = c.commit
	}
	w.wants = append(w.wants, n)
}

func spend(table map[string]int, path string) bool {
	bits := table[path]
	if bits&watchOnce != 0 {
		set(table, path, bits&^watchOnce)
	}
	return bits != 0
}

func set(table map[string]int, path string, bits int) {
	if bits == 0 {
		delete(table, path)
	} else {
		table[path] = bits
	}
}

func (w *watcher) underRecursive(path string) bool {
	for path != "/" {
		path, _ = split(path)
		if w.data[path]&watchRecursive != 0 {
			return true
		}
	}
	return false
}

func (w *watcher) mayRead(c *change) bool {
	if w.h.Header.SkipACL || permits(c.acl, permRead, nil) {
		return true
	}
	if w.conn.gen == nil {
		return false
	}
	n := sort.Search(len(w.conn.gen.auths), func(i int) bool {
		return w.conn.gen.auths[i].n > c.commit
	})
	return permits(c.acl, permRead, w.conn.gen.identities(n))
}

// take finds what an event answers to.
func (w *watcher) take(it item) {
	l := it.line
	same := func(n want) bool { return n.typ == l.Event && n.path == l.Path && n.zxid == l.Zxid }
	for i, n := range w.wants {
		if !same(n) {
			continue
		}
		kept := w.wants[:0:0]
		for _, earlier := range w.wants[:i] {
			if earlier.group >= 0 && earlier.group == n.group {
				kept = append(kept, earlier)
			} else {
				w.missed = append(w.missed, miss{earlier, l})
			}
		}
		w.wants = append(kept, w.wants[i+1:]...)
		n.group = -1
		w.came[n] = true
		return
	}
	for i, m := range w.missed {
		if same(m.want) {
			w.missed = append(w.missed[:i:i], w.missed[i+1:]...)
			w.bad(JudgeWatches, lines(l, m.by),
				"the event %v comes too late: this came before it", m.want)
			return
		}
	}
	if n := (want{l.Event, l.Path, l.Zxid, -1}); w.maybe[n] {
		delete(w.maybe, n)
		return
	}
	why := "nothing on this connection watches for it"
	if w.came[want{l.Event, l.Path, l.Zxid, -1}] {
		why = "it has come before"
	}
	w.bad(JudgeWatches, lines(l), "an event too many, %v %s at %#x: %s", l.Event, l.Path,
		l.Zxid, why)
}

// overdue: what is due when an answer arrives should have come before it.
func (w *watcher) overdue(by *Line) {
	for _, n := range w.wants {
		w.missed = append(w.missed, miss{n, by})
	}
	w.wants = w.wants[:0]
}

// answer arms what the request asked for.
func (w *watcher) answer(it item) {
	req, res := it.call.line.Request, it.line.Result
	if req.Op != OpSetWatches && req.Op != OpSetWatches2 {
		w.noCatchup(it.line)
	}
	switch req.Op {
	case OpGetData, OpExists, OpGetChildren, OpGetChildren2:
		w.armRead(req, res)
	case OpAddWatch:
		if res.Err == CodeOk && req.Mode == modePersistent {
			w.data[req.Path] |= watchPersistent
			w.child[req.Path] |= watchPersistent
		} else if res.Err == CodeOk {
			w.armRecursive(req.Path)
		}
	case OpSetWatches, OpSetWatches2:
		w.setWatches(it, req.Watches)
	case OpCheckWatches, OpRemoveWatches:
		w.removeWatches(it, req, res)
	}
}

func (w *watcher) armRead(req *Request, res *Result) {
	if !req.Watch {
		return
	}
	switch req.Op {
	case OpExists:
		if res.Err == CodeOk || res.Err == CodeNoNode {
			w.data[req.Path] |= watchOnce
		}
	case OpGetData:
		if res.Err == CodeOk {
			w.data[req.Path] |= watchOnce
		}
	case OpGetChildren, OpGetChildren2:
		if res.Err == CodeOk {
			w.child[req.Path] |= watchOnce
		}
	}
}

func (w *watcher) armRecursive(path string) {
	if w.data[path]&watchRecursive == 0 {
		w.recursive++
		w.data[path] |= watchRecursive
	}
}

// setWatches: what was missed is told before the answer, in the order of the lists; the rest is
// armed.
func (w *watcher) setWatches(it item, lists *Watches) {
	got := w.catchup
	w.catchup = nil
	if lists == nil || it.line.Result.Err != CodeOk {
		return
	}
	for _, c := range w.caught[it.call] {
		if c.event == 0 {
			table := w.data
			if c.child {
				table = w.child
			}
			table[c.path] |= watchOnce
			continue
		}
		if len(got) > 0 && got[0].line.Event == c.event && got[0].line.Path == c.path {
			got = got[1:]
			continue
		}
		w.bad(JudgeWatches, lines(it.line, it.call.line),
			"setWatches from %#x does not report %v %s, which was missed", lists.RelativeZxid,
			c.event, c.path)
		return
	}
	if len(got) > 0 {
		w.bad(JudgeWatches, lines(got[0].line, it.line),
			"setWatches reports %v %s, which was not missed", got[0].line.Event, got[0].line.Path)
	}
	if it.call.line.Request.Op == OpSetWatches2 {
		for _, p := range lists.Persistent {
			w.data[p] |= watchPersistent
			w.child[p] |= watchPersistent
		}
		for _, p := range lists.Recursive {
			w.armRecursive(p)
		}
	}
}

// noCatchup: events without a zxid come with setWatches only.
func (w *watcher) noCatchup(by *Line) {
	for _, it := range w.catchup {
		w.bad(JudgeWatches, lines(it.line, by),
			"an event too many, %v %s: no setWatches asked for it", it.line.Event, it.line.Path)
	}
	w.catchup = nil
}

// removeWatches does what checkWatches only asks for.
func (w *watcher) removeWatches(it item, req *Request, res *Result) {
	data, child := 0, 0
	switch req.Mode {
	case typeChildren:
		child = watchOnce
	case typeData:
		data = watchOnce
	case typeAny:
		data, child = watchOnce|watchPersistent|watchRecursive, watchOnce|watchPersistent
	case typePersistent:
		data, child = watchPersistent, watchPersistent
	case typeRecursive:
		data = watchRecursive
	default:
		return // refused as malformed
	}
	want := CodeNoWatcher
	if w.data[req.Path]&data != 0 || w.child[req.Path]&child != 0 {
		want = CodeOk
	}
	if res.Err != want {
		w.bad(JudgeWatches, lines(it.line, it.call.line),
			"%v %s of type %d is answered %v, want %v", req.Op, req.Path, req.Mode, res.Err, want)
	}
	if req.Op == OpCheckWatches || res.Err != CodeOk {
		return
	}
	if w.data[req.Path]&data&watchRecursive != 0 {
		w.recursive--
	}
	set(w.data, req.Path, w.data[req.Path]&^data)
	set(w.child, req.Path, w.child[req.Path]&^child)
}

// atEnd: a connection that is open at the end, and whose session lives, has everything that was
// changed long enough ago after the faults have stopped.
func (w *watcher) atEnd() {
	within := w.h.Header.AnswerWithin
	gen := w.conn.gen
	if w.quiesce == nil || within == 0 || w.conn.gone.line != nil || gen == nil ||
		gen.next != nil || gen.life.ended != nil {
		return
	}
	end := w.h.Lines[len(w.h.Lines)-1].At - within
	if w.quiesce.line.At > end {
		return
	}
	n := sort.Search(len(w.commits), func(i int) bool { return w.commits[i].line.At > end })
	if n == 0 {
		return
	}
	last := w.commits[n-1]
	w.advance(min(max(last.before, last.line.Zxid), w.stop-1))
	w.overdue(&w.h.Lines[len(w.h.Lines)-1])
}
