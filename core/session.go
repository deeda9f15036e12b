package core

import (
	"cmp"
	"slices"

	"github.com/vivariumdb/vivarium/wire"
)

// session is one client's, for as long as it lives. Log and State hold the hash of its password
// only (DESIGN section 4).
type session struct {
	id           SessionID
	generation   Generation
	owner        RaftID // the member whose stream may speak for it
	timeoutMs    int32
	mark         uint32 // see tracker
	passwordHash [32]byte
	identities   []wire.ID // replaced, never written into
	ephemerals   map[*node]struct{}
}

// session returns the session of that id, nil if there is none.
func (s *State) session(id SessionID) *session { return s.sessions[id] }

// appendEphemerals appends the session's ephemeral nodes in the order of their creation, those
// of one multi by path. It is the order in which a close deletes them and tells of it:
// ZooKeeper's own is a hash table's, so clients expect none, but all members must agree.
func (ss *session) appendEphemerals(dst []*node) []*node {
	start := len(dst)
	for n := range ss.ephemerals { //order-free: sorted below
		dst = append(dst, n)
	}
	slices.SortFunc(dst[start:], func(a, b *node) int {
		if c := cmp.Compare(a.czxid, b.czxid); c != 0 {
			return c
		}
		return cmp.Compare(a.path(), b.path())
	})
	return dst
}

// SessionInfo describes a session to those who look at a server from outside.
type SessionInfo struct {
	ID         SessionID
	Generation Generation
	Owner      RaftID
	TimeoutMs  int32
	Identities []wire.ID // not to be written into
	Ephemerals int
}

// AppendSessions appends a description of every session, by id.
func (s *State) AppendSessions(dst []SessionInfo) []SessionInfo {
	start := len(dst)
	for _, ss := range s.sessions { //order-free: sorted below
		dst = append(dst, SessionInfo{ID: ss.id, Generation: ss.generation, Owner: ss.owner,
			TimeoutMs: ss.timeoutMs, Identities: ss.identities, Ephemerals: len(ss.ephemerals)})
	}
	slices.SortFunc(dst[start:], func(a, b SessionInfo) int { return cmp.Compare(a.ID, b.ID) })
	return dst
}

// AppendEphemerals appends the paths of a session's ephemeral znodes, in the order of their
// creation.
func (s *State) AppendEphemerals(dst []string, id SessionID) []string {
	if ss := s.sessions[id]; ss != nil {
		for _, n := range ss.appendEphemerals(nil) {
			dst = append(dst, n.path())
		}
	}
	return dst
}
