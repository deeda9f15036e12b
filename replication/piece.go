package replication

import (
	"bytes"
	"encoding/binary"

	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/internal/varint"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// A checkpoint travels in pieces: the leader sends one, and the next when it is told that this
// one is staged. So no more than one piece per peer is under way, however large the State is.

// The kinds of messages about checkpoints.
const (
	peerPiece  peerKind = 16 + iota // from the leader: records of a checkpoint
	peerStaged                      // to the leader: what became of a piece
)

// piece is some records of a checkpoint. The first piece says what it is a checkpoint of.
type piece struct {
	term     uint64 // of the leader that sends it
	transfer uint64 // counts up in the leader's process
	seq      uint64 // of the piece, from 1
	at       position
	of       *Checkpoint // in the first piece, without records
	records  []core.Record
	last     bool
}

// staged answers a piece.
type staged struct {
	transfer uint64
	seq      uint64 // up to this piece all is staged; with the last, the checkpoint is installed
	refused  bool   // the transfer cannot go on: it has to begin again
}

const (
	pieceLast  = 1
	pieceFirst = 2
)

// size is about as many bytes as appendTo appends.
func (p *piece) size() int {
	n := 128
	for i := range p.records {
		n += 12 + len(p.records[i].Key) + len(p.records[i].Value)
	}
	if p.of != nil {
		n += 256 + len(p.of.Header)
	}
	return n
}

func (p *piece) appendTo(b []byte) ([]byte, error) {
	flags := byte(0)
	if p.last {
		flags |= pieceLast
	}
	if p.of != nil {
		flags |= pieceFirst
	}
	b = append(b, flags)
	for _, v := range []uint64{p.term, p.transfer, p.seq, p.at.term, p.at.index} {
		b = binary.AppendUvarint(b, v)
	}
	if p.of != nil {
		b = append(b, p.of.Digest[:]...)
		conf, err := proto.MarshalOptions{Deterministic: true}.Marshal(p.of.ConfState)
		if err != nil {
			return nil, err
		}
		b = varint.AppendSized(b, conf)
		b = varint.AppendSized(b, p.of.Header)
	}
	b = binary.AppendUvarint(b, uint64(len(p.records)))
	for i := range p.records {
		b = varint.AppendSized(b, p.records[i].Key)
		b = varint.AppendSized(b, p.records[i].Value)
	}
	return b, nil
}

// decodePiece reads what appendTo wrote. Its records are views, in the order of their keys.
func decodePiece(r *varint.Reader) (*piece, error) {
	p := &piece{}
	flags := r.Byte()
	if flags > pieceLast|pieceFirst {
		r.Fail()
	}
	p.last = flags&pieceLast != 0
	p.term, p.transfer, p.seq = r.Uvarint(), r.Uvarint(), r.Uvarint()
	p.at.term, p.at.index = r.Uvarint(), r.Uvarint()
	if flags&pieceFirst != 0 {
		p.of = &Checkpoint{Index: p.at.index, Term: p.at.term, ConfState: &raftpb.ConfState{}}
		r.Fill(p.of.Digest[:])
		if err := proto.Unmarshal(r.Sized(), p.of.ConfState); err != nil {
			return nil, badMessage("a checkpoint without a membership")
		}
		if !restorable(p.of.ConfState) {
			return nil, badMessage("a checkpoint with a membership that cannot be")
		}
		p.of.Header = r.Sized()
	}
	n := r.Count(2)
	p.records = make([]core.Record, 0, n)
	var before []byte
	for range n {
		record := core.Record{Key: r.Sized(), Value: r.Sized()}
		if bytes.Compare(before, record.Key) >= 0 {
			return nil, badMessage("records out of order")
		}
		before = record.Key
		p.records = append(p.records, record)
	}
	if p.seq == 0 || p.transfer == 0 || p.at.index == 0 || p.at.term > p.term ||
		(p.of != nil) != (p.seq == 1) {
		return nil, badMessage("bad piece of a checkpoint")
	}
	return p, nil
}

func (s *staged) appendTo(b []byte) []byte {
	b = binary.AppendUvarint(b, s.transfer)
	b = binary.AppendUvarint(b, s.seq)
	return varint.AppendBool(b, s.refused)
}

func decodeStaged(r *varint.Reader) staged {
	return staged{transfer: r.Uvarint(), seq: r.Uvarint(), refused: r.Bool()}
}

// The places of a membership in which raft may have an id.
const (
	inVoters = 1 << iota
	inOutgoing
	inLearners
	inLearnersNext
)

// restorable says whether somebody can lead in a membership that raft begins with, and raft has
// that very one then. It panics otherwise. Raft's own way to ask, confchange.Restore, takes time
// and memory by the square of the number of members, which is the sender's to choose.
func restorable(conf *raftpb.ConfState) bool {
	places := make(map[uint64]uint8)
	for i, ids := range [][]uint64{conf.GetVoters(), conf.GetVotersOutgoing(), conf.GetLearners(),
		conf.GetLearnersNext()} {
		for _, id := range ids {
			if id == 0 || places[id]&(1<<i) != 0 || len(places) > core.MaxMembers {
				return false
			}
			places[id] |= 1 << i
		}
	}
	for _, in := range places { //order-free: one that cannot be is enough
		switch in {
		case inVoters, inOutgoing, inVoters | inOutgoing, inLearners, inOutgoing | inLearnersNext:
		default:
			return false
		}
	}
	return len(places) <= core.MaxMembers && len(conf.GetVoters()) > 0 &&
		(joint(conf) || !conf.GetAutoLeave()) && len(conf.ProtoReflect().GetUnknown()) == 0
}
