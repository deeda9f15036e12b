package core

import (
	"slices"
	"strings"

	"github.com/vivariumdb/vivarium/internal/invariant"
	"github.com/vivariumdb/vivarium/internal/mutant"
	"github.com/vivariumdb/vivarium/wire"
)

// MaxReply bounds the body of one answer, in bytes. A longer one becomes MarshallingError,
// and the fact names path and size (DESIGN section 8).
const MaxReply = 64 << 20

// Notice is something about a connection's request that an operator should know.
type Notice struct {
	Op    wire.OpCode
	Path  string
	Bytes int // of an answer that was too long to be sent
}

// isRead says whether op is answered from the State of this server alone.
func isRead(op wire.OpCode) bool {
	switch op {
	case wire.OpExists, wire.OpGetData, wire.OpGetACL, wire.OpGetChildren, wire.OpGetChildren2,
		wire.OpCheckWatches, wire.OpRemoveWatches, wire.OpMultiRead, wire.OpSetWatches,
		wire.OpSetWatches2, wire.OpAddWatch, wire.OpGetEphemerals,
		wire.OpGetAllChildrenNumber, wire.OpWhoAmI:
		return true
	}
	return false
}

// touchesWatches says whether the read in frame may arm, disarm or look at a watch, so that
// it has to run under W. The flag of the plain reads is the last byte of their body.
func touchesWatches(op wire.OpCode, body []byte) bool {
	switch op {
	case wire.OpExists, wire.OpGetData, wire.OpGetChildren, wire.OpGetChildren2:
		return len(body) > 0 && body[len(body)-1] != 0 || readPathWatch(body).Watch
	case wire.OpCheckWatches, wire.OpRemoveWatches, wire.OpSetWatches, wire.OpSetWatches2,
		wire.OpAddWatch:
		return true
	}
	return false
}

func readPathWatch(body []byte) wire.PathWatchRequest {
	var q wire.PathWatchRequest
	r := wire.NewReader(body)
	q.Decode(&r)
	return q
}

// reader runs the reads of one connection. It appends a reply's body to b; on an error
// what was appended is cut off again by the caller.
type reader struct {
	c     *Conn
	l     *Local
	b     []byte
	multi bool // the reads are those of a multiRead
}

// read answers one request: evaluating it, arming its watch, taking the header's zxid and
// its place in the connection's queue are one step (DESIGN section 3, rule 2).
func (c *Conn) read(l *Local, xid int32, op wire.OpCode, body []byte) {
	// Events of setWatches go out before its own reply, and into the same buffer.
	if op == wire.OpSetWatches || op == wire.OpSetWatches2 {
		c.setWatches(l, xid, op, body)
		return
	}
	out, at := wire.BeginFrame(c.out)
	header := wire.ReplyHeader{Xid: xid, Zxid: int64(l.State.LastZxid())}
	start := len(out)
	out = header.AppendTo(out)
	bodyAt := len(out)
	run := reader{c: c, l: l, b: out}
	code := run.run(op, body)
	out = run.b
	if code == wire.CodeOk && len(out)-bodyAt > MaxReply {
		c.notice = Notice{Op: op, Bytes: len(out) - bodyAt}
		if op != wire.OpMultiRead {
			c.notice.Path = strings.Clone(readPathWatch(body).Path)
		}
		code = wire.CodeMarshallingError
	}
	if code != wire.CodeOk {
		header.Err = code
		out = header.AppendTo(out[:start])
	}
	c.out = wire.EndFrame(out, at)
	if mutant.On("reads-header-zxid-later") && l.applying {
		l.mutation.headers = append(l.mutation.headers, lateHeader{c, at + wire.FrameHeaderLen + 4})
	}
	c.replied(l, xid, l.State.LastZxid())
}

//tidy:flat one line an opcode
func (r *reader) run(op wire.OpCode, body []byte) wire.ErrorCode {
	in := wire.NewReader(body)
	switch op {
	case wire.OpExists, wire.OpGetData, wire.OpGetChildren, wire.OpGetChildren2:
		var q wire.PathWatchRequest
		if q.Decode(&in); in.Err() != nil || nullFirst(body) {
			return wire.CodeMarshallingError
		}
		return r.pathWatch(op, &q)
	case wire.OpGetACL:
		var q wire.PathRequest
		if q.Decode(&in); in.Err() != nil || nullFirst(body) {
			return wire.CodeMarshallingError
		}
		return r.getACL(q.Path)
	case wire.OpGetAllChildrenNumber:
		var q wire.PathRequest
		if q.Decode(&in); in.Err() != nil || nullFirst(body) {
			return wire.CodeMarshallingError
		}
		return r.allChildrenNumber(q.Path)
	case wire.OpGetEphemerals:
		var q wire.PathRequest
		if q.Decode(&in); in.Err() != nil {
			return wire.CodeMarshallingError
		}
		return r.ephemerals(q.Path)
	case wire.OpCheckWatches, wire.OpRemoveWatches:
		return r.watcher(op, &in)
	case wire.OpAddWatch:
		return r.addWatch(&in)
	case wire.OpWhoAmI:
		return r.whoAmI()
	case wire.OpMultiRead:
		return r.multiRead(&in)
	}
	invariant.Check(false, "an opcode that is no read was run as one")
	return wire.CodeUnimplemented
}

// nullFirst says whether a body begins with a null string. An empty path names the root, a null
// one nothing.
func nullFirst(body []byte) bool {
	r := wire.NewReader(body)
	return r.Int() == -1
}

func (r *reader) pathWatch(op wire.OpCode, q *wire.PathWatchRequest) wire.ErrorCode {
	if op == wire.OpExists {
		return r.exists(q)
	}
	n := r.l.State.lookup(q.Path)
	if n == nil {
		if q.Watch && mutant.On("reads-absent-yet-watched") {
			r.l.Watches.add(r.c, q.Path, watchData)
		}
		return wire.CodeNoNode
	}
	if !r.c.mayRead(r.l, n.acl) && !(r.multi && mutant.On("reads-multi-needs-no-permission")) {
		return wire.CodeNoAuth
	}
	modes := watchData
	switch op {
	case wire.OpGetData:
		r.b = wire.AppendBuffer(r.b, n.data)
		r.b = r.l.State.appendStat(r.b, n)
	case wire.OpGetChildren, wire.OpGetChildren2:
		modes = watchChild
		if r.multi {
			r.b = appendChildren(r.b, n)
		} else {
			r.b = r.l.lists.appendTo(r.b, n)
		}
		if op == wire.OpGetChildren2 {
			r.b = r.l.State.appendStat(r.b, n)
		}
	}
	switch {
	case !q.Watch:
	case mutant.On("watches-armed-late") && r.l.applying:
		late := lateWatch{r.c, strings.Clone(q.Path), modes}
		r.l.mutation.watches = append(r.l.mutation.watches, late)
	default:
		r.l.Watches.add(r.c, q.Path, modes)
	}
	return wire.CodeOk
}

// exists also watches a znode that is not there: that is how its creation is waited for.
func (r *reader) exists(q *wire.PathWatchRequest) wire.ErrorCode {
	if strings.IndexByte(q.Path, 0) >= 0 {
		return wire.CodeBadArguments
	}
	n := r.l.State.lookup(q.Path)
	if n != nil && !r.c.mayRead(r.l, n.acl) {
		return wire.CodeNoAuth
	}
	if q.Watch {
		r.l.Watches.add(r.c, q.Path, watchData)
	}
	if n == nil {
		return wire.CodeNoNode
	}
	r.b = r.l.State.appendStat(r.b, n)
	return wire.CodeOk
}

// getACL hides the hashes of digest ids from those without ADMIN: READ alone is enough to
// see who may do what, not to attack their passwords.
func (r *reader) getACL(path string) wire.ErrorCode {
	n := r.l.State.lookup(path)
	if n == nil {
		return wire.CodeNoNode
	}
	admin := r.c.allowed(r.l, n.acl, wire.PermAdmin)
	if !admin && !r.c.mayRead(r.l, n.acl) {
		return wire.CodeNoAuth
	}
	list := n.acl.wire()
	r.b = wire.AppendInt(r.b, int32(len(list)))
	for _, a := range list {
		if !admin && a.ID.Scheme == "digest" && !mutant.On("oracle-acl-mask") {
			user, _, _ := strings.Cut(a.ID.ID, ":")
			a.ID.ID = user + ":x"
		}
		r.b = a.AppendTo(r.b)
	}
	r.b = r.l.State.appendStat(r.b, n)
	return wire.CodeOk
}

func (r *reader) allChildrenNumber(path string) wire.ErrorCode {
	n := r.l.State.lookup(path)
	if n == nil {
		return wire.CodeNoNode
	}
	if !r.c.mayRead(r.l, n.acl) {
		return wire.CodeNoAuth
	}
	count := descendants(n)
	if mutant.On("reads-children-counted-only") {
		count = len(n.children)
	}
	if path == "" {
		count++ // ZooKeeper counts what begins with "/" then, and so the root (tried on 3.9.4)
	}
	r.b = wire.AppendInt(r.b, int32(count))
	return wire.CodeOk
}

// descendants counts the znodes below n.
func descendants(n *node) int {
	count := len(n.children)
	for _, child := range n.children { //order-free: a sum
		if len(child.children) > 0 {
			count += descendants(child)
		}
	}
	return count
}

func (r *reader) ephemerals(prefix string) wire.ErrorCode {
	var paths []string
	for _, n := range r.c.state.appendEphemerals(nil) {
		paths = append(paths, n.path())
	}
	trimmed := strings.TrimFunc(prefix, func(r rune) bool { return r <= ' ' }) // as Java trims
	if trimmed != "" && trimmed != "/" {
		paths = slices.DeleteFunc(paths, func(p string) bool {
			return !strings.HasPrefix(p, prefix)
		})
	}
	answer := wire.EphemeralsResponse{Paths: paths}
	r.b = answer.AppendTo(r.b)
	return wire.CodeOk
}

func (r *reader) watcher(op wire.OpCode, in *wire.Reader) wire.ErrorCode {
	var q wire.WatcherRequest
	if q.Decode(in); in.Err() != nil {
		return wire.CodeMarshallingError
	}
	modes, ok := modesOf(q.Type)
	if !ok {
		return wire.CodeMarshallingError
	}
	found := false
	if op == wire.OpCheckWatches {
		found = r.l.Watches.has(r.c, q.Path, modes)
	} else {
		found = r.l.Watches.remove(r.c, q.Path, modes)
	}
	if !found {
		return wire.CodeNoWatcher
	}
	return wire.CodeOk
}

func (r *reader) addWatch(in *wire.Reader) wire.ErrorCode {
	var q wire.AddWatchRequest
	if q.Decode(in); in.Err() != nil {
		return wire.CodeMarshallingError
	}
	if mutant.On("watches-absent-refused") && r.l.State.lookup(q.Path) == nil {
		return wire.CodeNoNode
	}
	switch q.Mode {
	case wire.ModePersistent:
		r.l.Watches.add(r.c, q.Path, watchPersistent)
	case wire.ModePersistentRecursive:
		r.l.Watches.add(r.c, q.Path, watchRecursive)
	default:
		if mutant.On("watches-unknown-mode-taken") {
			r.l.Watches.add(r.c, q.Path, watchRecursive)
			break
		}
		return wire.CodeMarshallingError
	}
	answer := wire.ErrorResponse{}
	r.b = answer.AppendTo(r.b)
	return wire.CodeOk
}

// whoAmI tells the user part of a digest identity only.
func (r *reader) whoAmI() wire.ErrorCode {
	var answer wire.WhoAmIResponse
	for _, id := range r.c.identities(r.l) {
		user := id.ID
		if id.Scheme == "digest" {
			user, _, _ = strings.Cut(user, ":")
		}
		answer.Clients = append(answer.Clients, wire.ClientInfo{Scheme: id.Scheme, User: user})
	}
	r.b = answer.AppendTo(r.b)
	return wire.CodeOk
}

// multiRead answers each read on its own: a failing one does not touch the others. It arms no
// watch, whatever the flags say (tried on 3.9.4). It stops when the answer is too long to be
// sent: a short request may ask for very much.
func (r *reader) multiRead(in *wire.Reader) wire.ErrorCode {
	var q wire.MultiRequest
	if q.Decode(in); in.Err() != nil {
		return wire.CodeMarshallingError
	}
	for i := range q.Ops {
		if op := q.Ops[i].Op; op != wire.OpGetData && op != wire.OpGetChildren {
			return wire.CodeMarshallingError
		}
	}
	r.multi = true
	start := len(r.b)
	for i := range q.Ops {
		if len(r.b)-start > MaxReply {
			return wire.CodeOk // the caller refuses it
		}
		head := wire.MultiHeader{Op: q.Ops[i].Op}
		at := len(r.b)
		r.b = head.AppendTo(r.b)
		read := wire.PathWatchRequest{Path: q.Ops[i].Read.Path,
			Watch: mutant.On("reads-multi-arms-watches") && q.Ops[i].Read.Watch}
		if code := r.pathWatch(q.Ops[i].Op, &read); code != wire.CodeOk {
			head = wire.MultiHeader{Op: wire.OpError, Err: code}
			r.b = head.AppendTo(r.b[:at])
			failed := wire.ErrorResponse{Err: code}
			r.b = failed.AppendTo(r.b)
		}
	}
	end := wire.MultiHeader{Op: wire.OpError, Done: true, Err: -1}
	r.b = end.AppendTo(r.b)
	return wire.CodeOk
}

// setWatches re-arms what a client watched before it lost its connection, and tells at once
// what happened meanwhile, judged by the last zxid the client saw (PROTOCOL 1.9). Those
// events are made up now, so their header names no zxid.
func (c *Conn) setWatches(l *Local, xid int32, op wire.OpCode, body []byte) {
	var q wire.SetWatches2Request
	in := wire.NewReader(body)
	if op == wire.OpSetWatches {
		var old wire.SetWatchesRequest
		old.Decode(&in)
		q.RelativeZxid, q.Data, q.Exist, q.Child = old.RelativeZxid, old.Data, old.Exist, old.Child
	} else {
		q.Decode(&in)
	}
	null := q.Data == nil || q.Exist == nil || q.Child == nil ||
		op == wire.OpSetWatches2 && (q.Persistent == nil || q.PersistentRecursive == nil)
	if in.Err() != nil || null {
		c.reply(l, xid, l.State.LastZxid(), wire.CodeMarshallingError, nil)
		return
	}
	seen := Zxid(q.RelativeZxid)
	for _, path := range q.Data {
		c.catchUpData(l, path, seen)
	}
	for _, path := range q.Exist {
		if l.State.lookup(path) != nil {
			c.missed(l, wire.EventNodeCreated, path)
		} else {
			l.Watches.add(c, path, watchData)
		}
	}
	for _, path := range q.Child {
		c.catchUpChild(l, path, seen)
	}
	for _, path := range q.Persistent {
		l.Watches.add(c, path, watchPersistent)
	}
	for _, path := range q.PersistentRecursive {
		if mutant.On("watches-recursive-rearmed-as-persistent") {
			l.Watches.add(c, path, watchPersistent)
			continue
		}
		l.Watches.add(c, path, watchRecursive)
	}
	c.reply(l, xid, l.State.LastZxid(), wire.CodeOk, nil)
}

func (c *Conn) catchUpData(l *Local, path string, seen Zxid) {
	n := l.State.lookup(path)
	switch {
	case n == nil && mutant.On("watches-setwatches-misses-delete"),
		n != nil && n.czxid > seen && mutant.On("watches-setwatches-misses-recreate"),
		n != nil && mutant.On("watches-rearmed-without-zxid"):
		l.Watches.add(c, path, watchData)
	case n == nil:
		c.missed(l, wire.EventNodeDeleted, path)
	case n.mzxid > seen:
		c.missed(l, wire.EventNodeDataChanged, path)
	default:
		l.Watches.add(c, path, watchData)
	}
}

func (c *Conn) catchUpChild(l *Local, path string, seen Zxid) {
	n := l.State.lookup(path)
	switch {
	case n == nil:
		c.missed(l, wire.EventNodeDeleted, path)
	case mutant.On("oracle-setwatches-child") && n.mzxid <= seen:
		l.Watches.add(c, path, watchChild)
	case n.pzxid > seen:
		c.missed(l, wire.EventNodeChildrenChanged, path)
	default:
		l.Watches.add(c, path, watchChild)
	}
}

func (c *Conn) missed(l *Local, t wire.EventType, path string) {
	c.out = appendEvent(c.out, t, path, -1)
	c.sent()
}
