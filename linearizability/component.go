package linearizability

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
)

// component is the part of the tree that one check by porcupine is about: some znodes, and what
// operations do to them. What an operation does to other znodes is left out of its effect and of
// what is asked of it, which asks less and never too much.
//
// It is a second model, apart from the naive one: it knows versions, counters, data, children and
// owners, and neither zxids nor times nor permissions.
type component struct {
	paths []string
	index map[string]int
	// guess says that there are no commit lines: what the service removes by itself, and when a
	// session ends, is not known.
	guess bool
	root  int // the place of "/", or -1
}

// pnode is what is known of a znode. It is never written to once it is in a state.
type pnode struct {
	known, there      bool
	data              []byte
	version, aversion int32
	creates           int32
	owner             int64
	kids              []kid // by name
	hash              uint64
}

// kid is a child, and its owner if it is ephemeral.
type kid struct {
	name  string
	owner int64
}

var (
	unknownNode = &pnode{}
	absentNode  = (&pnode{known: true}).sum()
)

const chunkLen = 32

// pstate is a state of a component, immutable. Nodes are kept in chunks, for a step copies few.
type pstate struct {
	chunks []*[chunkLen]*pnode
	hash   uint64
	// last holds, by session, the number of the last operation that was linearized. What is
	// linearized determines it, so it is no part of hash and equality.
	last []int32
}

// begin returns the state before everything.
func (c *component) begin(unknown bool, h *Header) *pstate {
	st := &pstate{}
	for i := range c.paths {
		if i%chunkLen == 0 {
			st.chunks = append(st.chunks, new([chunkLen]*pnode))
		}
		n := absentNode
		if unknown {
			n = unknownNode
		} else if i == c.root {
			n = (&pnode{known: true, there: true, data: []byte{}, creates: h.RootCreates,
				kids: []kid{{name: "zookeeper"}}}).sum()
		}
		st.chunks[i/chunkLen][i%chunkLen] = n
		st.hash ^= mix(uint64(i), n.hash)
	}
	return st
}

func (st *pstate) node(i int) *pnode {
	if i < 0 {
		return unknownNode
	}
	return st.chunks[i/chunkLen][i%chunkLen]
}

func (st *pstate) equal(o *pstate) bool {
	if st.hash != o.hash {
		return false
	}
	for i, c := range st.chunks {
		if d := o.chunks[i]; c != d {
			for j, n := range c {
				if n != d[j] && !n.equal(d[j]) {
					return false
				}
			}
		}
	}
	return true
}

func (n *pnode) equal(o *pnode) bool {
	return n.hash == o.hash && n.known == o.known && n.there == o.there &&
		n.version == o.version && n.aversion == o.aversion && n.creates == o.creates &&
		n.owner == o.owner && bytes.Equal(n.data, o.data) && (n.data == nil) == (o.data == nil) &&
		slices.Equal(n.kids, o.kids)
}

// sum fills in the hash.
func (n *pnode) sum() *pnode {
	h := uint64(1)
	for _, v := range [...]int64{int64(n.version), int64(n.aversion), int64(n.creates), n.owner,
		int64(len(n.kids)), int64(len(n.data))} {
		h = mix(h, uint64(v))
	}
	if n.there {
		h = mix(h, 7)
	}
	for _, b := range n.data[max(0, len(n.data)-16):] {
		h = mix(h, uint64(b))
	}
	n.hash = h
	return n
}

func mix(a, b uint64) uint64 {
	a = (a ^ b) * 0x9e3779b97f4a7c15
	return a ^ a>>29
}

// work is a state that an operation changes.
type work struct {
	c      *component
	st     *pstate
	copied bool
	fresh  []int // chunks that are ours
}

func (w *work) set(i int, n *pnode) {
	if i < 0 {
		return
	}
	if !w.copied {
		st := *w.st
		st.chunks = slices.Clone(st.chunks)
		w.st, w.copied = &st, true
	}
	k := i / chunkLen
	if !slices.Contains(w.fresh, k) {
		chunk := *w.st.chunks[k]
		w.st.chunks[k] = &chunk
		w.fresh = append(w.fresh, k)
	}
	at := &w.st.chunks[k][i%chunkLen]
	w.st.hash ^= mix(uint64(i), (*at).hash) ^ mix(uint64(i), n.hash)
	*at = n
}

// action is one request, or a part of a multi, as it concerns a component.
type action struct {
	req          *Request
	res          *Result // nil: unknown
	mode         createMode
	node, parent int // places in the component, -1: not in it
	name         string
	number       int64 // the sequence number that the answer names, or noNumber
	maybe        []int // without one, the places of znodes that may be the one it made
	owner        int64 // of an ephemeral
}

const noNumber = int64(1) << 40

// modelled are the errors that say something of a component.
func modelled(c Code) bool {
	switch c {
	case CodeOk, CodeNoNode, CodeNodeExists, CodeBadVersion, CodeNotEmpty,
		CodeNoChildrenForEphemerals:
		return true
	}
	return false
}

// do lets an action have an outcome, and reports whether it can have had that one.
func (w *work) do(a *action, code Code) bool {
	n, parent := w.st.node(a.node), w.st.node(a.parent)
	switch a.req.Op {
	case OpCreate, OpCreate2, OpCreateContainer, OpCreateTTL:
		return w.create(a, n, parent, code)
	case OpDelete, OpDeleteContainer:
		return w.delete(a, n, parent, code)
	}
	if code == CodeNoNode {
		return !n.there
	}
	if !n.known {
		return true
	}
	have := n.version
	if a.req.Op == OpSetACL {
		have = n.aversion
	}
	fits := a.req.Version == -1 || a.req.Version == have
	if !n.there || fits != (code == CodeOk) {
		return false
	}
	if code != CodeOk || a.req.Op == OpCheck {
		return true
	}
	next := *n
	if a.req.Op == OpSetACL {
		next.aversion++
	} else {
		next.version++
		next.data = a.req.Data
	}
	w.set(a.node, next.sum())
	return a.res == nil || next.shows(a.res.Stat)
}

func (w *work) create(a *action, n, parent *pnode, code Code) bool {
	gone := parent.known && !parent.there
	switch code {
	case CodeNoNode:
		return !parent.there && !n.there
	case CodeNodeExists:
		return !gone && (n.there || !n.known || a.mode.sequential)
	case CodeNoChildrenForEphemerals:
		return !gone && (!parent.known || parent.owner != 0) && !n.there
	}
	node := a.node
	if a.mode.sequential && parent.known {
		if a.number != noNumber && a.number != int64(parent.creates) {
			return false
		}
		if a.number == noNumber {
			node = w.c.placeOf(numbered(a.req.Path, parent.creates))
			n = w.st.node(node)
		}
	}
	if gone || parent.owner != 0 || n.there {
		return false
	}
	if a.mode.sequential && a.number == noNumber && !parent.known {
		for _, i := range a.maybe { // which of them, only the parent's counter says
			w.set(i, unknownNode)
		}
		return true
	}
	if w.c.guess && (a.mode.ttl || a.mode.container || a.req.Op == OpCreateContainer) {
		w.set(node, unknownNode) // the service may remove it at any time
		w.set(a.parent, unknownNode)
		return true
	}
	made := (&pnode{known: true, there: true, data: a.req.Data, owner: a.owner}).sum()
	w.set(node, made)
	if parent.known {
		name := a.name
		if a.mode.sequential && a.number == noNumber {
			_, name = split(numbered(a.req.Path, parent.creates))
		}
		next := *parent
		next.creates++
		i, there := parent.kid(name)
		if there {
			return false
		}
		next.kids = slices.Insert(slices.Clone(parent.kids), i, kid{name, a.owner})
		w.set(a.parent, next.sum())
	}
	return a.res == nil || made.shows(a.res.Stat)
}

// numbered is the path of a sequential create that was given a number. Behind the last one comes a
// negative one.
func numbered(path string, n int32) string { return path + fmt.Sprintf("%010d", n) }

func (w *work) delete(a *action, n, parent *pnode, code Code) bool {
	if code == CodeNoNode {
		return !n.there
	}
	if n.known {
		fits := a.req.Op == OpDeleteContainer || a.req.Version == -1 ||
			a.req.Version == n.version
		switch {
		case !n.there:
			return false
		case code == CodeBadVersion:
			return !fits || a.req.Op == OpDeleteContainer && n.owner != 0
		case code == CodeNotEmpty:
			return len(n.kids) > 0
		case !fits || len(n.kids) > 0:
			return false
		}
	}
	if code != CodeOk {
		return true
	}
	w.set(a.node, absentNode)
	return w.orphan(a.parent, parent, a.name)
}

// orphan takes a child from a node.
func (w *work) orphan(at int, n *pnode, name string) bool {
	if !n.known {
		return true
	}
	i, there := n.kid(name)
	if !there {
		return false
	}
	next := *n
	next.kids = slices.Delete(slices.Clone(n.kids), i, i+1)
	w.set(at, next.sum())
	return true
}

func (n *pnode) kid(name string) (int, bool) {
	return slices.BinarySearchFunc(n.kids, name, func(k kid, name string) int {
		return cmp.Compare(k.name, name)
	})
}

// end removes what a session owns.
func (w *work) end(session int64) {
	mine := func(k kid) bool { return k.owner == session }
	for i := range w.c.paths {
		n := w.st.node(i)
		if n.owner == session {
			w.set(i, absentNode)
		} else if slices.ContainsFunc(n.kids, mine) {
			next := *n
			next.kids = slices.DeleteFunc(slices.Clone(n.kids), mine)
			w.set(i, next.sum())
		}
	}
}

// shows says whether a Stat can be this node's. A nil one is not known.
func (n *pnode) shows(s *Stat) bool {
	if s == nil {
		return true
	}
	kids := int32(len(n.kids))
	return s.Version == n.version && s.Aversion == n.aversion && s.NumChildren == kids &&
		s.Cversion == 2*n.creates-kids && s.DataLength == int32(len(n.data)) &&
		s.EphemeralOwner == n.owner
}

// reads says whether a read can have been answered so by this node.
func (n *pnode) reads(op Op, res *Result) bool {
	switch {
	case !n.known || !modelled(res.Err):
		return true
	case res.Err == CodeNoNode || !n.there:
		return res.Err == CodeNoNode && !n.there
	case res.Err != CodeOk:
		return true
	}
	if op == OpGetData && ((res.Data == nil) != (n.data == nil) || !bytes.Equal(res.Data, n.data)) {
		return false
	}
	if op == OpGetChildren || op == OpGetChildren2 {
		if len(res.Children) != len(n.kids) {
			return false
		}
		for _, name := range res.Children {
			if _, there := n.kid(name); !there {
				return false
			}
		}
	}
	return n.shows(res.Stat)
}

func (c *component) placeOf(path string) int {
	if i, ok := c.index[path]; ok {
		return i
	}
	return -1
}
