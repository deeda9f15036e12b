package replication

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/internal/varint"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// Received is a message that came from a peer, over a connection on which the peer has proved
// who it is. Its bytes are the member's from then on.
type Received struct {
	From core.RaftID
	Data []byte
}

// Outgoing is a message for a peer. Those to one peer are sent in their order. They may be lost
// when a connection breaks, and then the driver says so: Turn.Lost, Turn.Connected.
type Outgoing struct {
	To   core.RaftID
	Data []byte
}

// PeerError is a message that its sender should not have sent. It has changed nothing; the
// driver tells of it and closes the connection.
type PeerError struct {
	From core.RaftID
	Err  error
}

func (e *PeerError) Error() string {
	return fmt.Sprintf("message of member %d: %v", uint64(e.From), e.Err)
}

func (e *PeerError) Unwrap() error { return e.Err }

// ErrPeerMessage is wrapped by every PeerError.
var ErrPeerMessage = errors.New("malformed message")

func badMessage(what string) error { return fmt.Errorf("%w: %s", ErrPeerMessage, what) }

// peerVersion is the version of the encoding of messages between members.
const peerVersion = 1

// peerKind says what a message is. The numbers are part of the format.
type peerKind uint8

const (
	peerRaft    peerKind = 1 + iota // a message of raft's own
	peerHello                       // to the leader: a process asks for a registration
	peerBatch                       // to the leader: commands of the sender's stream
	peerTick                        // once a tick: clock, signs of life; from the leader: stored
	peerDropped                     // from the leader: go on from nextSeq
)

// peerMessage is a decoded message. kind says which fields are meant; slices are views.
type peerMessage struct {
	kind         peerKind
	raft         *raftpb.Message
	raftID       core.RaftID       // hello
	nonce        [16]byte          // hello
	replaces     core.Registration // hello
	registration core.Registration // batch, dropped
	seq          uint64            // batch: of the first command; dropped: the next one expected
	count        uint64            // batch
	commands     []byte            // batch
	wallMs       int64             // tick
	stored       uint64            // tick of a leader: all members have the log up to here
	news         tickNews          // tick
	touched      []core.SessionID  // tick
	piece        *piece
	staged       staged
}

func appendPeerHead(b []byte, kind peerKind) []byte { return append(b, peerVersion, byte(kind)) }

// appendTo encodes m.
func (m *peerMessage) appendTo(b []byte) ([]byte, error) {
	b = appendPeerHead(b, m.kind)
	switch m.kind {
	case peerRaft:
		return proto.MarshalOptions{Deterministic: true}.MarshalAppend(b, m.raft)
	case peerHello:
		b = binary.AppendUvarint(b, uint64(m.raftID))
		b = append(b, m.nonce[:]...)
		b = binary.AppendUvarint(b, uint64(m.replaces))
	case peerBatch:
		b = binary.AppendUvarint(b, uint64(m.registration))
		b = binary.AppendUvarint(b, m.seq)
		b = binary.AppendUvarint(b, m.count)
		b = append(b, m.commands...)
	case peerTick:
		b = binary.AppendVarint(b, m.wallMs)
		b = binary.AppendUvarint(b, m.stored)
		b = m.news.appendTo(b)
		b = binary.AppendUvarint(b, uint64(len(m.touched)))
		for _, id := range m.touched {
			b = binary.BigEndian.AppendUint64(b, uint64(id))
		}
	case peerDropped:
		b = binary.AppendUvarint(b, uint64(m.registration))
		b = binary.AppendUvarint(b, m.seq)
	case peerPiece:
		return m.piece.appendTo(b)
	case peerStaged:
		b = m.staged.appendTo(b)
	}
	return b, nil
}

// decodePeer decodes a message. It never panics, and what it accepts is whole and consistent
// in itself: a batch holds count commands that can be decoded.
func decodePeer(data []byte) (peerMessage, error) {
	var m peerMessage
	if len(data) < 2 || data[0] != peerVersion {
		return m, badMessage("unknown version")
	}
	m.kind = peerKind(data[1])
	r := varint.NewReader(data[2:])
	switch m.kind {
	case peerRaft:
		m.raft = &raftpb.Message{}
		if err := proto.Unmarshal(r.Rest(), m.raft); err != nil {
			return m, badMessage("not a raft message")
		}
		return m, checkRaft(m.raft)
	case peerHello:
		m.raftID = core.RaftID(r.Uvarint())
		r.Fill(m.nonce[:])
		m.replaces = core.Registration(r.Uvarint())
	case peerBatch:
		m.registration = core.Registration(r.Uvarint())
		m.seq, m.count = r.Uvarint(), r.Uvarint()
		m.commands = r.Rest()
		if r.Bad() || m.registration == 0 {
			return m, badMessage("bad batch")
		}
		if err := core.CheckCommands(m.commands, m.seq, m.count); err != nil {
			return m, badMessage(err.Error())
		}
	case peerTick:
		m.wallMs, m.stored = r.Varint(), r.Uvarint()
		m.news.decode(&r)
		if n := r.Count(8); n*8 != r.Len() {
			r.Fail()
		}
		for ids := r.Rest(); len(ids) > 0; ids = ids[8:] {
			m.touched = append(m.touched, core.SessionID(binary.BigEndian.Uint64(ids)))
		}
	case peerDropped:
		m.registration = core.Registration(r.Uvarint())
		m.seq = r.Uvarint()
		if m.seq == 0 {
			r.Fail()
		}
	case peerPiece:
		var err error
		if m.piece, err = decodePiece(&r); err != nil {
			return m, err
		}
	case peerStaged:
		m.staged = decodeStaged(&r)
	default:
		return m, badMessage("unknown kind")
	}
	if !r.Done() {
		return m, badMessage("truncated, or with something behind its end")
	}
	return m, nil
}

// checkRaft refuses what raft takes for granted that no peer sends. Snapshots are no messages
// of raft here: a checkpoint travels in pieces of its own.
func checkRaft(m *raftpb.Message) error {
	entries := m.GetEntries()
	switch m.GetType() {
	case raftpb.MsgApp:
		index, term := m.GetIndex(), m.GetLogTerm()
		for _, e := range entries {
			index++
			if e.GetIndex() != index || e.GetTerm() < term || e.GetTerm() > m.GetTerm() {
				return badMessage("entries out of order")
			}
			if t := e.GetType(); t != raftpb.EntryNormal && t != raftpb.EntryConfChangeV2 {
				return badMessage("an entry of a kind that nobody proposes")
			}
			term = e.GetTerm()
		}
	case raftpb.MsgReadIndex, raftpb.MsgReadIndexResp:
		if len(entries) != 1 || len(entries[0].GetData()) > 64 {
			return badMessage("bad read index")
		}
	case raftpb.MsgHeartbeat, raftpb.MsgHeartbeatResp:
		if n := len(m.GetContext()); n != 0 && n != 8 || len(entries) > 0 {
			return badMessage("bad heartbeat")
		}
	case raftpb.MsgAppResp, raftpb.MsgVote, raftpb.MsgVoteResp, raftpb.MsgPreVote,
		raftpb.MsgPreVoteResp, raftpb.MsgTimeoutNow:
		if len(entries) > 0 {
			return badMessage("entries where none belong")
		}
	default:
		return badMessage("a kind of raft message that members do not send")
	}
	// Only what asks for a read index has no term: raft forwards it as it is.
	if m.GetTerm() == 0 && m.GetType() != raftpb.MsgReadIndex || m.GetSnapshot() != nil ||
		len(m.GetResponses()) > 0 {
		return badMessage("bad raft message")
	}
	return nil
}
