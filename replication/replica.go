package replication

import (
	"encoding/binary"
	"fmt"

	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/internal/invariant"
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
)

// Turn is what happened since the last turn of the loop.
type Turn struct {
	// NowMs is the wall clock, in milliseconds since the Unix epoch. It may jump.
	NowMs int64
	// Ticks is how many of Config.TickMs have gone by on a clock that does not jump.
	Ticks int
	// Mail was taken from Member.Local.Inbox. Step empties it.
	Mail core.Mail
	// Stored are the appends that are durable now, in their order.
	Stored []*Append
	// Applied are the reports of Apply, in their order. Step empties the slices in them.
	Applied []Applied
	// Checkpointed is the index of a checkpoint that counts since the last turn, or 0.
	Checkpointed uint64
	// Checkpoint asks for one now, as before a stop.
	Checkpoint bool
}

// Work is what is to be done after a turn.
type Work struct {
	Appends []*Append
	Apply   []ApplyItem
	// Cut says up to which index the disk's log may go; 0 is nothing new.
	Cut uint64
}

// Append is one storage batch. It is immutable.
type Append struct {
	HardState *raftpb.HardState // nil: unchanged
	Entries   []*raftpb.Entry   // they replace what they overlap
	responses []*raftpb.Message // to be delivered once it is durable
}

// ApplyItem is one thing for apply to do, in its turn. Exactly one field is set.
type ApplyItem struct {
	committed  *raftpb.Message // entries
	sync       *confirmed
	reapAt     int64 // look for znodes to reap, at this time
	checkpoint bool  // capture the State
}

// confirmed is a read index that a quorum has confirmed, and who waits for it.
type confirmed struct {
	index uint64
	conns []*core.Conn
}

// Applied is what the loop has to learn from apply.
type Applied struct {
	Index        uint64 // of the last entry applied whole
	Term         uint64 // of that entry
	Registration core.Registration
	Own          bool // Registration is that of this start of the process
	Facts        []core.Fact
	Reap         []core.Reap
	done         []*raftpb.Message // apply messages that are finished
	bytes        int64             // of log applied
	stateBytes   int64
	changed      int // items that a checkpoint would write
}

// replica is the loop's half of a member.
type replica struct {
	cfg  *Config
	log  *memlog
	node *raft.RawNode

	term    uint64
	commit  uint64
	last    uint64 // index of the last entry given to raft
	leading bool
	applied uint64
	// appliedTerm is the term of the entry at applied. When it is the leader's own, the State
	// holds everything that any leader before it has committed.
	appliedTerm uint64

	// registration is the one that the State last held for this member; own says that it is
	// this process's, and only then its stream may speak.
	registration core.Registration
	own          bool
	helloTerm    uint64 // the term in which a hello was last proposed

	queue      queue
	house      []byte // housekeeping commands of this turn, and how many
	houseCount uint64
	syncCount  uint64
	reads      []readIndex

	clock       *sessionClock
	expired     []expired
	stampMs     int64
	nextReapMs  int64
	ticks       int64
	lastEntry   int64 // the tick at which something was last applied
	logBytes    int64 // applied since the last checkpoint began
	stateBytes  int64
	changed     int // as of the last Applied
	capturing   bool
	wantCapture bool
}

// queue is what this member's stream has not proposed yet.
type queue struct {
	firstSeq uint64
	commands []byte
	ends     []int
}

// readIndex is one round of asking a quorum whether this leader still leads.
type readIndex struct {
	context uint64
	conns   []*core.Conn
	asked   bool
}

func (r *replica) start(cfg *Config, log *memlog, state *core.State) error {
	node, err := raft.NewRawNode(&raft.Config{
		ID:                        uint64(cfg.RaftID),
		ElectionTick:              cfg.ElectionTicks,
		HeartbeatTick:             1,
		Storage:                   log,
		Applied:                   state.Index(),
		AsyncStorageWrites:        true,
		MaxSizePerMsg:             1 << 20,
		MaxCommittedSizePerReady:  16 << 20,
		MaxInflightMsgs:           256,
		CheckQuorum:               true,
		PreVote:                   true,
		ReadOnlyOption:            raft.ReadOnlySafe,
		Logger:                    raftLogger{},
		DisableProposalForwarding: true,
		StepDownOnRemoval:         true,
	})
	if err != nil {
		return fmt.Errorf("raft: %w", err)
	}
	*r = replica{cfg: cfg, log: log, node: node, clock: newSessionClock(cfg.TickMs),
		term: log.hard.GetTerm(), commit: log.hard.GetCommit(), last: log.last(),
		applied: state.Index(), stateBytes: state.DataSize()}
	for _, s := range state.AppendSessions(nil) {
		r.clock.started(s.ID, s.Generation, s.TimeoutMs)
	}
	if log.alone(uint64(cfg.RaftID)) {
		// Nobody else can win: there is nothing to wait for.
		if err := node.Campaign(); err != nil {
			return fmt.Errorf("campaign: %w", err)
		}
	}
	return nil
}

func (r *replica) step(turn *Turn, work *Work) {
	*work = Work{}
	r.takeStored(turn)
	for i := range turn.Applied {
		r.takeApplied(&turn.Applied[i])
	}
	if turn.Checkpointed > 0 {
		r.log.cut(turn.Checkpointed)
		work.Cut = turn.Checkpointed
		r.capturing = false
	}
	r.trimLog()
	r.wantCapture = r.wantCapture || turn.Checkpoint
	r.takeMail(&turn.Mail)
	r.tick(turn, work)
	r.propose(turn.NowMs)
	r.ready(work)
	// A hello or commands may have become possible by what Ready told: the election.
	if r.propose(turn.NowMs) {
		r.ready(work)
	}
	r.askReads(work)
	r.checkpoint(work)
}

// trimLog forgets log that is applied, if there is nobody to whom it could be sent.
func (r *replica) trimLog() {
	if kept := r.cfg.KeptLogBytes; r.log.bytes > 2*kept && r.log.alone(uint64(r.cfg.RaftID)) {
		r.log.trim(r.applied, kept)
	}
}

func (r *replica) takeStored(turn *Turn) {
	for _, a := range turn.Stored {
		r.log.append(a.Entries)
		r.deliver(a.responses)
	}
}

// deliver steps messages that waited for the disk or for apply.
func (r *replica) deliver(messages []*raftpb.Message) {
	for _, m := range messages {
		if m.GetTo() != uint64(r.cfg.RaftID) {
			continue // to a peer: there is none in an ensemble of one
		}
		// ErrStepPeerNotFound is a late response of somebody removed.
		_ = r.node.Step(m)
	}
}

func (r *replica) takeApplied(a *Applied) {
	for i := range a.Facts {
		fact := &a.Facts[i]
		switch fact.Kind {
		case core.FactSessionStarted, core.FactSessionAttached:
			r.clock.started(fact.Session, fact.Generation, fact.TimeoutMs)
		case core.FactSessionEnded:
			r.clock.ended(fact.Session)
		}
	}
	if a.Index > r.applied {
		r.applied, r.appliedTerm = a.Index, a.Term
		r.lastEntry = r.ticks
	}
	r.registration = a.Registration
	r.own = a.Own
	r.logBytes += a.bytes
	r.stateBytes, r.changed = a.stateBytes, a.changed
	if r.leading {
		for _, reap := range a.Reap {
			r.house = core.AppendReap(r.house, reap.Path, reap.Czxid, r.cfg.ContainerNeverUsedMs)
			r.houseCount++
		}
	}
	r.deliverDone(a.done)
}

func (r *replica) deliverDone(done []*raftpb.Message) {
	for _, m := range done {
		r.deliver(m.GetResponses())
	}
}

func (r *replica) takeMail(mail *core.Mail) {
	if n := len(mail.Ends); n > 0 {
		q := &r.queue
		if len(q.ends) == 0 {
			// The memory is exchanged, not copied: most often nothing waits.
			q.firstSeq = mail.FirstSeq
			q.commands, mail.Commands = mail.Commands, q.commands
			q.ends, mail.Ends = mail.Ends, q.ends
		} else {
			q.add(mail)
		}
	}
	for _, id := range mail.Touched {
		r.clock.touch(id)
	}
	if len(mail.Syncs) > 0 {
		r.syncCount++
		r.reads = append(r.reads, readIndex{context: r.syncCount,
			conns: append([]*core.Conn(nil), mail.Syncs...)})
	}
	mail.Reset()
}

// add puts mail behind what waits.
func (q *queue) add(mail *core.Mail) {
	invariant.Check(q.firstSeq+uint64(len(q.ends)) == mail.FirstSeq, "mail out of order")
	base := len(q.commands)
	q.commands = append(q.commands, mail.Commands...)
	for _, end := range mail.Ends {
		q.ends = append(q.ends, base+end)
	}
}

// tick moves the clocks. Raft is given all ticks that went by, the session clock one at most.
func (r *replica) tick(turn *Turn, work *Work) {
	const most = 20 // after a long pause raft need not live through all of it
	for range min(turn.Ticks, most) {
		r.node.Tick()
	}
	if turn.Ticks == 0 {
		return
	}
	r.ticks++
	for i := range r.reads {
		r.reads[i].asked = false // ask again: raft drops them silently when it has no leader
	}
	if !r.leading || r.appliedTerm != r.term {
		return
	}
	r.expired = r.clock.tick(r.expired[:0])
	for _, e := range r.expired {
		r.house = core.AppendExpire(r.house, e.session, e.generation)
		r.houseCount++
	}
	if turn.NowMs >= r.nextReapMs || r.nextReapMs-turn.NowMs > r.cfg.ContainerCheckMs {
		if r.nextReapMs != 0 {
			work.Apply = append(work.Apply, ApplyItem{reapAt: turn.NowMs})
		}
		r.nextReapMs = turn.NowMs + r.cfg.ContainerCheckMs
	}
}

// propose turns what waits into one entry, if fewer than two are uncommitted: the more there
// is to do, the larger the entries. What the leader decided itself does not wait: it was right
// when it was decided, and is never kept (DESIGN section 4). It says whether it did.
func (r *replica) propose(nowMs int64) bool {
	uncommitted := uint64(2) // the second travels while the first is stored
	if r.log.alone(uint64(r.cfg.RaftID)) {
		uncommitted = 1 // a second would only make both smaller
	}
	if !r.leading || r.last >= r.commit+uncommitted && r.houseCount == 0 {
		return false
	}
	hello := !r.own && r.appliedTerm == r.term && r.helloTerm != r.term
	batch := r.own && len(r.queue.ends) > 0
	if !hello && !batch && r.houseCount == 0 {
		return false
	}
	// The State's time never falls, and neither do stamps: a clock that was set back stands
	// still until it has caught up.
	r.stampMs = max(r.stampMs, nowMs)
	n := 0
	if batch {
		n = r.queue.fit(r.cfg.MaxEntryBytes)
	}
	data := core.AppendEntryHeader(make([]byte, 0, 64+len(r.house)+r.queue.size(n)), r.stampMs)
	if r.houseCount > 0 {
		data = core.AppendHousekeepingHeader(data, r.term, r.houseCount)
		data = append(data, r.house...)
	}
	origin := core.Origin{RaftID: r.cfg.RaftID, Registration: r.registration}
	if hello {
		data = core.AppendBatchHeader(data, core.Origin{RaftID: r.cfg.RaftID}, 0, 1)
		data = core.AppendHello(data, r.cfg.RaftID, r.cfg.Nonce, r.registration)
		r.helloTerm = r.term
	}
	if n > 0 {
		data = core.AppendBatchHeader(data, origin, r.queue.firstSeq, uint64(n))
		data = r.queue.take(data, n)
	}
	r.house, r.houseCount = r.house[:0], 0
	err := r.node.Propose(data)
	invariant.Check(err == nil, "a leader without bounds of its own refused a proposal")
	r.last++
	return true
}

// fit says how many commands make an entry of at most size bytes, at least one.
func (q *queue) fit(size int) int {
	n := len(q.ends)
	for n > 1 && q.ends[n-1] > size {
		n /= 2
	}
	return n
}

func (q *queue) size(n int) int {
	if n == 0 {
		return 0
	}
	return q.ends[n-1]
}

// take moves the first n commands to the end of data.
func (q *queue) take(data []byte, n int) []byte {
	cut := q.ends[n-1]
	data = append(data, q.commands[:cut]...)
	q.firstSeq += uint64(n)
	if n == len(q.ends) {
		q.commands, q.ends = q.commands[:0], q.ends[:0]
		if cap(q.commands) > 8<<20 {
			q.commands = nil
		}
		return data
	}
	q.commands = append(q.commands[:0], q.commands[cut:]...)
	q.ends = append(q.ends[:0], q.ends[n:]...)
	for i := range q.ends {
		q.ends[i] -= cut
	}
	return data
}

// ready hands out what raft wants done.
func (r *replica) ready(work *Work) {
	for r.node.HasReady() {
		rd := r.node.Ready()
		if rd.SoftState != nil {
			leading := rd.SoftState.RaftState == raft.StateLeader
			if leading && !r.leading {
				r.clock.restart()
			}
			r.leading = leading
		}
		if !raft.IsEmptyHardState(rd.HardState) {
			r.term, r.commit = rd.HardState.GetTerm(), rd.HardState.GetCommit()
		}
		if n := len(rd.Entries); n > 0 {
			r.last = rd.Entries[n-1].GetIndex()
		}
		for _, m := range rd.Messages {
			r.dispatch(m, work)
		}
		r.takeReadStates(rd.ReadStates, work)
	}
}

func (r *replica) dispatch(m *raftpb.Message, work *Work) {
	switch m.GetType() {
	case raftpb.MsgStorageAppend:
		a := &Append{Entries: m.GetEntries(), responses: m.GetResponses()}
		if m.Term != nil {
			hs := &raftpb.HardState{Term: m.Term, Vote: m.Vote, Commit: m.Commit}
			if !raft.IsEmptyHardState(hs) {
				a.HardState = hs
			}
		}
		work.Appends = append(work.Appends, a)
	case raftpb.MsgStorageApply:
		work.Apply = append(work.Apply, ApplyItem{committed: m})
	default:
		// A message to a peer: there is none in an ensemble of one.
	}
}

// askReads starts a round for the syncs that came since, and again for those whose round was
// lost, each with a context of its own.
func (r *replica) askReads(work *Work) {
	if !r.leading {
		return
	}
	for i := range r.reads {
		if r.reads[i].asked {
			continue
		}
		r.reads[i].asked = true
		r.node.ReadIndex(r.context(r.reads[i].context))
	}
	r.ready(work)
}

// context names a round: (raft id, registration, counter). Only contexts of this process are
// accepted, so that no answer to a former self is.
func (r *replica) context(n uint64) []byte {
	b := binary.BigEndian.AppendUint64(nil, uint64(r.cfg.RaftID))
	b = binary.BigEndian.AppendUint64(b, uint64(r.registration))
	return binary.BigEndian.AppendUint64(b, n)
}

func (r *replica) takeReadStates(states []raft.ReadState, work *Work) {
	for _, s := range states {
		for i := range r.reads {
			if string(s.RequestCtx) != string(r.context(r.reads[i].context)) {
				continue
			}
			work.Apply = append(work.Apply, ApplyItem{
				sync: &confirmed{index: s.Index, conns: r.reads[i].conns}})
			r.reads = append(r.reads[:i], r.reads[i+1:]...)
			break
		}
	}
}

// checkpoint begins a capture when enough log has grown, when nothing else happens, or when
// it is asked for.
func (r *replica) checkpoint(work *Work) {
	if r.capturing {
		return
	}
	grown := r.logBytes >= max(r.cfg.CheckpointBytes, r.stateBytes/4) ||
		r.changed >= r.cfg.CheckpointItems
	idle := r.logBytes > 0 && r.ticks-r.lastEntry >= r.cfg.IdleTicks
	if !grown && !idle && !r.wantCapture {
		return
	}
	r.capturing, r.wantCapture, r.logBytes, r.changed = true, false, 0, 0
	work.Apply = append(work.Apply, ApplyItem{checkpoint: true})
}
