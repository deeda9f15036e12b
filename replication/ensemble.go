package replication

import (
	"encoding/binary"
	"errors"
	"slices"

	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/internal/invariant"
	"github.com/vivariumdb/vivarium/internal/mutant"
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"go.etcd.io/raft/v3/tracker"
)

// ensemble takes in what concerns only members with peers, before anything is decided: after it
// the replica knows its role as well as it can.
func (r *replica) ensemble(turn *Turn, work *Work) {
	if slices.Contains(turn.Connected, r.lead) {
		r.touches.rewind() // before what was heard over the new connection is taken in
	}
	for i := range turn.Received {
		r.takeReceived(&turn.Received[i], turn, work)
	}
	r.takeConnections(turn)
	r.tickRaft(turn)
	term := r.term
	r.ready(work)
	r.campaign(turn, work)
	if r.term != term {
		r.failover.newTerm(turn.MonoMs)
	}
	if r.leading && r.appliedTerm == r.term && r.intake.term != r.term {
		r.intake.begin(r.term)
	}
}

// takeReceived takes in a message of a peer, or says why not. Then nothing has changed.
func (r *replica) takeReceived(in *Received, turn *Turn, work *Work) {
	i := r.intake.source(in.From)
	m, err := decodePeer(in.Data)
	switch {
	case err != nil: // whoever sent it
	case i < 0 && r.members.now == nil:
		err = errNotMember
	case i < 0 && (m.kind == peerHello || m.kind == peerBatch):
		return // it is not a member yet, or not any more, as far as is applied here
	default:
		err = r.checkPeer(&m, in.From)
	}
	if err != nil {
		work.Errs = append(work.Errs, &PeerError{in.From, err})
		return
	}
	switch m.kind {
	case peerRaft:
		if m.raft.GetType() == raftpb.MsgReadIndex && !r.answersReads() {
			return // the asker asks again
		}
		if m.raft.GetType() == raftpb.MsgAppResp && m.raft.GetIndex() == 0 &&
			!m.raft.GetReject() && m.raft.GetTerm() == r.node.BasicStatus().GetTerm() {
			// It only tells who led in an earlier term of the new one. If that is who leads again,
			// raft would take it for an acknowledgement and begin at the first entry there was.
			return
		}
		r.acknowledged(m.raft)
		r.overtake(m.raft, turn.MonoMs)
		_ = r.node.Step(m.raft) // raft refuses what comes too late
		r.heed(m.raft)
	case peerHello:
		if r.leading {
			r.intake.takeHello(i, hello{m.raftID, m.nonce, m.replaces}, r.term)
		}
	case peerBatch:
		if r.leading {
			r.intake.take(held{i, m.registration, m.seq, m.count, m.commands}, r.term,
				r.cfg.MaxIntakeBytes)
			for _, id := range r.intake.speakers() {
				r.clock.touch(id)
			}
		}
	case peerTick:
		r.takeTick(&m, in.From, turn.MonoMs, work)
	case peerDropped:
		r.takeDropped(&m, in.From)
	case peerPiece:
		r.takePiece(m.piece, in.From, work)
	case peerStaged:
		r.takeStagedWord(m.staged, in.From)
	}
}

var errNotMember = errors.New("it is no member of this ensemble")

// checkPeer refuses what does not fit to its sender or to what this member has said.
func (r *replica) checkPeer(m *peerMessage, from core.RaftID) error {
	switch m.kind {
	case peerHello:
		if m.raftID != from {
			return badMessage("it speaks for another")
		}
	case peerRaft:
		if m.raft.GetFrom() != uint64(from) || m.raft.GetTo() != uint64(r.cfg.RaftID) {
			return badMessage("it speaks for another, or to another")
		}
		if r.leading && m.raft.GetTerm() == r.term && len(m.raft.GetContext()) == 8 &&
			m.raft.GetType() == raftpb.MsgHeartbeatResp &&
			binary.LittleEndian.Uint64(m.raft.GetContext()) > r.asked {
			return badMessage("it answers what was not asked")
		}
		return r.checkPlaces(m.raft)
	}
	return nil
}

// checkPlaces refuses words about entries that nobody can have said: a leader tells of no more
// than what was acknowledged to it, where raft panics at more, and who follows has no more than
// was sent.
func (r *replica) checkPlaces(m *raftpb.Message) error {
	switch {
	case m.GetType() == raftpb.MsgHeartbeat && m.GetTerm() >= r.term && m.GetCommit() > r.last:
		return badMessage("it says that entries are committed which were never here")
	case m.GetType() == raftpb.MsgAppResp && r.leading && m.GetTerm() == r.term &&
		!m.GetReject() && m.GetIndex() > r.last:
		return badMessage("it acknowledges entries which nobody has sent")
	}
	return nil
}

// takeDropped lets this member's stream go on from where the leader says.
func (r *replica) takeDropped(m *peerMessage, from core.RaftID) {
	if from != r.lead {
		return
	}
	if !r.own {
		r.helloTerm = 0
		return
	}
	if m.registration == r.registration {
		r.rewind(m.seq)
	}
}

// takeProgress takes in what apply tells of this process's own stream.
func (r *replica) takeProgress(a *Applied) {
	if !a.Own {
		return
	}
	if a.seq > r.outbox.acked {
		r.outbox.ack(a.seq)
		r.progressed = r.ticks
		if r.probed {
			r.rewind(0)
		}
	}
	if a.gap && r.gapAt != r.outbox.acked+1 {
		r.gapAt = r.outbox.acked + 1 // several batches behind one gap are one reason
		r.rewind(0)
	}
}

// rewind makes the stream be sent again from seq on, or what is not applied of that.
func (r *replica) rewind(seq uint64) {
	r.probed = false
	if !mutant.On("replication-no-resend") {
		r.outbox.rewind(seq)
	}
}

// again makes all be sent again that may have been lost on its way to the leader.
func (r *replica) again() {
	r.rewind(0)
	r.helloTerm = 0
	r.reads.asked = false
	r.touches.rewind()
	r.tickNow = true
}

// newTerm forgets what was true in the last one. The leader of the new one may have dropped
// any suffix that was not committed, also if it is the same as before.
func (r *replica) newTerm() {
	if !mutant.On("stream-no-resend-in-new-term") {
		r.rewind(0)
	}
	r.reads.asked = false
	r.helloTerm = 0
	r.asked, r.leaderTick = 0, 0
	r.touches.rewind()
	r.intake.reset()
	r.shipments.endAll()
	r.reception.forget()
	// What the leader of another term decided is never proposed in this one.
	r.house, r.houseCount = r.house[:0], 0
	r.members.newTerm(r.ticks)
}

// newRole takes in who leads.
func (r *replica) newRole(s *raft.SoftState) {
	leading := s.RaftState == raft.StateLeader
	if leading != r.leading {
		r.house, r.houseCount = r.house[:0], 0
		r.intake.reset()
		r.clocks.reset()
		r.room.noGrowth, r.handingTo = false, 0
		r.shipments.endAll()
		if leading {
			if !mutant.On("sessions-timers-not-restarted") {
				r.clock.restart()
			}
			r.touches.forget()
			r.ledSince = r.ticks
		}
	}
	lead := core.RaftID(s.Lead)
	if lead != r.lead {
		if lead != 0 && !leading {
			// It may be the same again that was forgotten, with what was sent to it lost.
			r.again()
		}
	}
	r.leading, r.lead = leading, lead
}

// post queues a message of raft's for a peer. Of several acknowledgements to one peer in a
// turn the last one says all.
func (r *replica) post(m *raftpb.Message) {
	r.advise(m)
	if m.GetType() == raftpb.MsgAppResp && !m.GetReject() {
		for i, old := range r.out {
			if old.GetType() == raftpb.MsgAppResp && !old.GetReject() &&
				old.GetTo() == m.GetTo() && old.GetTerm() == m.GetTerm() &&
				old.GetIndex() <= m.GetIndex() {
				r.out = slices.Delete(r.out, i, i+1)
				break
			}
		}
	}
	if n := len(m.GetContext()); n == 8 && m.GetType() == raftpb.MsgHeartbeat {
		r.asked = max(r.asked, binary.LittleEndian.Uint64(m.GetContext()))
	}
	r.out = append(r.out, m)
}

// speak fills in what goes to the peers, at the end of a turn.
func (r *replica) speak(turn *Turn, work *Work) {
	for _, m := range r.out {
		r.send(work, core.RaftID(m.GetTo()), &peerMessage{kind: peerRaft, raft: m})
	}
	clear(r.out)
	r.out = r.out[:0]
	if turn.Ticks > 0 || r.tickNow {
		r.sendTicks(turn, work)
	}
	switch {
	case r.leading:
		r.intake.invite(r.term, r.cfg.MaxIntakeBytes, func(to core.RaftID, m *peerMessage) {
			r.send(work, to, m)
		})
	case r.lead != 0 && r.own:
		r.sendStream(work)
	case r.lead != 0 && (r.helloTerm != r.term || r.hello.replaces != r.registration ||
		r.ticks-r.progressed > r.cfg.ResendTicks):
		r.progressed = r.ticks
		r.hello = hello{r.cfg.RaftID, r.cfg.Nonce, r.registration}
		r.helloTerm = r.term
		r.send(work, r.lead, &peerMessage{kind: peerHello, raftID: r.hello.id,
			nonce: r.hello.nonce, replaces: r.hello.replaces})
	}
}

// sendStream sends what of this member's stream the leader has not been sent, as much as it takes
// in at once. If nothing was applied for long the first of it is sent again, and when that is
// applied the rest: the last message lost leaves no gap to see. All of it each time would pile up
// before a leader that is slow.
func (r *replica) sendStream(work *Work) {
	size := r.cfg.MaxEntryBytes / 2
	if r.ticks-r.progressed > r.cfg.ResendTicks {
		r.progressed = r.ticks
		if r.outbox.acked+1 < r.outbox.next && !mutant.On("replication-no-resend") {
			r.probed = true
			seq, count, commands := r.outbox.again(size)
			r.sendBatch(work, seq, count, commands)
		}
	}
	window := r.intake.share(r.cfg.MaxIntakeBytes)
	if mutant.On("replication-stream-without-window") {
		window = 1 << 40
	}
	for ahead := r.outbox.ahead(); r.outbox.waiting() && ahead < window; {
		seq, count, commands := r.outbox.take(size)
		r.sendBatch(work, seq, count, commands)
		ahead += len(commands)
	}
}

func (r *replica) sendBatch(work *Work, seq, count uint64, commands []byte) {
	r.send(work, r.lead, &peerMessage{kind: peerBatch, registration: r.registration, seq: seq,
		count: count, commands: commands})
}

// everywhere is the index up to which all members have the leader's log.
func (r *replica) everywhere() uint64 {
	index := r.last
	r.node.WithProgress(func(_ uint64, _ raft.ProgressType, p tracker.Progress) {
		index = min(index, p.Match)
	})
	return index
}

func (r *replica) send(work *Work, to core.RaftID, m *peerMessage) {
	size := 32 + len(m.commands) + 8*len(m.touched)
	if m.piece != nil {
		size += m.piece.size()
	}
	data, err := m.appendTo(make([]byte, 0, size))
	invariant.Check(err == nil, "a message of raft's cannot be encoded")
	work.Send = append(work.Send, Outgoing{to, data})
}
