package replication

import (
	"fmt"
	"slices"

	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/internal/invariant"
	"github.com/vivariumdb/vivarium/internal/mutant"
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
)

// Turn is what happened since the last turn of the loop.
type Turn struct {
	// NowMs is the wall clock, in milliseconds since the Unix epoch. It may jump.
	NowMs int64
	// MonoMs is a clock that does not jump, in milliseconds since any time. A member without
	// peers needs none.
	MonoMs int64
	// Ticks is how many of Config.TickMs have gone by on a clock that does not jump.
	Ticks int
	// FreeBytes is how much room there is on the fullest file system of this member's, at least
	// 1, if the driver has looked since the last turn. It looks about once a second.
	FreeBytes int64
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
	// Received is all that has come from peers since the last turn, each one's in its order.
	Received []Received
	// Lost are the peers whose process is gone as far as a broken or refused connection can
	// tell; silence is none. Connected are those to whom there is a connection (again): what
	// was sent before it came up may be lost. Who is in both was gone and is back: a connection
	// that came up and broke within one turn is told as lost only.
	Lost, Connected []core.RaftID
	// Read answers Work.Read, in its order. Staged are the pieces that were staged, in theirs.
	Read   []CheckpointPiece
	Staged []*Stage
	// Applicants are disks whose handshake ended since the last turn: see Applicant.
	Applicants []Applicant
	// HandOver asks a leader to let another one lead, as before an orderly stop. It is tried
	// once, for an election time-out at most; Member.Leading says what became of it.
	HandOver bool
}

// Work is what is to be done after a turn.
type Work struct {
	Appends []*Append
	Apply   []ApplyItem
	// Cut says up to which index the disk's log may go; 0 is nothing new.
	Cut uint64
	// Send is for the peers, each one's in its order.
	Send []Outgoing
	// Errs are messages of peers that were refused.
	Errs []*PeerError
	// Notices are for the operator's log and counters.
	Notices []Notice
	// Diverged and Lost, if not nil, end the process: see Divergence and LostDisk.
	Diverged *Divergence
	Lost     *LostDisk
	// WakeMs, if not 0, asks for a turn after so many milliseconds at the latest.
	WakeMs int64
	// Read asks for pieces of checkpoints that are sent to peers.
	Read []CheckpointRead
	// Stage is to be written beside the checkpoint that counts, in this order.
	Stage []*Stage
}

// Append is one storage batch. It is immutable.
//
// With Install, a checkpoint that was staged whole comes first: see the package comment.
type Append struct {
	HardState *raftpb.HardState // nil: unchanged
	Entries   []*raftpb.Entry   // they replace what they overlap
	Install   *Checkpoint       // without records; nil in most
	responses []*raftpb.Message // to be delivered once it is durable
	installed *installation     // set by Member.Install
}

// ApplyItem is one thing for apply to do, in its turn. Exactly one field is set.
type ApplyItem struct {
	committed  *raftpb.Message // entries
	sync       *confirmed
	reapAt     int64 // look for znodes to reap, at this time
	checkpoint bool  // capture the State
	serve      *serve
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
	changes      []change
	members      *core.Membership  // if it has changed
	seq          uint64            // applied of this process's stream, if Own
	gap          bool              // a batch of it was ignored behind a gap
	clockMs      int64             // the State's time
	streams      []core.StreamInfo // where all stand, in an ensemble
	digests      []indexDigest     // at the indexes where members are compared
	level        uint32            // the State's feature level
	done         []*raftpb.Message // apply messages that are finished
	bytes        int64             // of log applied
	stateBytes   int64
	changed      int // items that a checkpoint would write
}

// replica is the loop's half of a member.
type replica struct {
	cfg   *Config
	log   *memlog
	node  *raft.RawNode
	alone bool // it is the only member

	term     uint64
	commit   uint64
	last     uint64 // index of the last entry given to raft,
	lastTerm uint64 // and its term
	leading  bool
	lead     core.RaftID // 0: not known
	applied  uint64
	// settled is as much of that as raft knows. What is behind it raft may yet read, to look for
	// changes of members when it campaigns.
	settled uint64
	// appliedTerm is the term of the entry at applied. When it is the leader's own, the State
	// holds everything that any leader before it has committed.
	appliedTerm uint64

	// registration is the one that the State last held for this member; own says that it is
	// this process's, and only then its stream may speak.
	registration core.Registration
	own          bool
	hello        hello  // the last one sent or proposed,
	helloTerm    uint64 // in this term

	outbox     outbox
	probed     bool   // the first of the outbox was sent again because nothing was applied
	progressed int64  // the tick at which outbox.acked last moved, or there was nothing to move
	gapAt      uint64 // one behind outbox.acked when a gap last made the stream be sent again
	intake     intake
	parts      []part // of the entry to be proposed; used again
	house      []byte // housekeeping commands of this turn, and how many
	houseCount uint64
	members    members
	known      []KnownMark // what peers have acknowledged
	stable     uint64      // the term that is durable
	ballot     ballot      // the last that was given to the log,
	cast       ballot      // and the last of those that is durable
	told       uint64      // the last commit index given to the log that is stored,
	certain    uint64      // and the one that is durable: it rides on entries
	reads      reads
	failover   failover
	gone       []core.RaftID     // whose process is lost: Turn.Lost, and not Turn.Connected since
	out        []*raftpb.Message // for peers; encoded at the end of the turn
	asking     []*raftpb.Message // for votes, behind what this Ready stores
	asked      uint64            // the last context of this term's heartbeats
	tickNow    bool              // the leader is new: it is told clock and touches at once

	clock        *sessionClock
	clocks       clocks
	touches      touches
	serving      serving
	digests      digests
	clockJudge   clockJudge // of its own wall clock: a leader's, or what the leader says
	ledSince     int64      // the tick at which it began to lead last
	room         room
	level        uint32      // the State's feature level, as far as is applied
	handingTo    core.RaftID // to whom leadership is being handed over
	leaderTick   uint64      // the last tick of this term's leader that was heard
	expired      []expired
	nextReapMs   int64
	ticks        int64
	stored       uint64 // every member has the log up to here, as far as is known
	checkpointed uint64 // the newest checkpoint that counts
	cutAt        uint64 // the disk was told to cut its log here
	lastEntry    int64  // the tick at which something was last applied
	logBytes     int64  // applied since the last checkpoint began,
	frozenBytes  int64  // and between the one before and it, while it does not count
	stateBytes   int64
	changed      int // as of the last Applied
	capturing    bool
	wantCapture  bool

	shipments shipments
	reception reception
	mutation  mutation // for mutants
}

// oversize is more than any entry may have, if a known bug is planted.
const oversize = 100 << 10

// part is one batch of an entry. Its commands are a view.
type part struct {
	origin     core.Origin
	seq, count uint64
	commands   []byte
}

func (r *replica) start(cfg *Config, log *memlog, state *core.State) error {
	node, err := raft.NewRawNode(&raft.Config{
		ID:                        uint64(cfg.RaftID),
		ElectionTick:              cfg.ElectionTicks,
		HeartbeatTick:             1,
		Storage:                   log,
		Applied:                   state.Index(),
		AsyncStorageWrites:        true,
		MaxSizePerMsg:             uint64(min(1<<20, cfg.MaxFlightBytes)),
		MaxCommittedSizePerReady:  16 << 20,
		MaxInflightMsgs:           256,
		MaxInflightBytes:          uint64(cfg.MaxFlightBytes),
		CheckQuorum:               true,
		PreVote:                   true,
		ReadOnlyOption:            readOnlyOption(),
		Logger:                    raftLogger{},
		DisableProposalForwarding: true,
		StepDownOnRemoval:         true,
	})
	if err != nil {
		return fmt.Errorf("raft: %w", err)
	}
	*r = replica{cfg: cfg, log: log, node: node, clock: newSessionClock(cfg.TickMs),
		alone: log.alone(uint64(cfg.RaftID)), outbox: outbox{next: 1, end: 1},
		term: log.hard.GetTerm(), commit: log.hard.GetCommit(), last: log.last(),
		applied: state.Index(), settled: state.Index(),
		stateBytes: state.DataSize(), checkpointed: state.Index(),
		cutAt: log.start.index, level: state.FeatureLevel()}
	r.lastTerm, _ = log.Term(r.last) // the last one's is always there
	r.ballot = ballot{log.hard.GetTerm(), log.hard.GetVote()}
	r.cast = r.ballot
	stream := state.Stream(cfg.RaftID)
	r.registration = stream.Origin.Registration
	r.members = members{now: state.Membership(), at: state.Index()}
	r.told, r.certain = r.commit, r.commit
	r.follow(log.conf)
	for _, p := range state.AppendStreams(nil) {
		r.intake.position(&p)
	}
	r.clocks.stampMs = state.Clock()
	for _, s := range state.AppendSessions(nil) {
		r.clock.started(s.ID, s.Generation, s.TimeoutMs)
	}
	if r.alone {
		// Nobody else can win: there is nothing to wait for.
		if err := node.Campaign(); err != nil {
			return fmt.Errorf("campaign: %w", err)
		}
	}
	return nil
}

func (r *replica) step(turn *Turn, work *Work) {
	*work = Work{}
	r.clocks.begin(turn.MonoMs)
	r.takeStored(turn, work)
	if r.judgeDisk(turn, work) {
		return
	}
	r.takeAllApplied(turn)
	if !r.alone {
		r.ensemble(turn, work)
	}
	r.tendCheckpoints(turn, work)
	r.wantCapture = r.wantCapture || turn.Checkpoint
	r.takeMail(&turn.Mail)
	r.takeRoom(turn, work)
	r.tick(turn, work)
	r.govern(turn)
	r.propose(turn)
	r.ready(work)
	// A hello or commands may have become possible by what Ready told: the election.
	if r.propose(turn) {
		r.ready(work)
	}
	if !mutant.On("replication-decision-kept") {
		// Decisions that could not be proposed now may be wrong later.
		r.house, r.houseCount = r.house[:0], 0
	}
	r.askReads(work)
	r.checkpoint(work)
	r.serve(work)
	if !r.alone {
		r.speak(turn, work)
	}
	work.Read, r.shipments.reads = r.shipments.reads, nil
}

func (r *replica) takeStored(turn *Turn, work *Work) {
	for _, a := range turn.Stored {
		if a.Install != nil {
			// What apply did before it was in the way of none of what is learned here.
			r.takeAllApplied(turn)
			r.installed(a, work, turn.MonoMs)
		}
		r.log.append(a.Entries)
		r.stable = max(r.stable, a.HardState.GetTerm())
		if a.HardState != nil && ballotOf(a) == r.ballot {
			r.voted(turn.MonoMs)
		}
		if r.told = max(r.told, a.HardState.GetCommit()); len(a.Entries) > 0 {
			r.certain = r.told
		}
		r.deliver(a.responses)
	}
}

func (r *replica) takeAllApplied(turn *Turn) {
	for i := range turn.Applied {
		r.takeApplied(&turn.Applied[i], turn.MonoMs)
	}
	clear(turn.Applied)
	turn.Applied = turn.Applied[:0]
}

// deliver hands over messages that waited for the disk or for apply.
func (r *replica) deliver(messages []*raftpb.Message) {
	for _, m := range messages {
		if m.GetTo() != uint64(r.cfg.RaftID) {
			r.post(m)
			continue
		}
		// ErrStepPeerNotFound is a late response of somebody removed.
		_ = r.node.Step(m)
	}
}

func (r *replica) takeApplied(a *Applied, monoMs int64) {
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
	r.own, r.level = a.Own, a.level
	r.clocks.reached(a.clockMs, monoMs)
	r.takeChanges(a)
	for i := range a.streams {
		r.intake.position(&a.streams[i])
	}
	r.takeProgress(a)
	r.digests.applied(a.digests)
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
		if entries := m.GetEntries(); len(entries) > 0 {
			r.settled = max(r.settled, entries[len(entries)-1].GetIndex())
		}
		r.deliver(m.GetResponses())
	}
}

func (r *replica) takeMail(mail *core.Mail) {
	if len(mail.Ends) > 0 {
		if r.outbox.acked+1 == r.outbox.end {
			r.progressed = r.ticks
		}
		r.outbox.put(mail)
	}
	if r.leading {
		for _, id := range mail.Touched {
			r.clock.touch(id)
		}
	}
	if !r.alone && !(r.leading && mutant.On("replication-own-touches-forgotten")) {
		r.touches.add(mail.Touched) // a leader may turn out to have led no more
	}
	if len(mail.Syncs) > 0 {
		r.reads.add(mail.Syncs)
	}
	mail.Reset()
}

// tick moves the session clock, by one tick at most, and only while a quorum shows that it
// hears this leader: one that was paused or cut off must not find everybody silent. All that
// has come meanwhile is taken in before.
func (r *replica) tick(turn *Turn, work *Work) {
	if r.alone {
		r.tickRaft(turn)
	}
	if r.alone && r.leading && turn.Ticks > 0 {
		r.judgeRoom(work)
	}
	if mutant.Enabled {
		r.misjudge(turn)
	}
	kept := mutant.On("replication-decision-kept")
	if turn.Ticks == 0 || !r.leading || r.transferring() && !kept || r.appliedTerm != r.term ||
		!r.clocks.fresh(r.ticks) || !r.clocks.known() {
		return
	}
	r.expired = r.expired[:0]
	if !r.digests.disputed || mutant.On("replication-dispute-expires") {
		r.expired = r.clock.tick(r.expired)
		for n := 1; n < turn.Ticks && mutant.On("sessions-clock-catches-up"); n++ {
			r.expired = r.clock.tick(r.expired)
		}
	}
	if mutant.On("sessions-deposed-leader-expires") {
		r.mutation.decided = append(r.mutation.decided, r.expired...)
	}
	for _, e := range r.expired {
		r.house = core.AppendExpire(r.house, e.session, e.generation)
		r.houseCount++
	}
	if turn.NowMs >= r.nextReapMs || r.nextReapMs-turn.NowMs > r.cfg.ContainerCheckMs {
		late := mutant.On("limits-reaped-late") && turn.NowMs/r.cfg.ContainerCheckMs%3 != 0
		if r.nextReapMs != 0 && !late {
			work.Apply = append(work.Apply,
				ApplyItem{reapAt: r.clocks.stamp(turn.NowMs, turn.MonoMs)})
		}
		r.nextReapMs = turn.NowMs + r.cfg.ContainerCheckMs
	}
}

// tickRaft gives raft the ticks that went by.
func (r *replica) tickRaft(turn *Turn) {
	const most = 20 // after a long pause raft need not live through all of it
	for range min(turn.Ticks, most) {
		r.node.Tick()
	}
	if turn.Ticks > 0 {
		r.ticks++
		if !mutant.On("reads-asked-once") {
			r.reads.asked = false // ask again: raft drops them silently when it has no leader
		}
	}
}

// propose turns what waits into one entry, if fewer than two are uncommitted: the more there
// is to do, the larger the entries. What the leader decided itself does not wait: it was right
// when it was decided, and is never kept (DESIGN section 4). It says whether it did.
func (r *replica) propose(turn *Turn) bool {
	uncommitted := uint64(2) // the second travels while the first is stored
	if r.alone {
		uncommitted = 1 // a second would only make both smaller
	}
	if !r.leading || r.last >= r.commit+uncommitted && r.houseCount == 0 || !r.clocks.known() &&
		!r.alone || r.transferring() {
		return false
	}
	size := 0
	if r.last < r.commit+uncommitted && !r.braked() {
		size = r.gather()
	}
	if size == 0 && len(r.intake.hellos) == 0 && r.houseCount == 0 {
		return false
	}
	data := make([]byte, 0, 64+len(r.house)+size+40*(len(r.parts)+len(r.intake.hellos)))
	data = r.appendHeader(data, r.clocks.stamp(turn.NowMs, turn.MonoMs))
	if r.houseCount > 0 {
		data = core.AppendHousekeepingHeader(data, r.term, r.houseCount)
		data = append(data, r.house...)
	}
	for _, h := range r.intake.hellos {
		data = core.AppendBatchHeader(data, core.Origin{RaftID: h.id}, 0, 1)
		data = core.AppendHello(data, h.id, h.nonce, h.replaces)
	}
	for i := range r.parts {
		p := &r.parts[i]
		data = core.AppendBatchHeader(data, p.origin, p.seq, p.count)
		data = append(data, p.commands...)
	}
	clear(r.parts)
	r.parts, r.intake.hellos = r.parts[:0], r.intake.hellos[:0]
	r.house, r.houseCount = r.house[:0], 0
	if len(data) > oversize && mutant.On("limits-oversize-kills-leader") {
		panic("a proposal is too large")
	}
	err := r.node.Propose(data)
	invariant.Check(err == nil, "a leader without bounds of its own refused a proposal")
	r.last++
	r.lastTerm = r.term
	if r.alone && r.own {
		// Nobody else can lead, so nothing that is in the log is ever dropped from it.
		r.outbox.ack(r.outbox.next - 1)
	}
	return true
}

// gather chooses what the next entry holds of the streams, in parts, and returns how many
// bytes that is. When peers' commands wait, this member's own get one half of it at most.
func (r *replica) gather() (size int) {
	if r.appliedTerm != r.term {
		return 0
	}
	if !r.own && (r.helloTerm != r.term || r.hello.replaces != r.registration) {
		r.hello = hello{r.cfg.RaftID, r.cfg.Nonce, r.registration}
		r.helloTerm = r.term
		r.intake.hellos = append(r.intake.hellos, r.hello)
	}
	most := r.cfg.MaxEntryBytes
	if len(r.intake.queue) > 0 {
		most /= 2
	}
	self := core.Origin{RaftID: r.cfg.RaftID, Registration: r.registration}
	for r.own && r.outbox.waiting() && (size == 0 || size < most/2) {
		seq, count, commands := r.outbox.take(most - size)
		r.parts = append(r.parts, part{self, seq, count, commands})
		size += len(commands)
	}
	n := 0
	for n < len(r.intake.queue) {
		h := &r.intake.queue[n]
		if n > 0 && size+len(h.commands) > r.cfg.MaxEntryBytes {
			break
		}
		origin := core.Origin{RaftID: r.intake.sources[h.source].id, Registration: h.registration}
		r.parts = append(r.parts, part{origin, h.seq, h.count, h.commands})
		size += len(h.commands)
		n++
	}
	r.intake.proposed(n)
	return size
}

// ready hands out what raft wants done.
func (r *replica) ready(work *Work) {
	for r.node.HasReady() {
		rd := r.node.Ready()
		if !raft.IsEmptyHardState(rd.HardState) {
			if term := rd.HardState.GetTerm(); term != r.term {
				r.term = term
				r.newTerm()
			}
			r.commit = rd.HardState.GetCommit()
		}
		if rd.SoftState != nil {
			r.newRole(rd.SoftState)
		}
		if n := len(rd.Entries); n > 0 {
			r.last, r.lastTerm = rd.Entries[n-1].GetIndex(), rd.Entries[n-1].GetTerm()
		}
		for _, m := range rd.Messages {
			r.dispatch(m, work)
		}
		invariant.Check(len(r.asking) == 0, "a vote is asked for, and nothing is stored")
		r.takeReadStates(rd.ReadStates, work)
	}
}

// respond gives the answers to pre-votes at once, its own as well, and returns those that have to
// wait for the disk. raft lets all wait alike, but a pre-vote promises nothing, and behind a disk
// that is slow each would come too late: the next pre-candidate has begun meanwhile.
func (r *replica) respond(list []*raftpb.Message) []*raftpb.Message {
	free := func(m *raftpb.Message) bool { return m.GetType() == raftpb.MsgPreVoteResp }
	if !slices.ContainsFunc(list, free) {
		return slices.Clip(list)
	}
	var wait []*raftpb.Message
	for _, m := range list {
		if free(m) {
			r.deliver([]*raftpb.Message{m})
		} else {
			wait = append(wait, m)
		}
	}
	return wait
}

func (r *replica) dispatch(m *raftpb.Message, work *Work) {
	switch m.GetType() {
	case raftpb.MsgVote:
		// raft lets a candidate ask before its own vote is on its disk. The others could elect it,
		// and elect it again in the same term when it has crashed and forgotten that it led: then
		// there are two entries of one index and term, which nobody can tell apart. So it asks
		// behind the write that this very Ready wants (Raft, figure 2: currentTerm and votedFor).
		if mutant.On("replication-vote-asked-early") {
			r.post(m)
			return
		}
		r.asking = append(r.asking, m)
	case raftpb.MsgStorageAppend:
		a := &Append{Entries: m.GetEntries(), responses: r.respond(m.GetResponses())}
		a.responses, r.asking = append(a.responses, r.asking...), r.asking[:0]
		if m.Term != nil {
			hs := &raftpb.HardState{Term: m.Term, Vote: m.Vote, Commit: m.Commit}
			if !raft.IsEmptyHardState(hs) {
				a.HardState = hs
			}
		}
		if len(a.Entries) == 0 && mutant.On("raft-vote-not-stored") && !r.alone {
			a.HardState = nil
		}
		if mutant.On("raft-answer-before-stored") {
			a.responses = r.answerEarly(a.responses)
		}
		if s := m.GetSnapshot(); s != nil {
			r.accepted(a, s)
		}
		if a.HardState == nil && len(a.Entries)+len(a.responses) == 0 && a.Install == nil {
			return // all were answers to pre-votes
		}
		if a.HardState != nil {
			r.ballot = ballotOf(a)
		}
		work.Appends = append(work.Appends, a)
		if mutant.On("raft-uncommitted-applied") && len(a.Entries) > 0 {
			early := &raftpb.Message{Entries: a.Entries}
			work.Apply = append(work.Apply, ApplyItem{committed: early})
		}
	case raftpb.MsgSnap:
		to := core.RaftID(m.GetTo())
		r.shipments.begin(to, r.checkpointed, r.ticks, r.cfg.PieceBytes)
	case raftpb.MsgStorageApply:
		work.Apply = append(work.Apply, ApplyItem{committed: m})
	default:
		r.post(m)
	}
}
