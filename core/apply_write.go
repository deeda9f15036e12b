package core

import (
	"slices"
	"strconv"
	"strings"

	"github.com/vivariumdb/vivarium/internal/mutant"
	"github.com/vivariumdb/vivarium/wire"
)

// write is a client's request while it is executed.
type write struct {
	session *session
	flags   Flags
	zxid    Zxid
	reply   bool // somebody here waits for the reply
	multi   bool // the reply is one of a multi's results
	frugal  bool // nothing may make the State grow
}

// request executes a client's write. Everything is judged here, as the State is now; a failing
// request is an outcome like any other and takes its zxid (DESIGN section 2).
func (s *State) request(c *Command, out *Outcome) {
	ss := s.speaker(c, out)
	if ss == nil {
		return
	}
	before := s.lastZxid
	out.Zxid = s.nextZxid()
	s.work.expanded = 0
	w := write{session: ss, flags: c.Flags, zxid: out.Zxid, reply: out.Own,
		frugal: s.cursor.frugal}
	if mutant.On("tree-own-setting-in-apply") && !out.Own {
		w.flags.EnforceQuota = false
	}
	out.Err = s.execute(&w, c, out)
	if out.Pending {
		s.lastZxid, out.Zxid = before, 0 // its end takes one
	}
	if out.Err != wire.CodeOk && mutant.On("tree-failing-write-no-zxid") {
		s.lastZxid, out.Zxid = before, before
	}
	if c.Op == wire.OpSetACL && out.Err == wire.CodeBadVersion &&
		mutant.On("tree-refused-acl-no-zxid") {
		s.lastZxid, out.Zxid = before, before
	}
}

// execute runs one request and appends the body of its reply.
func (s *State) execute(w *write, c *Command, out *Outcome) wire.ErrorCode {
	in := wire.NewReader(c.Body)
	op := &s.work.op
	switch c.Op {
	case wire.OpCreate, wire.OpCreate2, wire.OpCreateContainer:
		// The four creates differ in one field of their body; the decoder of a multi's
		// operations has it as zero.
		var q wire.CreateRequest
		q.ACL = op.Create.ACL
		q.Decode(&in)
		op.Create = wire.CreateTTLRequest{Path: q.Path, Data: q.Data, ACL: q.ACL,
			Flags: q.Flags, TTLMs: noTTL}
	case wire.OpCreateTTL:
		op.Create.Decode(&in)
	case wire.OpDelete:
		op.Delete.Decode(&in)
	case wire.OpSetData:
		op.SetData.Decode(&in)
	case wire.OpSetACL:
		s.work.setACL.Decode(&in)
		if in.Err() != nil {
			return wire.CodeMarshallingError
		}
		return s.setACL(w, &s.work.setACL)
	case wire.OpDeleteContainer:
		var q wire.PathRequest
		if q.Decode(&in); in.Err() != nil {
			return wire.CodeMarshallingError
		}
		return s.deleteContainer(w, q.Path)
	case wire.OpMulti:
		return s.multi(w, &in, out)
	case wire.OpReconfig:
		return s.reconfig(w, c, out)
	case wire.OpCloseSession:
		s.endSession(w.session, w.zxid)
		return wire.CodeOk
	default:
		return wire.CodeUnimplemented
	}
	if in.Err() != nil {
		return wire.CodeMarshallingError
	}
	op.Op = c.Op
	return s.operate(w, op)
}

// operate runs an operation that may stand alone or in a multi.
func (s *State) operate(w *write, op *wire.MultiOp) wire.ErrorCode {
	switch op.Op {
	case wire.OpCreate, wire.OpCreate2, wire.OpCreateContainer, wire.OpCreateTTL:
		return s.create(w, op.Op, &op.Create)
	case wire.OpDelete:
		return s.delete(w, &op.Delete)
	case wire.OpSetData:
		return s.setData(w, &op.SetData)
	case wire.OpCheck:
		return s.check(w, &op.Check)
	}
	return wire.CodeMarshallingError
}

// may says whether the request's session has a permission on what acl protects.
func (w *write) may(acl *aclList, perm wire.Perm) bool {
	return w.flags.SkipACL || allowed(acl, w.session.identities, perm)
}

// noTTL stands for the time to live of a create that has none. ZooKeeper uses the same.
const noTTL = -1

// createMode is what the flags of a create ask for.
type createMode struct {
	sequential, ephemeral, ttl bool
}

var createModes = [...]createMode{
	wire.FlagPersistent:           {},
	wire.FlagEphemeral:            {ephemeral: true},
	wire.FlagPersistentSequential: {sequential: true},
	wire.FlagEphemeralSequential:  {ephemeral: true, sequential: true},
	wire.FlagContainer:            {},
	wire.FlagTTL:                  {ttl: true},
	wire.FlagTTLSequential:        {ttl: true, sequential: true},
}

// modeOf judges the flags and the time to live of a create.
func modeOf(q *wire.CreateTTLRequest, flags Flags) (createMode, wire.ErrorCode) {
	if q.Flags < 0 || int(q.Flags) >= len(createModes) {
		return createMode{}, wire.CodeBadArguments
	}
	mode := createModes[q.Flags]
	switch {
	case mode.ttl && !flags.ExtendedTypes:
		return mode, wire.CodeUnimplemented
	case mode.ttl && q.TTLMs == maxTTL && mutant.On("oracle-ttl-bound"):
		return mode, wire.CodeBadArguments
	case mode.ttl && (q.TTLMs <= 0 || q.TTLMs > maxTTL), !mode.ttl && q.TTLMs >= 0:
		return mode, wire.CodeBadArguments
	}
	return mode, wire.CodeOk
}

// create runs the four creates. The order of its checks is ZooKeeper's (PROTOCOL 1.4).
func (s *State) create(w *write, op wire.OpCode, q *wire.CreateTTLRequest) wire.ErrorCode {
	mode, code := modeOf(q, w.flags)
	if code != wire.CodeOk {
		return code
	}
	if op == wire.OpCreateTTL && !mode.ttl {
		return wire.CodeBadArguments // ZooKeeper's server dies of it
	}
	parentPath, _, ok := splitPath(q.Path)
	if !ok {
		return wire.CodeBadArguments
	}
	acl, ok := s.resolveACL(q.ACL, w.session.identities, w.flags)
	if !ok {
		return wire.CodeInvalidACL
	}
	parent := s.lookup(parentPath)
	if parent == nil {
		return wire.CodeNoNode
	}
	if !w.may(parent.acl, wire.PermCreate) {
		return wire.CodeNoAuth
	}
	path := q.Path
	if mode.sequential {
		path = s.sequentialPath(path, parent)
	}
	if !validPath(path) {
		return wire.CodeBadArguments
	}
	if s.lookup(path) != nil {
		return wire.CodeNodeExists
	}
	if kindOf(parent.owner) == ownerSession && !mutant.On("tree-ephemeral-children") {
		return wire.CodeNoChildrenForEphemerals
	}
	if w.frugal || w.flags.EnforceQuota && !s.withinQuota(path, len(q.Data), 1) {
		return wire.CodeQuotaExceeded
	}
	owner := int64(0)
	switch { // by the opcode: flag 4 under another one makes a plain znode (tried on 3.9.4)
	case op == wire.OpCreateContainer:
		owner = containerOwner
	case op == wire.OpCreateTTL:
		owner = ttlOwner | q.TTLMs
	case mode.ephemeral:
		owner = int64(w.session.id)
	}
	s.createNode(w, op, parent, path, q.Data, acl, owner)
	return wire.CodeOk
}

// sequentialPath appends the number of children ever created below parent, as %010d of a
// counter of 32 bits that wraps around.
func (s *State) sequentialPath(path string, parent *node) string {
	n := int64(parent.created)
	if mutant.On("tree-sequence-reused-after-delete") {
		n = int64(len(parent.children))
	}
	if mutant.On("oracle-sequence-suffix") {
		n = int64(parent.cversion())
	}
	ws := &s.work
	at := len(ws.paths)
	ws.paths = append(ws.paths, path...)
	width := 10
	if n < 0 {
		ws.paths = append(ws.paths, '-')
		n, width = -n, 9
	}
	var digits [20]byte
	d := strconv.AppendInt(digits[:0], n, 10)
	for range width - len(d) {
		ws.paths = append(ws.paths, '0')
	}
	ws.paths = append(ws.paths, d...)
	return viewOf(ws.paths[at:])
}

// createNode makes a znode whose creation is granted. It copies what it keeps: path and data
// are views of the entry.
func (s *State) createNode(w *write, op wire.OpCode, parent *node, path string, data []byte,
	acl []wire.ACL, owner int64) {
	slash := strings.LastIndexByte(path, '/')
	n := &node{name: strings.Clone(path[slash+1:]), data: slices.Clone(data), owner: owner,
		acl: s.internACL(acl), czxid: w.zxid, mzxid: w.zxid, pzxid: w.zxid,
		ctime: s.now(), mtime: s.now()}
	s.insert(parent, n)
	s.change(parent)
	parent.created++
	if !mutant.On("oracle-pzxid") {
		parent.pzxid = w.zxid
	}
	s.changed(parent)
	s.replyPath(w, op, path, n)
	if len(s.quotaRoot.children) > 0 {
		s.quotaCreated(n)
		s.countQuota(path, len(data), 1)
	}
	s.event(wire.EventNodeCreated, path, w.zxid, n.acl)
	s.event(wire.EventNodeChildrenChanged, parentOf(path), w.zxid, parent.acl)
	if mutant.On("oracle-event-order") {
		slices.Reverse(s.work.changes[len(s.work.changes)-2:])
	}
}

// parentOf returns the parent's path of a good path that is not the root.
func parentOf(path string) string {
	if i := strings.LastIndexByte(path, '/'); i > 0 {
		return path[:i]
	}
	return "/"
}

func (s *State) delete(w *write, q *wire.DeleteRequest) wire.ErrorCode {
	parentPath, _, ok := splitPath(q.Path)
	if !ok || isSystemPath(q.Path) {
		return wire.CodeBadArguments
	}
	parent := s.lookup(parentPath)
	if parent == nil {
		return wire.CodeNoNode
	}
	if !w.may(parent.acl, wire.PermDelete) {
		return wire.CodeNoAuth
	}
	n := s.lookup(q.Path)
	if n == nil {
		return wire.CodeNoNode
	}
	if mutant.On("oracle-error-precedence") && len(n.children) > 0 {
		return wire.CodeNotEmpty
	}
	if !versionFits(n.version, q.Version) {
		return wire.CodeBadVersion
	}
	if len(n.children) > 0 && !(w.multi && mutant.On("tree-multi-deletes-parents")) {
		return wire.CodeNotEmpty
	}
	s.deleteNode(n, q.Path, w.zxid)
	s.replyNothing(w, wire.OpDelete)
	return wire.CodeOk
}

// versionFits says whether a request that expects a version may go on; -1 expects any.
func versionFits(is, want int32) bool {
	return want == -1 || want == is
}

// deleteNode removes a childless znode.
func (s *State) deleteNode(n *node, path string, zxid Zxid) {
	parent := n.parent
	s.remove(n)
	s.change(parent)
	if !mutant.On("tree-pzxid-not-updated") &&
		!(mutant.On("tree-pzxid-kept-by-ephemeral") && kindOf(n.owner) == ownerSession) {
		parent.pzxid = zxid
	}
	s.changed(parent)
	if len(s.quotaRoot.children) > 0 {
		s.countQuota(path, -len(n.data), -1)
	}
	s.event(wire.EventNodeDeleted, path, zxid, n.acl)
	s.event(wire.EventNodeChildrenChanged, parentOf(path), zxid, parent.acl)
}

// deleteContainer is what ZooKeeper's leader reaps with. Its server takes it from clients too,
// for any childless znode that is not ephemeral, and asks for no permission. We ask for the one
// that delete asks for: it would be a way around every ACL.
func (s *State) deleteContainer(w *write, path string) wire.ErrorCode {
	if _, _, ok := splitPath(path); !ok || isSystemPath(path) {
		return wire.CodeBadArguments
	}
	n := s.lookup(path)
	switch {
	case n == nil:
		return wire.CodeNoNode
	case !w.may(n.parent.acl, wire.PermDelete):
		return wire.CodeNoAuth
	case len(n.children) > 0:
		return wire.CodeNotEmpty
	case kindOf(n.owner) == ownerSession:
		return wire.CodeBadVersion
	}
	s.deleteNode(n, path, w.zxid)
	return wire.CodeOk
}

func (s *State) setData(w *write, q *wire.SetDataRequest) wire.ErrorCode {
	if !validPath(q.Path) {
		return wire.CodeBadArguments
	}
	n := s.lookup(q.Path)
	if n == nil {
		return wire.CodeNoNode
	}
	if !w.may(n.acl, wire.PermWrite) {
		return wire.CodeNoAuth
	}
	grows := len(q.Data) - len(n.data)
	if w.frugal && grows > 0 || w.flags.EnforceQuota && !s.withinQuota(q.Path, grows, 0) {
		return wire.CodeQuotaExceeded
	}
	if !versionFits(n.version, q.Version) {
		return wire.CodeBadVersion
	}
	if mutant.On("tree-same-data-no-change") && string(n.data) == string(q.Data) {
		s.replyStat(w, wire.OpSetData, n)
		return wire.CodeOk
	}
	s.change(n)
	s.replaceData(n, slices.Clone(q.Data))
	n.version++
	n.mzxid = w.zxid
	n.mtime = s.now()
	s.changed(n)
	s.replyStat(w, wire.OpSetData, n)
	if len(s.quotaRoot.children) > 0 {
		s.countQuota(q.Path, grows, 0)
	}
	s.event(wire.EventNodeDataChanged, q.Path, w.zxid, n.acl)
	return wire.CodeOk
}

// setACL fires no watch and leaves mzxid alone.
func (s *State) setACL(w *write, q *wire.SetACLRequest) wire.ErrorCode {
	if !validPath(q.Path) {
		return wire.CodeBadArguments
	}
	acl, ok := s.resolveACL(q.ACL, w.session.identities, w.flags)
	if !ok {
		return wire.CodeInvalidACL
	}
	n := s.lookup(q.Path)
	if n == nil {
		return wire.CodeNoNode
	}
	if !w.may(n.acl, wire.PermAdmin) {
		return wire.CodeNoAuth
	}
	if !versionFits(n.aversion, q.Version) {
		return wire.CodeBadVersion
	}
	was := n.acl
	s.change(n)
	n.acl = s.internACL(acl)
	if n.acl != was || !mutant.On("tree-same-acl-no-version") {
		n.aversion++
	}
	s.changed(n)
	s.releaseACL(was)
	s.replyStat(w, wire.OpSetACL, n)
	return wire.CodeOk
}

// check only stands in a multi.
func (s *State) check(w *write, q *wire.CheckRequest) wire.ErrorCode {
	if !validPath(q.Path) {
		return wire.CodeBadArguments
	}
	n := s.lookup(q.Path)
	if n == nil {
		return wire.CodeNoNode
	}
	if !w.may(n.acl, wire.PermRead) {
		return wire.CodeNoAuth
	}
	if !versionFits(n.version, q.Version) &&
		!(mutant.On("tree-check-lets-older-pass") && q.Version < n.version) {
		return wire.CodeBadVersion
	}
	s.replyNothing(w, wire.OpCheck)
	return wire.CodeOk
}

// replyPath appends the answer to a create. A multi tells them apart by the Stat only: its
// results of createContainer and createTTL are those of create2.
func (s *State) replyPath(w *write, op wire.OpCode, path string, n *node) {
	if !w.reply {
		return
	}
	if op != wire.OpCreate {
		op = wire.OpCreate2
	}
	b := s.resultHeader(w, op)
	b = wire.AppendString(b, path)
	if op == wire.OpCreate2 {
		b = s.appendStat(b, n)
	}
	s.work.body = b
}

func (s *State) replyStat(w *write, op wire.OpCode, n *node) {
	if w.reply {
		s.work.body = s.appendStat(s.resultHeader(w, op), n)
	}
}

func (s *State) replyNothing(w *write, op wire.OpCode) {
	if w.reply {
		s.work.body = s.resultHeader(w, op)
	}
}

// resultHeader starts a result of a multi; a reply of its own has no header.
func (s *State) resultHeader(w *write, op wire.OpCode) []byte {
	if !w.multi {
		return s.work.body
	}
	h := wire.MultiHeader{Op: op}
	return h.AppendTo(s.work.body)
}
