package core

import (
	"unsafe"

	"github.com/vivariumdb/vivarium/internal/invariant"
	"github.com/vivariumdb/vivarium/internal/mutant"
	"github.com/vivariumdb/vivarium/wire"
)

// undoKind says how one step of a multi is taken back.
type undoKind uint8

const (
	undoInsert undoKind = iota
	undoRemove
	undoChange
)

// undo is one step of a multi that may have to be taken back.
type undo struct {
	kind undoKind
	node *node
	was  node // undoChange: the fields before
}

// multi runs its operations one after the other, each in the State that the one before left,
// under one zxid. If one fails, none has happened.
func (s *State) multi(w *write, in *wire.Reader, out *Outcome) wire.ErrorCode {
	q := &s.work.multi
	if q.Decode(in); in.Err() != nil || q.Reads() {
		return wire.CodeMarshallingError
	}
	for i := range q.Ops {
		if !normalize(&q.Ops[i]) {
			return wire.CodeMarshallingError
		}
	}
	w.multi = true
	lastACL := s.acls.last
	s.undoing = true
	failed, code := len(q.Ops), wire.CodeOk
	for i := range q.Ops {
		if code = s.operate(w, &q.Ops[i]); code != wire.CodeOk {
			failed = i
			break
		}
	}
	s.undoing = false
	if code != wire.CodeOk {
		out.Failed = code
		s.work.facts = s.work.facts[:0]
		if !mutant.On("tree-multi-not-atomic") {
			s.rollBack()
			s.acls.last = lastACL
			s.work.changes = s.work.changes[:0]
		}
		s.replyErrors(w, len(q.Ops), failed, code)
	}
	clear(q.Ops)
	clear(s.work.undo)
	s.work.undo = s.work.undo[:0]
	if w.reply {
		end := wire.MultiHeader{Op: wire.OpError, Done: true, Err: -1}
		s.work.body = end.AppendTo(s.work.body)
	}
	return wire.CodeOk
}

// normalize does to an operation what ZooKeeper's decoder of multis does: the flags of a
// create choose its opcode. It is false where that decoder fails.
func normalize(op *wire.MultiOp) bool {
	c := &op.Create
	known := c.Flags >= 0 && int(c.Flags) < len(createModes)
	switch op.Op {
	case wire.OpCreate, wire.OpCreate2, wire.OpCreateContainer:
		if !known || createModes[c.Flags].ttl || c.ACL == nil {
			return false
		}
		c.TTLMs = noTTL
	case wire.OpCreateTTL:
		if known && createModes[c.Flags].ttl {
			return true
		}
		op.Op, c.TTLMs = wire.OpCreate, noTTL
	default:
		return true
	}
	if c.Flags == wire.FlagContainer {
		op.Op = wire.OpCreateContainer
	}
	return true
}

// rollBack takes back the steps in undo, the last first.
func (s *State) rollBack() {
	steps := s.work.undo
	for i := len(steps) - 1; i >= 0; i-- {
		u := &steps[i]
		n := u.node
		if u.kind == undoChange && mutant.On("limits-quota-drifts-after-multi") &&
			n.name == statsName {
			continue
		}
		switch u.kind {
		case undoInsert:
			s.remove(n)
		case undoRemove:
			s.holdACL(n.acl)
			s.insert(n.parent, n)
		case undoChange:
			s.change(n)
			if !sameSlice(n.data, u.was.data) {
				s.replaceData(n, u.was.data)
			}
			n.czxid, n.mzxid, n.pzxid = u.was.czxid, u.was.mzxid, u.was.pzxid
			n.ctime, n.mtime, n.owner = u.was.ctime, u.was.mtime, u.was.owner
			n.version, n.created, n.aversion = u.was.version, u.was.created, u.was.aversion
			invariant.Check(n.acl == u.was.acl, "a multi changed an ACL")
			s.changed(n)
		}
	}
}

// sameSlice says whether a and b are the same bytes in the same place.
func sameSlice(a, b []byte) bool {
	return len(a) == len(b) && (a == nil) == (b == nil) &&
		unsafe.SliceData(a) == unsafe.SliceData(b)
}

// replyErrors replaces the results so far by those of a multi that failed: no error for the
// operations before the culprit, its own, and a general one for those behind.
func (s *State) replyErrors(w *write, count, failed int, code wire.ErrorCode) {
	if !w.reply {
		return
	}
	b := s.work.body[:0]
	for i := range count {
		e := wire.CodeOk
		switch {
		case i == failed:
			e = code
		case i > failed && mutant.On("oracle-multi-list"):
			e = code
		case i > failed && !mutant.On("tree-multi-error-list"):
			e = wire.CodeRuntimeInconsistency
		}
		h := wire.MultiHeader{Op: wire.OpError, Err: e}
		b = h.AppendTo(b)
		b = wire.AppendInt(b, int32(e))
	}
	s.work.body = b
}
