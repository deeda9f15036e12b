package linearizability

import (
	"fmt"
	"slices"
	"strings"
)

// server is the service that tests write histories of: the model behind connections with queues
// in both directions. What it must not share with the judges it has of its own: how watches fire
// and when a read runs.
type server struct {
	h     *History
	m     *model
	at    int64
	index uint64
	term  uint64
	seq   uint64
	conns map[int64]*testConn
	order []*testConn // all, also closed ones
	xids  map[int64]int32
	gens  map[int64]uint64
}

type testConn struct {
	id, client, session int64
	gen                 uint64
	open                bool
	in                  []*Line     // calls not yet executed
	out                 []Line      // answers and events not yet arrived
	watches             [5][]string // by watchKind, the paths
	lastZxid            int64
}

const (
	onData = iota
	onChild
	onPersistent
	onRecursive
)

func newServer(h Header) *server {
	h.Version = Version
	hist := &History{Header: h}
	return &server{h: hist, m: newModel(&h), term: 1, conns: map[int64]*testConn{},
		xids: map[int64]int32{}, gens: map[int64]uint64{}}
}

func (s *server) add(l Line) *Line {
	s.at += 1000
	l.At = s.at
	s.h.Add(l)
	return &s.h.Lines[len(s.h.Lines)-1]
}

// commit appends a commit line in an entry of its own.
func (s *server) commit(l Line, c Commit) {
	s.index++
	c.Index, c.Term, c.StampMs = s.index, s.term, s.at/1000
	if c.Kind != CommitExpire && c.Kind != CommitReap {
		s.seq++
		c.Stream, c.Seq, c.Origin = 1, s.seq, 1
	}
	l.Kind, l.Commit = KindCommit, &c
	if l.Result == nil {
		l.Result = &Result{}
	}
	s.add(l)
}

// stamp moves the model's clock to that of the next commit.
func (s *server) stamp() { s.m.clockMs = max(s.m.clockMs, s.at/1000) }

const testTimeoutMs = 4000

// connect opens a connection and has it accepted. With session 0 it begins one.
func (s *server) connect(client, session int64) *testConn {
	c := &testConn{id: int64(len(s.order) + 1), client: client, open: true}
	s.order = append(s.order, c)
	s.conns[c.id] = c
	var seen int64
	for _, old := range s.order {
		if session != 0 && old.session == session {
			seen = max(seen, old.lastZxid)
		}
	}
	s.add(Line{Kind: KindConnect, Client: client, Conn: c.id, Session: session,
		Connect: &Connect{TimeoutMs: testTimeoutMs, LastZxidSeen: seen}})
	ids := []ID{{"ip", fmt.Sprintf("10.0.0.%d", client)}}
	s.stamp()
	if session == 0 {
		s.m.zxid = s.m.nextZxid(s.term)
		session = s.m.zxid
		s.gens[session] = 1
		s.m.sessions[session] = newSession(session, ids)
		s.commit(Line{Session: session, Zxid: s.m.zxid}, Commit{Kind: CommitCreateSession,
			Generation: 1, TimeoutMs: testTimeoutMs, Secret: secretOf(session),
			Identities: ids})
	} else {
		s.gens[session]++
		s.m.sessions[session].identities = ids
		for _, old := range s.order {
			if old.open && old.session == session {
				s.drop(old, CauseServer)
			}
		}
		s.commit(Line{Session: session}, Commit{Kind: CommitAttach, Generation: s.gens[session],
			Secret: secretOf(session), Identities: ids, LastZxidSeen: seen})
	}
	c.session, c.gen = session, s.gens[session]
	s.add(Line{Kind: KindConnected, Client: client, Conn: c.id, Session: session,
		Connect: &Connect{TimeoutMs: testTimeoutMs, Resumed: s.gens[session] > 1}})
	return c
}

func newSession(id int64, ids []ID) *session {
	return &session{id: id, alive: true, generation: 1, secret: secretOf(id),
		timeoutMs:  testTimeoutMs,
		identities: ids, ephemerals: map[string]bool{}}
}

// secretOf stands for the password of a session.
func secretOf(session int64) string { return fmt.Sprintf("%#x", session) }

// drop ends a connection; what is under way on it is lost.
func (s *server) drop(c *testConn, cause string) {
	if !c.open {
		return
	}
	c.open, c.in, c.out = false, nil, nil
	s.add(Line{Kind: KindDisconnect, Client: c.client, Conn: c.id, Text: cause})
}

// send writes a call line.
func (s *server) send(c *testConn, r Request) {
	xid := int32(0)
	switch r.Op {
	case OpPing:
		xid = -2
	case OpAuth:
		xid = -4
	case OpSetWatches, OpSetWatches2:
		xid = -8
	default:
		s.xids[c.session]++
		xid = s.xids[c.session]
	}
	s.add(Line{Kind: KindCall, Client: c.client, Conn: c.id, Session: c.session, Xid: xid,
		Request: &r})
	l := s.h.Lines[len(s.h.Lines)-1]
	c.in = append(c.in, &l)
}

// step executes the oldest call of a connection.
func (s *server) step(c *testConn) {
	if !c.open || len(c.in) == 0 {
		return
	}
	call := c.in[0]
	c.in = c.in[1:]
	ret := Line{Kind: KindReturn, Client: c.client, Conn: c.id, Session: c.session, Xid: call.Xid}
	r := call.Request
	o := &origin{session: c.session, identities: s.m.sessions[c.session].identities}
	switch {
	case r.Op == OpCloseSession:
		s.end(c.session, CommitClose, call.Xid)
	case r.Op.Write():
		s.write(c, call, o, &ret)
	case r.Op == OpAuth:
		ids := s.m.digestIdentities(r.Auth)
		m := s.m.sessions[c.session]
		m.identities = addIdentities(slices.Clone(m.identities), ids)
		s.commit(Line{Session: c.session, Xid: -4}, Commit{Kind: CommitAuth, Generation: c.gen,
			Identities: ids})
		c.out = append(c.out, s.plainReturn(ret, Result{}, 0))
		return
	case readOp(r.Op):
		res := s.m.read(r, o)
		ret.Result = &res
		s.arm(c, r, &res)
	default:
		res := s.other(c, r)
		ret.Result = &res
	}
	if ret.Result == nil {
		ret.Result = &Result{}
	}
	ret.Zxid = s.m.zxid
	c.out = append(c.out, ret)
}

func (s *server) plainReturn(l Line, r Result, zxid int64) Line {
	l.Result, l.Zxid = &r, zxid
	return l
}

func (s *server) write(c *testConn, call *Line, o *origin, ret *Line) {
	s.stamp()
	s.m.zxid = s.m.nextZxid(s.term)
	o.zxid, o.enforceQuota, o.extendedTypes = s.m.zxid, true, true
	told := len(s.m.changes)
	res := s.m.write(call.Request, o)
	committed := res
	// The commit line comes first: a member applies, then tells.
	s.commit(Line{Session: c.session, Xid: call.Xid, Zxid: s.m.zxid, Request: call.Request,
		Result: &committed}, Commit{Kind: CommitRequest, Generation: c.gen, EnforceQuota: true,
		ExtendedTypes: true})
	s.fire(told)
	if call.Request.Op == OpCreate {
		res.Stat = nil
	}
	ret.Result = &res
}

// end ends a session; its connections go by themselves.
func (s *server) end(id int64, kind CommitKind, xid int32) {
	s.stamp()
	s.m.zxid = s.m.nextZxid(s.term)
	told := len(s.m.changes)
	gone := s.m.end(s.m.sessions[id], &origin{session: id, zxid: s.m.zxid})
	s.commit(Line{Session: id, Xid: xid, Zxid: s.m.zxid, Result: &Result{Children: gone}},
		Commit{Kind: kind, Generation: s.gens[id]})
	s.fire(told)
}

func (s *server) expire(id int64) {
	s.at += testTimeoutMs * 1000
	for _, c := range s.order {
		if c.session == id {
			s.drop(c, CauseNetwork)
		}
	}
	s.end(id, CommitExpire, 0)
}

func (s *server) reap(path string) {
	s.stamp()
	s.m.zxid = s.m.nextZxid(s.term)
	told := len(s.m.changes)
	s.m.remove(path, &origin{zxid: s.m.zxid}, false)
	s.commit(Line{Zxid: s.m.zxid, Path: path}, Commit{Kind: CommitReap})
	s.fire(told)
}

// other executes what is neither read nor write.
func (s *server) other(c *testConn, r *Request) Result {
	switch r.Op {
	case OpSync:
		return Result{Path: r.Path}
	case OpAddWatch:
		kind := onPersistent
		if r.Mode == modeRecursive {
			kind = onRecursive
		}
		c.watch(kind, r.Path)
	case OpRemoveWatches:
		kinds := map[int32][]int{typeChildren: {onChild}, typeData: {onData},
			typeAny:        {onData, onChild, onPersistent, onRecursive},
			typePersistent: {onPersistent}, typeRecursive: {onRecursive}}[r.Mode]
		had := false
		for _, k := range kinds {
			had = c.unwatch(k, r.Path) || had
		}
		if !had {
			return Result{Err: CodeNoWatcher}
		}
	case OpSetWatches, OpSetWatches2:
		s.setWatches(c, r.Watches)
	}
	return Result{}
}

func (c *testConn) watch(kind int, path string) {
	if !slices.Contains(c.watches[kind], path) {
		c.watches[kind] = append(c.watches[kind], path)
	}
}

func (c *testConn) unwatch(kind int, path string) bool {
	i := slices.Index(c.watches[kind], path)
	if i < 0 {
		return false
	}
	c.watches[kind] = slices.Delete(c.watches[kind], i, i+1)
	return true
}

func (s *server) arm(c *testConn, r *Request, res *Result) {
	ok := res.Err == CodeOk
	switch {
	case !r.Watch:
	case r.Op == OpExists && (ok || res.Err == CodeNoNode), r.Op == OpGetData && ok:
		c.watch(onData, r.Path)
	case (r.Op == OpGetChildren || r.Op == OpGetChildren2) && ok:
		c.watch(onChild, r.Path)
	}
}

func (s *server) setWatches(c *testConn, w *Watches) {
	tell := func(typ EventType, path string) {
		c.out = append(c.out, Line{Kind: KindEvent, Client: c.client, Conn: c.id,
			Session: c.session, Zxid: -1, Event: typ, Path: path})
	}
	for _, p := range w.Data {
		switch n := s.m.nodes[p]; {
		case n == nil:
			tell(EventNodeDeleted, p)
		case n.stat.Mzxid > w.RelativeZxid:
			tell(EventNodeDataChanged, p)
		default:
			c.watch(onData, p)
		}
	}
	for _, p := range w.Exist {
		if s.m.nodes[p] != nil {
			tell(EventNodeCreated, p)
		} else {
			c.watch(onData, p)
		}
	}
	for _, p := range w.Child {
		switch n := s.m.nodes[p]; {
		case n == nil:
			tell(EventNodeDeleted, p)
		case n.stat.Pzxid > w.RelativeZxid:
			tell(EventNodeChildrenChanged, p)
		default:
			c.watch(onChild, p)
		}
	}
	for _, p := range w.Persistent {
		c.watch(onPersistent, p)
	}
	for _, p := range w.Recursive {
		c.watch(onRecursive, p)
	}
}

// fire tells all connections of the changes from told on.
func (s *server) fire(told int) {
	for _, ch := range s.m.changes[told:] {
		for _, c := range s.order {
			ids := s.m.sessions[c.session].identities
			if c.open && c.hit(&ch) && permits(ch.acl, permRead, ids) {
				c.out = append(c.out, Line{Kind: KindEvent, Client: c.client, Conn: c.id,
					Session: c.session, Zxid: ch.zxid, Event: ch.typ, Path: ch.path})
			}
		}
	}
}

func (c *testConn) hit(ch *change) bool {
	hit := slices.Contains(c.watches[onPersistent], ch.path)
	if ch.typ != EventNodeChildrenChanged {
		hit = c.unwatch(onData, ch.path) || hit
		for _, p := range c.watches[onRecursive] {
			hit = hit || p == ch.path || strings.HasPrefix(ch.path, strings.TrimSuffix(p, "/")+"/")
		}
	}
	if ch.typ == EventNodeChildrenChanged || ch.typ == EventNodeDeleted {
		hit = c.unwatch(onChild, ch.path) || hit
	}
	return hit
}

// deliver lets the oldest answer or event of a connection arrive.
func (s *server) deliver(c *testConn) {
	if !c.open || len(c.out) == 0 {
		return
	}
	l := c.out[0]
	c.out = c.out[1:]
	if l.Zxid > 0 {
		c.lastZxid = max(c.lastZxid, l.Zxid)
	}
	s.add(l)
}

// do sends a request and lets everything arrive up to its answer, which it returns.
func (s *server) do(c *testConn, r Request) *Line {
	s.send(c, r)
	for len(c.in) > 0 {
		s.step(c)
	}
	for len(c.out) > 0 {
		s.deliver(c)
	}
	return &s.h.Lines[len(s.h.Lines)-1]
}

// settle lets everything arrive and ends the history long after, without faults.
func (s *server) settle() *History {
	for _, c := range s.order {
		for len(c.in) > 0 {
			s.step(c)
		}
	}
	for _, c := range s.order {
		for len(c.out) > 0 {
			s.deliver(c)
		}
	}
	s.add(Line{Kind: KindQuiesce})
	s.at += 10 * s.h.Header.AnswerWithin
	s.add(Line{Kind: KindNote, Text: "end"})
	return s.h
}
