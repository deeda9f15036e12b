package core

import (
	"slices"
	"strings"

	"github.com/vivariumdb/vivarium/internal/invariant"
	"github.com/vivariumdb/vivarium/internal/mutant"
	"github.com/vivariumdb/vivarium/wire"
)

// What a session may gather by auth packets: so many identities, of so many bytes. They are
// copied and hashed at each change.
const (
	maxIdentities    = 1024
	maxIdentityBytes = 64 << 10
)

// createSession gives a client a session. Its id is the zxid of its creation.
func (s *State) createSession(c *Command, out *Outcome) {
	out.Op = wire.OpCreateSession
	if c.LastZxidSeen > s.lastZxid {
		out.Attach = AttachFuture
		return
	}
	out.Zxid = s.nextZxid()
	ss := &session{id: s.newSessionID(out.Zxid), generation: 1, owner: out.Origin.RaftID,
		timeoutMs: c.TimeoutMs, passwordHash: c.PasswordHash,
		identities: cloneIDs(nil, c.Identities)}
	invariant.Check(s.sessions[ss.id] == nil, "a session id given twice")
	s.addSession(ss)
	s.sessionCreated(ss)
	out.Session, out.Generation = ss.id, ss.generation
	s.fact(Fact{Kind: FactSessionStarted, Session: ss.id, Generation: ss.generation,
		TimeoutMs: ss.timeoutMs})
}

// attach moves a session to another connection: from now on only commands of this generation,
// in the stream of this member, speak for it. It takes no zxid.
func (s *State) attach(c *Command, out *Outcome) {
	out.Op = wire.OpCreateSession
	if c.LastZxidSeen > s.lastZxid && !mutant.On("sessions-reconnect-behind") {
		out.Attach = AttachFuture
		return
	}
	ss := s.sessions[c.Session]
	if ss == nil || ss.passwordHash != c.PasswordHash &&
		!mutant.On("sessions-password-unchecked") {
		out.Attach = AttachExpired
		return
	}
	s.sessionChanging(ss)
	s.sum.sub(s.sessionItem(ss))
	ss.generation++
	ss.owner = out.Origin.RaftID
	if !mutant.On("sessions-first-timeout-stays") {
		ss.timeoutMs = c.TimeoutMs
	}
	if mutant.On("sessions-attach-keeps-identities") {
		ss.identities = cloneIDs(ss.identities, c.Identities)
	} else {
		ss.identities = cloneIDs(nil, c.Identities)
	}
	s.sum.add(s.sessionItem(ss))
	out.Generation = ss.generation
	s.fact(Fact{Kind: FactSessionAttached, Session: ss.id, Generation: ss.generation,
		TimeoutMs: ss.timeoutMs})
}

// auth adds identities to a session. It takes no zxid.
func (s *State) auth(c *Command, out *Outcome) {
	out.Op = wire.OpAuth
	ss := s.speaker(c, out)
	if ss == nil {
		return
	}
	ids, ok := joinIDs(ss.identities, c.Identities)
	if mutant.On("tree-map-order-in-apply") && s.planted.self%2 == 0 {
		slices.Reverse(ids)
	}
	if !ok {
		out.Err = wire.CodeAuthFailed
		return
	}
	s.sessionChanging(ss)
	s.sum.sub(s.sessionItem(ss))
	ss.identities = ids
	s.sum.add(s.sessionItem(ss))
}

// joinIDs returns what a session has that gains identities, or false if that were too many.
func joinIDs(have, more []wire.ID) ([]wire.ID, bool) {
	ids := cloneIDs(have, more)
	size := 0
	for _, id := range ids {
		size += idSize(id)
	}
	return ids, len(ids) <= maxIdentities && size <= maxIdentityBytes
}

// expire ends a session that the leader found dead, unless its client has come back since.
func (s *State) expire(c *Command, out *Outcome) {
	out.Op = wire.OpCloseSession
	ss := s.sessions[c.Session]
	if ss == nil {
		out.skip(ReasonSession)
		return
	}
	if ss.generation != c.Generation && !mutant.On("replication-expiry-of-any-generation") {
		out.skip(ReasonGeneration)
		return
	}
	out.Zxid = s.nextZxid()
	s.endSession(ss, out.Zxid)
}

// endSession removes a session and its ephemerals, all under one zxid.
func (s *State) endSession(ss *session, zxid Zxid) {
	nodes := ss.appendEphemerals(s.work.nodes[:0])
	if mutant.On("sessions-close-leaves-ephemerals") && len(nodes) > 0 {
		left := nodes[len(nodes)-1]
		nodes = nodes[:len(nodes)-1]
		s.change(left)
		s.disown(left)
		left.owner = 0
		s.changed(left)
	}
	for _, n := range nodes {
		s.deleteNode(n, s.keepPath(n), zxid)
	}
	clear(nodes)
	s.work.nodes = nodes[:0]
	invariant.Check(len(ss.ephemerals) == 0, "a session ended with ephemerals left")
	s.fact(Fact{Kind: FactSessionEnded, Session: ss.id, Generation: ss.generation})
	s.sessionRemoving(ss)
	s.sum.sub(s.sessionItem(ss))
	delete(s.sessions, ss.id)
}

// speaker returns the session that a command speaks for, or skips the command: owner and
// generation must be the session's (DESIGN section 4).
func (s *State) speaker(c *Command, out *Outcome) *session {
	ss := s.sessions[c.Session]
	switch {
	case ss == nil:
		out.skip(ReasonSession)
		return nil
	case ss.owner != out.Origin.RaftID:
		out.skip(ReasonOwner)
		return nil
	case ss.generation != c.Generation && !mutant.On("sessions-stale-generation-applied"):
		out.skip(ReasonGeneration)
		return nil
	}
	return ss
}

// addSession lists a session and counts it into the digest.
func (s *State) addSession(ss *session) {
	s.sessions[ss.id] = ss
	s.sum.add(s.sessionItem(ss))
}

// cloneIDs returns a new list of have and those of more that are not in it, in order, in
// memory of its own.
func cloneIDs(have, more []wire.ID) []wire.ID {
	ids := slices.Clone(have)
	for _, id := range more {
		if !slices.Contains(ids, id) {
			ids = append(ids, wire.ID{Scheme: strings.Clone(id.Scheme), ID: strings.Clone(id.ID)})
		}
	}
	return ids
}
