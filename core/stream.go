package core

import (
	"cmp"
	"slices"

	"github.com/vivariumdb/vivarium/internal/mutant"
)

// stream is one member's ordered way into the log (DESIGN section 4).
//
// Invariant: registration is the index of the entry whose hello was accepted last, and seq is
// the number of the last command of that registration that was applied.
type stream struct {
	id           RaftID
	registration Registration
	seq          uint64
	nonce        [16]byte // of the accepted hello
}

// StreamInfo says where a member's stream stands.
type StreamInfo struct {
	Origin Origin
	Seq    uint64   // of the last command applied
	Nonce  [16]byte // of the hello that was accepted
}

// Stream returns where the stream of a member stands. A member without a stream has the
// registration 0, which is what its first hello replaces.
func (s *State) Stream(id RaftID) StreamInfo {
	st := s.streams[id]
	if st == nil {
		return StreamInfo{Origin: Origin{RaftID: id}}
	}
	return StreamInfo{Origin: Origin{RaftID: id, Registration: st.registration}, Seq: st.seq,
		Nonce: st.nonce}
}

// AppendStreams appends where every stream stands, by member.
func (s *State) AppendStreams(dst []StreamInfo) []StreamInfo {
	start := len(dst)
	for id := range s.streams { //order-free: sorted below
		dst = append(dst, s.Stream(id))
	}
	slices.SortFunc(dst[start:], func(a, b StreamInfo) int {
		return cmp.Compare(a.Origin.RaftID, b.Origin.RaftID)
	})
	return dst
}

// hello accepts a start of a member if the registration that it replaces is still the current
// one. So a dead process's delayed hello displaces nobody.
func (s *State) hello(c *Command, out *Outcome) {
	st := s.streams[c.RaftID]
	var current Registration
	if st != nil {
		current = st.registration
	}
	if c.Replaces != current && !mutant.On("stream-delayed-hello-accepted") {
		out.skip(ReasonHello)
		return
	}
	if st == nil {
		st = &stream{id: c.RaftID}
		s.streams[c.RaftID] = st
	}
	st.registration = Registration(s.cursor.index)
	if !mutant.On("stream-goes-on-after-restart") {
		st.seq = 0
	}
	st.nonce = c.Nonce
	out.Origin.Registration = st.registration
	s.fact(Fact{Kind: FactRegistered, RaftID: c.RaftID, Registration: st.registration,
		Nonce: c.Nonce})
}

// removed says whether a stream is nobody's: its member was removed, or has no raft id of this
// ensemble's.
func (s *State) removed(id RaftID) bool {
	if s.members == nil {
		return false
	}
	m := s.members.Member(id)
	return m == nil || m.Role == RoleRemoved
}

// judgeBatch says why the whole of a batch is to be ignored. What it lets pass may still have
// a first part that was applied before.
func (s *State) judgeBatch(h *batchHeader) Reason {
	switch {
	case h.housekeeping():
		if h.term != s.cursor.term {
			return ReasonTerm
		}
		return ReasonNone
	case s.removed(h.origin.RaftID) && !mutant.On("members-removed-batch-applied"):
		return ReasonRemoved
	case h.hello():
		return ReasonNone
	}
	st := s.streams[h.origin.RaftID]
	if st == nil || st.registration != h.origin.Registration {
		if st == nil || !mutant.On("stream-stale-registration") {
			return ReasonRegistration
		}
		return ReasonNone
	}
	if h.firstSeq > st.seq+1 && !mutant.On("stream-gap-applied") &&
		!(st.seq == 0 && mutant.On("stream-gap-at-start")) {
		return ReasonGap
	}
	return ReasonNone
}
