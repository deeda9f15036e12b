package replication

import (
	"slices"

	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/internal/mutant"
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"go.etcd.io/raft/v3/tracker"
)

// CheckpointRead asks for some records of a checkpoint. The first of a Transfer opens a view of
// the newest that counts, which stays open for the others, so that checkpoints written meanwhile
// do not disturb it.
type CheckpointRead struct {
	Transfer uint64
	// From is the first key; nil begins at the first record.
	From []byte
	// MaxBytes bounds keys and values together; one record may be longer.
	MaxBytes int
	// Close ends the transfer instead: the view is closed, and there is nothing to answer.
	Close bool
}

// CheckpointPiece answers a CheckpointRead.
type CheckpointPiece struct {
	Transfer uint64
	From     []byte
	// Of says what it is a checkpoint of; its Records are those asked for, in the order of
	// their keys.
	Of Checkpoint
	// More says that there are records behind them.
	More bool
}

// shipments are the checkpoints that a leader is sending, at most one to each peer.
//
// A piece that may be lost is read and sent again, so nothing is kept of it meanwhile. The
// receiver takes each once; who knows nothing of a transfer refuses its pieces.
type shipments struct {
	list  []*shipment
	count uint64           // of all that were begun: the number of the last
	reads []CheckpointRead // for the driver, at the end of the turn
}

// shipment is one of them.
type shipment struct {
	to     core.RaftID
	number uint64
	index  uint64 // log from here on is kept for its receiver
	of     Checkpoint
	seq    uint64 // of the piece that is being read, or sent and not yet staged
	from   []byte // its first key
	next   []byte // the first key behind it
	last   bool   // nothing is behind it
	asked  bool   // it is being read
	heard  int64  // the tick at which the receiver gave its last word
	sent   int64  // the tick at which the piece was last asked for
}

// begin starts to send the newest checkpoint to a peer. What was under way to it ends.
func (t *shipments) begin(to core.RaftID, checkpointed uint64, tick int64, max int) {
	t.end(to)
	t.count++
	x := &shipment{to: to, number: t.count, index: checkpointed, heard: tick}
	t.list = append(t.list, x)
	t.ask(x, tick, max)
}

func (t *shipments) ask(x *shipment, tick int64, max int) {
	x.sent = tick
	if x.asked {
		return
	}
	x.asked = true
	if x.seq == 0 {
		x.seq = 1
	}
	t.reads = append(t.reads, CheckpointRead{Transfer: x.number, From: x.from, MaxBytes: max})
}

// end forgets the transfer to a peer, if there is one.
func (t *shipments) end(to core.RaftID) {
	i := slices.IndexFunc(t.list, func(x *shipment) bool { return x.to == to })
	if i >= 0 {
		t.reads = append(t.reads, CheckpointRead{Transfer: t.list[i].number, Close: true})
		t.list = slices.Delete(t.list, i, i+1)
	}
}

func (t *shipments) endAll() {
	for len(t.list) > 0 {
		t.end(t.list[0].to)
	}
}

func (t *shipments) find(number uint64) *shipment {
	for _, x := range t.list {
		if x.number == number {
			return x
		}
	}
	return nil
}

// oldest is the index of the oldest checkpoint under way, or index if that is lower.
func (t *shipments) oldest(index uint64) uint64 {
	for _, x := range t.list {
		index = min(index, x.index)
	}
	return index
}

// takeRead sends a piece that was read.
func (r *replica) takeRead(p *CheckpointPiece, work *Work) {
	x := r.shipments.find(p.Transfer)
	if x == nil || !x.asked {
		return // it has ended
	}
	x.asked = false
	x.of, x.index, x.last = p.Of, p.Of.Index, !p.More
	x.of.Records = nil
	out := &piece{term: r.term, transfer: x.number, seq: x.seq, last: x.last,
		at: position{p.Of.Term, p.Of.Index}, records: p.Of.Records}
	if x.seq == 1 {
		out.of = &x.of
	}
	if n := len(p.Of.Records); n > 0 {
		last := p.Of.Records[n-1].Key
		x.next = append(append(make([]byte, 0, len(last)+1), last...), 0)
	}
	r.send(work, x.to, &peerMessage{kind: peerPiece, piece: out})
}

// takeStagedWord takes in what a receiver says about the last piece.
func (r *replica) takeStagedWord(s staged, from core.RaftID) {
	x := r.shipments.find(s.transfer)
	switch {
	case x == nil || x.to != from || !r.leading:
	case s.refused:
		r.giveUp(x)
	case s.seq < x.seq || x.asked:
		x.heard = r.ticks // it is at work
	case x.last:
		r.shipments.end(from)
		r.node.ReportSnapshot(uint64(from), raft.SnapshotFinish)
	default:
		x.heard = r.ticks
		x.seq++
		x.from = x.next
		r.shipments.ask(x, r.ticks, r.cfg.PieceBytes)
	}
}

// giveUp ends a transfer in vain. Raft asks for another when it hears of the peer.
func (r *replica) giveUp(x *shipment) {
	r.shipments.end(x.to)
	r.node.ReportSnapshot(uint64(x.to), raft.SnapshotFailure)
}

// tendShipments sends again what may be lost, and ends what is of no use any more: raft does not
// wait for it, the receiver has long been silent, or the log behind it is gone.
func (r *replica) tendShipments(turn *Turn) {
	for _, id := range turn.Connected {
		for _, x := range r.shipments.list {
			if x.to == id {
				r.shipments.ask(x, r.ticks, r.cfg.PieceBytes)
			}
		}
	}
	if turn.Ticks == 0 || len(r.shipments.list) == 0 {
		return
	}
	waiting := map[core.RaftID]bool{}
	r.node.WithProgress(func(id uint64, _ raft.ProgressType, p tracker.Progress) {
		waiting[core.RaftID(id)] = p.State == tracker.StateSnapshot
	})
	for _, x := range slices.Clone(r.shipments.list) {
		switch {
		case !waiting[x.to]:
			r.shipments.end(x.to)
		case r.ticks-x.heard > 5*r.cfg.ResendTicks || x.index < r.log.start.index:
			r.giveUp(x)
		case r.ticks-x.sent > r.cfg.ResendTicks:
			r.shipments.ask(x, r.ticks, r.cfg.PieceBytes)
		}
	}
}

// Snapshot is asked for when a follower is behind the log's start. What it names is not sent:
// raft's message begins a transfer of the newest checkpoint there is then.
func (m *memlog) Snapshot() (*raftpb.Snapshot, error) {
	if m.checkpoint.index == 0 || m.checkpoint.index < m.start.index {
		return nil, raft.ErrSnapshotTemporarilyUnavailable
	}
	if m.checkpoint.index < m.confAt && !mutant.On("replication-checkpoint-before-learner") {
		// Raft takes only one in whose configuration the receiver stands, and conf is not yet
		// that of a checkpoint.
		m.wanted = true
		return nil, raft.ErrSnapshotTemporarilyUnavailable
	}
	return snapshotOf(m.checkpoint, m.conf), nil
}

func snapshotOf(at position, conf *raftpb.ConfState) *raftpb.Snapshot {
	return &raftpb.Snapshot{Metadata: &raftpb.SnapshotMetadata{ConfState: conf,
		Index: &at.index, Term: &at.term}}
}
