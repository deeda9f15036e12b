package core

import (
	"encoding/binary"

	"github.com/vivariumdb/vivarium/internal/mutant"
	"github.com/vivariumdb/vivarium/wire"
)

// planted is what the known bugs of the State need to go wrong with.
type planted struct {
	self  RaftID // the server that applies
	fresh int    // sessions that were created since the State was loaded
}

// now is the time of a change.
func (s *State) now() int64 {
	if mutant.On("tree-times-from-local-clock") {
		return s.clock + int64(s.planted.self)
	}
	return s.clock
}

// reapTime is the time at which a znode is judged that may be of no more use.
func (s *State) reapTime() int64 {
	if mutant.On("limits-ttl-by-own-clock") {
		return s.clock + 20*int64(s.planted.self%3) - 20
	}
	return s.clock
}

// newSessionID names a session after the zxid of its creation.
func (s *State) newSessionID(zxid Zxid) SessionID {
	if mutant.On("sessions-id-repeated") {
		s.planted.fresh++
		return SessionID(int64(s.planted.self)<<32 | int64(s.planted.fresh))
	}
	return SessionID(zxid)
}

// armEarly arms the watch of a read that has to wait.
func (c *Conn) armEarly(l *Local, op wire.OpCode, body []byte) {
	if q := readPathWatch(body); op == wire.OpGetData && q.Watch && l.State.lookup(q.Path) != nil {
		l.Watches.add(c, q.Path, watchData)
	}
}

// attachEarly answers a handshake at once, by the State as it is, and lets the attach follow.
func (c *Conn) attachEarly(l *Local, ss *session) {
	c.phase = phaseOpen
	c.session, c.generation, c.state = ss.id, ss.generation+1, ss
	l.sessions[c.session] = c
	answer := wire.ConnectResponse{HasReadOnly: c.hasReadOnly, TimeoutMs: c.timeoutMs,
		SessionID: int64(c.session), Password: c.password}
	b, at := wire.BeginFrame(c.out)
	c.out = wire.EndFrame(answer.AppendTo(b), at)
	c.sent()
}

// refuseSession answers a handshake for a session that this server does not know.
func (c *Conn) refuseSession(l *Local) {
	answer := wire.ConnectResponse{HasReadOnly: c.hasReadOnly,
		Password: make([]byte, wire.PasswordLen)}
	b, at := wire.BeginFrame(c.out)
	c.out = wire.EndFrame(answer.AppendTo(b), at)
	c.sent()
	c.over(CauseUnknownSession)
}

// judgeEarly judges a write when it comes, by the State as it is then.
func (c *Conn) judgeEarly(l *Local, q wire.RequestHeader, body []byte, now int64) ([]byte, bool) {
	if q.Op != wire.OpSetData || c.Queued() > 0 && c.inflight < c.Queued() {
		return body, false
	}
	var set wire.SetDataRequest
	r := wire.NewReader(body)
	if set.Decode(&r); r.Err() != nil {
		return body, false
	}
	n, code := l.State.lookup(set.Path), wire.CodeOk
	switch {
	case n == nil:
	case mutant.On("limits-acl-checked-at-propose") && !c.allowed(l, n.acl, wire.PermWrite):
		code = wire.CodeNoAuth
	case mutant.On("tree-version-checked-at-propose"):
		if !versionFits(n.version, set.Version) {
			code = wire.CodeBadVersion
		}
		set.Version = -1
		body = set.AppendTo(nil)
	}
	if code == wire.CodeOk {
		return body, false
	}
	reply, at := wire.BeginFrame(nil)
	header := wire.ReplyHeader{Xid: q.Xid, Zxid: int64(l.State.LastZxid()), Err: code}
	reply = wire.EndFrame(header.AppendTo(reply), at)
	c.enqueue(item{kind: itemReply, op: q.Op, xid: q.Xid, at: now}, reply)
	c.advance(l)
	return body, true
}

// mutation is what the known bugs of ordered delivery need to go wrong with. It is empty
// unless a mutant is on (package mutant); the simulator's single goroutine is the only one
// that ever uses it.
type mutation struct {
	reads   []*Conn      // to be answered at the end of the batch
	headers []lateHeader // to get the zxid of the end of the batch
	watches []lateWatch  // to be armed after the next command
	armed   int          // of watches, how many were there before the last command
}

type lateHeader struct {
	conn *Conn
	at   int // of the zxid in conn.out
}

type lateWatch struct {
	conn  *Conn
	path  string
	modes watchModes
}

// endMutation does at the end of a batch what should have been done in it.
func (l *Local) endMutation() {
	m := &l.mutation
	for _, c := range m.reads {
		if c.phase != phaseOver {
			c.advance(l)
		}
	}
	for _, h := range m.headers {
		if h.at+8 <= len(h.conn.out) {
			binary.BigEndian.PutUint64(h.conn.out[h.at:], uint64(l.State.LastZxid()))
		}
	}
	m.reads, m.headers = m.reads[:0], m.headers[:0]
}

// armLate arms the watches of reads one command too late.
func (l *Local) armLate() {
	m := &l.mutation
	for _, w := range m.watches[:m.armed] {
		if w.conn.phase != phaseOver {
			l.Watches.add(w.conn, w.path, w.modes)
		}
	}
	m.watches = append(m.watches[:0], m.watches[m.armed:]...)
	m.armed = len(m.watches)
}

// prepare answers too early and sends the answer in its turn: a known bug, for the mutants.
func (c *Conn) prepare(l *Local, q wire.RequestHeader, body []byte, now int64) {
	out := c.out
	c.out = nil
	c.answer(l, q.Xid, q.Op, body)
	reply := c.out
	c.out = out
	c.enqueue(item{kind: itemReply, op: q.Op, xid: q.Xid, at: now}, reply)
}
