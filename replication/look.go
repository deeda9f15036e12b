package replication

import (
	"fmt"
	"strings"

	"go.etcd.io/raft/v3/raftpb"
)

// Look is how a member stands, for people who look at it. It decides nothing.
type Look struct {
	Term, Leader            uint64
	Leading                 bool
	Last, Commit, Applied   uint64 // indexes of the log
	Stable                  uint64 // the term that is durable
	Queued                  uint64 // commands of the own stream that are not seen applied,
	Unsent                  uint64 // and those of them that were not sent
	Checkpointed, CutBehind uint64
	Level                   uint32
	Registration            uint64
	Own                     bool // Registration is that of this start of the process
}

// Look returns how the member stands.
func (m *Member) Look() Look {
	r := &m.replica
	return Look{Term: r.term, Leader: uint64(r.lead), Leading: r.leading, Last: r.last,
		Commit: r.commit, Applied: r.applied, Stable: r.stable,
		Queued: r.outbox.end - r.outbox.acked - 1, Unsent: r.outbox.end - r.outbox.next,
		Checkpointed: r.checkpointed, CutBehind: r.cutAt, Level: r.level,
		Registration: uint64(r.registration), Own: r.own}
}

// IsTick says whether a message between members is what its sender tells once a tick: its clock and
// who has shown signs of life.
func IsTick(data []byte) bool {
	return len(data) > 1 && data[0] == peerVersion && peerKind(data[1]) == peerTick
}

// Candidacy is the term in which a message between members asks for a vote, 0 if it does not.
func Candidacy(data []byte) uint64 {
	m, err := decodePeer(data)
	if err != nil || m.raft.GetType() != raftpb.MsgVote {
		return 0
	}
	return m.raft.GetTerm()
}

// Describe says in one line what a message between members is, for people.
func Describe(data []byte) string {
	m, err := decodePeer(data)
	if err != nil {
		return err.Error()
	}
	switch m.kind {
	case peerRaft:
		text := fmt.Sprintf("%v term %d", m.raft.GetType(), m.raft.GetTerm())
		if n := m.raft.GetIndex(); n != 0 {
			text += fmt.Sprintf(" index %d", n)
		}
		if n := m.raft.GetCommit(); n != 0 {
			text += fmt.Sprintf(" commit %d", n)
		}
		if e := m.raft.GetEntries(); len(e) > 0 {
			text += fmt.Sprintf(" entries %d to %d", e[0].GetIndex(), e[len(e)-1].GetIndex())
		}
		if m.raft.GetReject() {
			text += " rejected"
		}
		return strings.TrimPrefix(text, "Msg")
	case peerHello:
		return fmt.Sprintf("hello of %d, replaces %d", uint64(m.raftID), uint64(m.replaces))
	case peerBatch:
		return fmt.Sprintf("batch of registration %d: commands %d to %d", uint64(m.registration),
			m.seq, m.seq+m.count-1)
	case peerTick:
		return fmt.Sprintf("tick, stored %d, %d sessions live", m.stored, len(m.touched))
	case peerDropped:
		return fmt.Sprintf("dropped: go on from %d", m.seq)
	case peerPiece:
		return fmt.Sprintf("piece %d of a checkpoint, %d records", m.piece.seq,
			len(m.piece.records))
	case peerStaged:
		return fmt.Sprintf("staged up to piece %d, refused %v", m.staged.seq, m.staged.refused)
	}
	return fmt.Sprintf("message of kind %d", m.kind)
}
