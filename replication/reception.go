package replication

import (
	"bytes"

	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/internal/invariant"
	"github.com/vivariumdb/vivarium/internal/mutant"
	"go.etcd.io/raft/v3/raftpb"
)

// Stage is a piece of a checkpoint that is being received, to be written beside the one that
// counts. It is immutable.
type Stage struct {
	Records []core.Record
	// Restart says that it is the first piece: what was staged before goes.
	Restart bool
}

// reception is a checkpoint that is being received. What was received is staged on the disk; here
// is only what shows where the next piece belongs. A process that starts knows of none, and
// refuses the rest of what its predecessor was sent.
type reception struct {
	from     core.RaftID // 0: there is none
	term     uint64
	transfer uint64
	of       Checkpoint
	seq      uint64 // of the last piece taken
	lastKey  []byte
	whole    bool // that piece was the last
	// stage is what the driver has not done yet, of this reception or of one before.
	stage *Stage
	// installing is what raft has accepted, from then on until its State is in use.
	installing *Append
}

// busy says whether the checkpoint on the disk is about to be replaced: none is written then.
func (c *reception) busy() bool { return c.installing != nil || c.from != 0 && c.whole }

// forget drops what was received. What is being installed goes on.
func (c *reception) forget() {
	*c = reception{stage: c.stage, installing: c.installing}
}

// takePiece takes in a piece of a checkpoint, or says why not.
func (r *replica) takePiece(p *piece, from core.RaftID, work *Work) {
	c := &r.reception
	if r.leading || from != r.lead || p.term != r.term {
		return // of a leader that is none any more, or is not known yet
	}
	same := c.from == from && c.term == p.term && c.transfer == p.transfer
	switch {
	case c.installing != nil || c.stage != nil && !same:
		r.answerPiece(work, from, staged{transfer: p.transfer}) // later
	case !same && p.seq == 1:
		c.forget()
		c.from, c.term, c.transfer, c.of = from, p.term, p.transfer, *p.of
		r.stagePiece(p, work)
	case !same:
		r.answerPiece(work, from, staged{transfer: p.transfer, refused: true})
	case p.seq == c.seq:
		// Sent again. It is answered when it is staged; perhaps it was.
		if c.stage != nil || c.whole {
			r.answerPiece(work, from, staged{transfer: p.transfer, seq: c.seq - 1})
		} else {
			r.answerPiece(work, from, staged{transfer: p.transfer, seq: c.seq})
		}
	case p.seq == c.seq+1 && c.stage == nil && !c.whole && c.follows(p) ||
		mutant.On("replication-piece-order-unchecked"):
		r.stagePiece(p, work)
	case p.seq < c.seq:
		// An older copy of what was sent again.
	default:
		c.forget()
		r.answerPiece(work, from, staged{transfer: p.transfer, refused: true})
	}
}

// follows says whether p is of the same checkpoint and lies behind what is staged.
func (c *reception) follows(p *piece) bool {
	return p.at == position{c.of.Term, c.of.Index} &&
		(len(p.records) == 0 || bytes.Compare(c.lastKey, p.records[0].Key) < 0)
}

func (r *replica) stagePiece(p *piece, work *Work) {
	c := &r.reception
	c.seq, c.whole = p.seq, p.last
	if n := len(p.records); n > 0 {
		c.lastKey = p.records[n-1].Key
	}
	c.stage = &Stage{Records: p.records, Restart: p.seq == 1}
	work.Stage = append(work.Stage, c.stage)
}

func (r *replica) answerPiece(work *Work, to core.RaftID, s staged) {
	r.send(work, to, &peerMessage{kind: peerStaged, staged: s})
}

// takeStaged takes in that a piece is on the disk.
func (r *replica) takeStaged(s *Stage, work *Work) {
	c := &r.reception
	invariant.Check(c.stage == s, "a piece was staged out of order")
	c.stage = nil
	if c.from != 0 && !c.whole && r.lead == c.from {
		r.answerPiece(work, c.from, staged{transfer: c.transfer, seq: c.seq})
	}
}

// offerInstall gives a checkpoint that is staged whole to raft, which installs it unless it has
// come too late: then its log holds that, or later, already. A checkpoint of this member's own
// that is being captured or written is waited for.
func (r *replica) offerInstall(work *Work) {
	c := &r.reception
	if c.from == 0 || !c.whole || c.stage != nil || c.installing != nil || r.capturing ||
		r.leading || r.lead != c.from {
		return
	}
	at := position{c.of.Term, c.of.Index}
	if mutant.On("replication-snapshot-wrong-index") {
		at.index++
	}
	_ = r.node.Step(&raftpb.Message{Type: raftpb.MsgSnap.Enum(), From: new(uint64(c.from)),
		To: new(uint64(r.cfg.RaftID)), Term: new(c.term),
		Snapshot: snapshotOf(at, c.of.ConfState)}) // it is never refused as a message
	r.ready(work)
	if c.installing == nil && mutant.On("replication-stale-checkpoint-installed") {
		of := c.of
		c.installing = &Append{Install: &of}
		work.Appends = append(work.Appends, c.installing)
	}
	if c.installing == nil {
		r.answerPiece(work, c.from, staged{transfer: c.transfer, seq: c.seq})
		c.forget()
	}
}

// accepted is told that raft wants a snapshot to be stored: the one that was received.
func (r *replica) accepted(a *Append, s *raftpb.Snapshot) {
	c := &r.reception
	at := s.GetMetadata()
	invariant.Check(c.installing == nil && c.whole && (c.of.Index == at.GetIndex() ||
		mutant.On("replication-snapshot-wrong-index")),
		"raft accepted a checkpoint that was not received")
	of := c.of
	a.Install, c.installing = &of, a
	r.members.restored = at.GetIndex()
	r.last, r.lastTerm = at.GetIndex(), at.GetTerm()
}

// installed takes in that the State of an append's checkpoint is in use: everything that the
// loop has learned from outcomes is learned from that State instead.
func (r *replica) installed(a *Append, work *Work, monoMs int64) {
	c := &r.reception
	invariant.Check(c.installing == a && a.installed != nil,
		"an append with a checkpoint was stored before its State was installed")
	in := a.installed
	at := position{in.applied.Term, in.applied.Index}
	if !mutant.On("replication-installed-log-not-restarted") {
		r.log.restart(at, a.Install.ConfState)
	}
	r.log.confAt = 0
	r.follow(a.Install.ConfState)
	r.clock = newSessionClock(r.cfg.TickMs)
	for _, s := range in.sessions {
		r.clock.started(s.ID, s.Generation, s.TimeoutMs)
	}
	r.takeApplied(&in.applied, monoMs)
	r.checkpointed, r.logBytes, r.frozenBytes = at.index, 0, 0
	r.settled = max(r.settled, at.index)
	work.Cut, r.cutAt = at.index, at.index
	if c.from != 0 {
		r.answerPiece(work, c.from, staged{transfer: c.transfer, seq: c.seq})
	}
	c.installing = nil
	c.forget()
}
