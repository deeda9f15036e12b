package core

import (
	"encoding/binary"

	"github.com/vivariumdb/vivarium/internal/invariant"
	"github.com/vivariumdb/vivarium/internal/mutant"
	"github.com/vivariumdb/vivarium/wire"
)

// Serving says whom a server serves. Four-letter words are answered whatever it is.
type Serving uint8

const (
	// ServingAll is a server with a leader, or one that lost it a short while ago.
	ServingAll Serving = iota
	// ServingReadOnly is a server without a leader for clients that take one: those that said so
	// when they connected get a session of this server's own, outside the log. It sees the
	// State as it was, and its writes are refused.
	ServingReadOnly
	// ServingNobody ends connections when they ask for a session.
	ServingNobody
)

var servingNames = [...]string{ServingAll: "all", ServingReadOnly: "read-only",
	ServingNobody: "nobody"}

func (s Serving) String() string { return servingNames[s] }

// readOnlyBit marks the ids of read-only sessions: behind it stand 8 bits of the server's id, and
// a counter that begins anywhere, so that no id comes again when the server was restarted. No
// session that the State gave an id has one like it, so no attach accepts one; only one that came
// from a ZooKeeper server with a myid above 63 may look alike.
const (
	readOnlyBit       = 1 << 62
	readOnlyServerBit = 54
)

// IsReadOnly says whether the id is one of a read-only session, which lives as long as its
// connection, unless the State has a session of that id.
func (id SessionID) IsReadOnly() bool { return id&readOnlyBit != 0 }

// Serving says whom this server serves. The caller holds S.
func (l *Local) Serving() Serving { return l.serving }

// SetServing changes whom this server serves, and ends the connections that it serves no more:
// a client that has a read-only session is to move on as soon as there is better. cause is why,
// unless it serves all. The caller holds S exclusively.
func (l *Local) SetServing(to Serving, cause Cause) {
	if to == l.serving && cause == l.servingCause {
		return
	}
	l.serving, l.servingCause = to, cause
	if to == ServingAll {
		l.servingCause, cause = CauseNone, CauseLeaderBack
	}
	if mutant.On("replication-read-only-stays") && to == ServingAll {
		return
	}
	l.applying = true
	for _, c := range l.Conns() {
		switch {
		case c.phase == phaseNew || c.phase == phaseOver:
		case c.readOnlySession && to == ServingReadOnly:
		case c.readOnlySession || to != ServingAll:
			l.end(c, cause)
		}
	}
	l.applying = false
}

// attachReadOnly answers a handshake while no session can be had from the log. A client that has
// one there is closed, as ZooKeeper does since 3.9: what it was told of a session that only this
// server knows would be wrong elsewhere.
func (c *Conn) attachReadOnly(l *Local, session SessionID, ids []wire.ID, now int64) {
	switch {
	case l.serving == ServingNobody || !c.readOnly,
		session != 0 && (!session.IsReadOnly() || l.State.session(session) != nil):
		c.over(l.servingCause)
		return
	case c.lastSeen > l.State.LastZxid() && !mutant.On("reads-read-only-behind-client"):
		c.over(CauseAheadOfServer)
		return
	}
	answer := wire.ConnectResponse{HasReadOnly: c.hasReadOnly, ReadOnly: true,
		Password: make([]byte, wire.PasswordLen)}
	if session == 0 {
		if l.readOnlySessions == 0 {
			l.readOnlySessions = binary.BigEndian.Uint64(c.random[8:])
		}
		l.readOnlySessions++
		c.session = SessionID(readOnlyBit | int64(l.Settings.ServerID)<<readOnlyServerBit |
			int64(l.readOnlySessions&(1<<readOnlyServerBit-1)))
		c.readOnlySession, c.phase = true, phaseOpen
		c.state = newReadOnlySession(c.session, c.timeoutMs, ids)
		answer.TimeoutMs, answer.SessionID = c.timeoutMs, int64(c.session)
		copy(answer.Password, c.random[:])
		c.created(l.State.LastZxid(), now)
	}
	b, at := wire.BeginFrame(c.out)
	c.out = wire.EndFrame(answer.AppendTo(b), at)
	c.sent()
	if session != 0 {
		c.over(CauseUnknownSession) // it ended with its connection
	}
}

func newReadOnlySession(id SessionID, timeoutMs int32, ids []wire.ID) *session {
	return &session{id: id, timeoutMs: timeoutMs, identities: ids}
}

// requestReadOnly takes one request of a read-only session. Nothing of it waits, so everything
// is answered at once.
func (c *Conn) requestReadOnly(l *Local, q wire.RequestHeader, body []byte, now int64) {
	invariant.Check(c.Queued() == 0, "a read-only session waits for an answer")
	switch {
	case q.Op == wire.OpPing, isRead(q.Op):
		c.takeRead(l, q, body, now)
	case q.Op == wire.OpSASL:
		c.takeSASL(l, q, body, now)
	case q.Op == wire.OpAuth:
		c.authReadOnly(l, q, body, now)
	case q.Op == wire.OpCloseSession:
		c.began(q)
		c.reply(l, q.Xid, l.State.LastZxid(), wire.CodeOk, nil)
		c.ended(now, now)
		c.over(CauseClosedByClient)
	case isWrite(q.Op), q.Op == wire.OpSync:
		code := wire.CodeNotReadOnly
		if mutant.On("replication-read-only-writes") {
			code = wire.CodeOk
		}
		c.began(q)
		c.reply(l, q.Xid, l.State.LastZxid(), code, nil)
		c.ended(now, now)
	default:
		c.refuse(l, q, now, -1, wire.CodeUnimplemented, CauseUnknownOpcode)
	}
}

// authReadOnly adds identities to a read-only session, for its reads.
func (c *Conn) authReadOnly(l *Local, q wire.RequestHeader, body []byte, now int64) {
	auth, ok := c.readAuth(body)
	if !ok {
		return
	}
	ids, ok := l.Settings.authenticate(c, &auth)
	if ok {
		ids, ok = joinIDs(c.state.identities, ids)
	}
	if !ok {
		l.AuthFailed++
		c.refuse(l, q, now, 0, wire.CodeAuthFailed, CauseAuthFailed)
		return
	}
	c.state.identities = ids
	c.began(q)
	c.reply(l, q.Xid, 0, wire.CodeOk, nil)
}

// expireReadOnly ends read-only sessions whose clients have been silent for their time-out:
// nobody else keeps time for them.
func (l *Local) expireReadOnly(now int64) {
	if l.serving != ServingReadOnly {
		return
	}
	for _, c := range l.Conns() {
		if c.readOnlySession && c.phase == phaseOpen && !c.waits &&
			now-c.TouchedMs() > int64(c.timeoutMs) {
			l.end(c, CauseSessionExpired)
		}
	}
}
