package replication

import (
	"fmt"
	"slices"

	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/internal/invariant"
	"github.com/vivariumdb/vivarium/internal/mutant"
	"github.com/vivariumdb/vivarium/wire"
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"go.etcd.io/raft/v3/tracker"
	"google.golang.org/protobuf/proto"
)

// Applicant is a disk that has said hello to this member: one that is no member yet and asks to
// become one, or a member that may follow another feature level than the log knows. The leader
// admits it; others forget it, for who asks asks again.
type Applicant struct {
	Server core.ServerID
	Disk   core.DiskID
	Level  uint32
	// Acknowledged is Peer.Acknowledged: a member whose disk has less has lost it (Work.Lost).
	Acknowledged Mark
}

// members is a leader's way from what the log says of the membership to what raft's configuration
// has to be. Every step is decided from what is applied alone, so a new leader goes on where the
// last one stopped: with the joint phase, with the target, with a learner.
type members struct {
	now *core.Membership // nil: a server of its own, or an ensemble whose members never change
	at  uint64           // the index at which it was seen

	asked    []Applicant // in this term, not decided yet
	waitFor  uint64      // the last decision lies in the log here; none before it is applied
	target   uint64      // the target that is being pursued,
	since    int64       // since this tick
	tried    int         // leaders that this one has tried to hand over to
	aimAt    int64       // the tick at which the leader's file is looked at again
	handOver bool
	restored uint64 // the index of the last checkpoint that raft took its configuration from
}

// maxApplicants bounds how many disks wait for their admission; they ask again.
const maxApplicants = 64

func (m *members) newTerm(tick int64) {
	*m = members{now: m.now, at: m.at, asked: m.asked, since: tick, aimAt: m.aimAt,
		handOver: m.handOver, restored: m.restored}
	if mutant.On("replication-target-forgotten") && m.now != nil {
		now := *m.now
		now.Target = nil
		m.now = &now
	}
}

// removed says whether a member was removed, as far as is applied here.
func (m *members) removed(id core.RaftID) bool {
	if m.now == nil {
		return false
	}
	e := m.now.Member(id)
	return e != nil && e.Role == core.RoleRemoved
}

// change is a change of raft's configuration that was applied.
type change struct {
	index uint64
	cc    *raftpb.ConfChangeV2
}

// takeChanges takes in what apply tells of the membership. Raft learns of each change here, before
// the message whose entries held it is answered.
func (r *replica) takeChanges(a *Applied) {
	for _, c := range a.changes {
		if c.index <= r.members.restored {
			continue // raft has its configuration from a checkpoint by now
		}
		conf := r.node.ApplyConfChange(c.cc)
		if mutant.On("replication-conf-change-twice") {
			conf = r.node.ApplyConfChange(c.cc)
		}
		next, err := nextConf(r.log.conf, c.cc)
		r.log.confAt = c.index
		invariant.Check(err == nil && proto.Equal(conf, next),
			"raft's configuration is not the one that checkpoints name")
		r.follow(next)
	}
	if a.members != nil && a.Index >= r.applied {
		if gone(a.members) > 0 {
			// Who was removed waits until the newest membership is known for certain, be it what
			// removed him or what came behind: the end of a change has an entry of its own.
			r.wantCapture = true
		}
		r.members.now, r.members.at = a.members, a.Index
	}
}

// gone is how many members were removed.
func gone(m *core.Membership) (n int) {
	for i := range m.Members {
		if m.Members[i].Role == core.RoleRemoved {
			n++
		}
	}
	return n
}

// follow makes conf the configuration: whose streams are taken in, whose clocks count, and whether
// anybody else is there at all.
func (r *replica) follow(conf *raftpb.ConfState) {
	r.log.conf = conf
	r.alone = r.log.alone(uint64(r.cfg.RaftID))
	var peers []core.RaftID
	for _, id := range everybody(conf) {
		if id != uint64(r.cfg.RaftID) {
			peers = append(peers, core.RaftID(id))
		}
	}
	r.intake.follow(peers)
	r.clocks.follow(conf, r.cfg.RaftID, peers)
	if r.alone {
		r.shipments.endAll()
		r.dispute(false) // its own State is a majority's
	}
}

// follow makes peers the streams that are taken in. Of who has left nothing is proposed any more.
func (in *intake) follow(peers []core.RaftID) {
	moved := make([]int, len(in.sources))
	sources := make([]source, len(peers))
	for i, id := range peers {
		sources[i] = source{id: id, next: 1}
	}
	for i := range in.sources {
		moved[i] = slices.Index(peers, in.sources[i].id)
		if moved[i] >= 0 {
			sources[moved[i]] = in.sources[i]
		}
	}
	stay := func(list []held) (left []held) {
		for _, h := range list {
			if moved[h.source] < 0 {
				in.bytes -= len(h.commands)
				continue
			}
			h.source = moved[h.source]
			left = append(left, h)
		}
		return left
	}
	in.queue, in.early = stay(in.queue), stay(in.early)
	in.hellos = slices.DeleteFunc(in.hellos, func(h hello) bool {
		return in.source(h.id) >= 0 && !slices.Contains(peers, h.id)
	})
	in.sources = sources
}

// govern is a leader's care for the membership: at most one decision a turn, and none before the
// last one is applied.
func (r *replica) govern(turn *Turn) {
	m := &r.members
	m.handOver = m.handOver || turn.HandOver
	m.apply(turn.Applicants)
	if !r.leading {
		m.keep()
		m.handOver = false
		return
	}
	if r.transferring() || r.appliedTerm != r.term || !r.clocks.known() && !r.alone {
		return
	}
	if m.handOver && !joint(r.log.conf) {
		m.handOver = false
		r.handOver(r.log.conf.GetVoters())
		return
	}
	if m.now == nil || m.waitFor > r.applied {
		return
	}
	_ = r.leave(turn) || r.admit() || r.learn(turn) || r.pursue(turn) || r.aim() || r.raise()
}

// apply takes in who asks.
func (m *members) apply(list []Applicant) {
	for _, a := range list {
		i := slices.IndexFunc(m.asked, func(b Applicant) bool {
			return a.Server == b.Server && a.Disk == b.Disk
		})
		switch {
		case i >= 0:
			m.asked[i] = a
		case len(m.asked) < maxApplicants:
			m.asked = append(m.asked, a)
		}
	}
}

// keep forgets those that are no members: who asks asks again. What is known of members is kept
// until the State says so, for a leader that dies may not have told it.
func (m *members) keep() {
	m.asked = slices.DeleteFunc(m.asked, func(a Applicant) bool {
		if m.now == nil {
			return true
		}
		e := m.now.Disk(a.Server, a.Disk)
		return e == nil || e.Role == core.RoleRemoved || e.Level == a.Level
	})
}

// decide puts a command about members among the leader's housekeeping.
func (r *replica) decide(add func([]byte) []byte) {
	r.house = add(r.house)
	r.houseCount++
	r.members.waitFor = r.last + 1 // the entry that will hold it
}

// proposeChange proposes a change of raft's configuration, with what it means to the State.
func (r *replica) proposeChange(turn *Turn, cc *raftpb.ConfChangeV2, ends bool,
	target uint64) bool {
	next, err := nextConf(r.log.conf, cc)
	invariant.Check(err == nil, "a leader wants an impossible configuration")
	c := currentRoles(next)
	c.Ends, c.Target = ends, target
	cc.Context = core.AppendEntryHeader(nil, r.clocks.stamp(turn.NowMs, turn.MonoMs))
	cc.Context = core.AppendHousekeepingHeader(cc.Context, r.term, 1)
	cc.Context = core.AppendConfigure(cc.Context, &c)
	err = r.node.ProposeConfChange(cc)
	invariant.Check(err == nil, "a leader without bounds of its own refused a change of members")
	r.last++
	r.lastTerm = r.term
	r.members.waitFor = r.last
	return true
}

func single(kind raftpb.ConfChangeType, id core.RaftID) *raftpb.ConfChangeSingle {
	return &raftpb.ConfChangeSingle{Type: kind.Enum(), NodeId: new(uint64(id))}
}

// leave ends a joint phase, be it this leader's own or one that it found. If that brings about the
// target, it is the target's end.
func (r *replica) leave(turn *Turn) bool {
	conf := r.log.conf
	if !joint(conf) {
		return false
	}
	cc := &raftpb.ConfChangeV2{}
	next, err := nextConf(conf, cc)
	invariant.Check(err == nil, "a joint phase that cannot end")
	target := uint64(0)
	if t := r.members.now.Target; t != nil && r.reached(next, t.Servers) {
		target = t.Index
	}
	return r.proposeChange(turn, cc, true, target)
}

// admit lets those who asked become members, and notes who follows another feature level.
func (r *replica) admit() bool {
	m := &r.members
	if self := m.now.Member(r.cfg.RaftID); self != nil && self.Level != r.cfg.FeatureLevel {
		m.apply([]Applicant{{Server: self.Server, Disk: self.Disk, Level: r.cfg.FeatureLevel}})
	}
	count := uint64(0)
	for _, a := range m.asked {
		e := m.now.Disk(a.Server, a.Disk)
		if e == nil && a.Level >= r.level ||
			e != nil && e.Role != core.RoleRemoved && e.Level != a.Level {
			r.decide(func(b []byte) []byte {
				return core.AppendAdmit(b, a.Server, a.Disk, a.Level)
			})
			count++
		}
	}
	m.keep()
	return count > 0
}

// newest is the member of a server that was admitted last, nil if none is left.
func newest(m *core.Membership, server core.ServerID) (last *core.MemberInfo) {
	for i := range m.Members {
		if e := &m.Members[i]; e.Server == server && e.Role != core.RoleRemoved {
			last = e
		}
	}
	return last
}

// learn adds a member that raft does not know yet as a learner, or removes one whose server has a
// newer disk.
func (r *replica) learn(turn *Turn) bool {
	conf := r.log.conf
	for i := range r.members.now.Members {
		e := &r.members.now.Members[i]
		id := uint64(e.RaftID)
		kind := raftpb.ConfChangeAddLearnerNode
		switch {
		case e.Role == core.RoleAdmitted:
		case e.Role == core.RoleLearner && slices.Contains(conf.GetLearners(), id) &&
			newest(r.members.now, e.Server) != e:
			kind = raftpb.ConfChangeRemoveNode
		default:
			continue
		}
		return r.proposeChange(turn, &raftpb.ConfChangeV2{
			Changes: []*raftpb.ConfChangeSingle{single(kind, e.RaftID)}}, false, 0)
	}
	return false
}

// follower is what a leader knows of another member's log.
type follower struct {
	caught bool // it has nearly all of the log
	active bool // it was heard of lately
}

// caughtUp is how many entries a learner may be behind what is committed when it gets a vote.
const caughtUp = 8

func (r *replica) follower(id core.RaftID) (f follower) {
	if id == r.cfg.RaftID {
		return follower{true, true}
	}
	r.node.WithProgress(func(other uint64, _ raft.ProgressType, p tracker.Progress) {
		if other == uint64(id) {
			f.active = p.RecentActive
			f.caught = p.RecentActive && p.Match+caughtUp >= r.commit
		}
	})
	return f
}

// electorate says who has to vote where servers are the configuration: for each server its
// voter, unless that one is silent and a newer disk of it has caught up. whole says whether every
// server has one.
func (r *replica) electorate(servers []core.Server) (voters []core.RaftID, whole bool) {
	whole = true
	for i := range servers {
		s := &servers[i]
		if s.Observer {
			continue
		}
		var voter core.RaftID
		for j := range r.members.now.Members {
			e := &r.members.now.Members[j]
			if e.Server == s.ID && slices.Contains(r.log.conf.GetVoters(), uint64(e.RaftID)) {
				voter = e.RaftID
			}
		}
		last := newest(r.members.now, s.ID)
		if last != nil && last.RaftID != voter && r.follower(last.RaftID).caught &&
			slices.Contains(r.log.conf.GetLearners(), uint64(last.RaftID)) &&
			(voter == 0 || !r.follower(voter).active) {
			voter = last.RaftID
		}
		if voter == 0 {
			whole = false
			continue
		}
		voters = append(voters, voter)
	}
	slices.Sort(voters)
	return voters, whole
}

// changes is what lies between raft's configuration and where servers, of whom voters vote, want
// it. Learners whose server is in no configuration stay: they wait to be asked for.
func (r *replica) changes(servers []core.Server, voters []core.RaftID) (
	changes []*raftpb.ConfChangeSingle) {
	m, conf := r.members.now, r.log.conf
	for _, id := range voters {
		if !slices.Contains(conf.GetVoters(), uint64(id)) {
			changes = append(changes, single(raftpb.ConfChangeAddNode, id))
		}
	}
	for _, id := range raftIDs(conf.GetVoters(), conf.GetLearners()) {
		e := m.Member(id)
		if e == nil || slices.Contains(voters, id) {
			continue
		}
		voter := slices.Contains(conf.GetVoters(), uint64(id))
		s := findServer(servers, e.Server)
		switch {
		case voter && s != nil && s.Observer:
			changes = append(changes, single(raftpb.ConfChangeAddLearnerNode, id))
		case voter, s == nil && m.Server(e.Server) != nil:
			changes = append(changes, single(raftpb.ConfChangeRemoveNode, id))
		}
	}
	return changes
}

func findServer(servers []core.Server, id core.ServerID) *core.Server {
	for i := range servers {
		if servers[i].ID == id {
			return &servers[i]
		}
	}
	return nil
}

// reached says whether raft's configuration conf is what servers ask for.
func (r *replica) reached(conf *raftpb.ConfState, servers []core.Server) bool {
	m := r.members.now
	n := 0
	for _, id := range conf.GetVoters() {
		e := m.Member(core.RaftID(id))
		if s := findServer(servers, e.Server); s == nil || s.Observer {
			return false
		}
		n++
	}
	for _, id := range conf.GetLearners() {
		e := m.Member(core.RaftID(id))
		if m.Server(e.Server) != nil && findServer(servers, e.Server) == nil {
			return false
		}
	}
	for i := range servers {
		if !servers[i].Observer {
			n--
		}
	}
	return n == 0
}

// quorate says whether a majority of voters shows that it lives. Whose process is lost does not,
// nor whose server has come with a newer disk, though it was heard of lately.
func (r *replica) quorate(voters []core.RaftID) bool {
	m, n := r.members.now, 0
	for _, id := range voters {
		e := m.Member(id)
		lost := e != nil && newest(m, e.Server) != e &&
			!mutant.On("replication-lost-disk-counts")
		gone := slices.Contains(r.gone, id) && !mutant.On("replication-lost-process-counts")
		if !lost && !gone && r.follower(id).active {
			n++
		}
	}
	return 2*n > len(voters)
}

// pursue brings raft's configuration to where the target wants it, or, if there is none, to where
// the configuration does: a new disk takes the place of a dead one. All of it is one joint change.
// What has no quorum for too long is given up, as long as nothing of it has happened.
func (r *replica) pursue(turn *Turn) bool {
	m, servers, target := &r.members, r.members.now.Servers, uint64(0)
	if t := m.now.Target; t != nil {
		servers, target = t.Servers, t.Index
	}
	if target != m.target {
		m.target, m.since, m.tried = target, r.ticks, 0
	}
	voters, whole := r.electorate(servers)
	changes := r.changes(servers, voters)
	if target == 0 && len(changes) == 0 {
		return false
	}
	if !r.quorate(voters) || target != 0 && !whole {
		if target == 0 || r.ticks-m.since <= r.cfg.ReconfigTicks {
			return false
		}
		m.aimAt = r.ticks + r.cfg.ReconfigTicks
		r.decide(func(b []byte) []byte {
			return core.AppendGiveUp(b, target, wire.CodeNewConfigNoQuorum)
		})
		return true
	}
	if len(changes) == 0 {
		c := currentRoles(r.log.conf)
		c.Ends, c.Target = true, target
		r.decide(func(b []byte) []byte { return core.AppendConfigure(b, &c) })
		return true
	}
	const tries = 3
	if !slices.Contains(voters, r.cfg.RaftID) && m.tried < tries {
		m.tried++
		ids := make([]uint64, len(voters))
		for i, id := range voters {
			ids[i] = uint64(id)
		}
		if r.handOver(ids) {
			return true // the next leader goes on with the target
		}
	}
	return r.proposeChange(turn, &raftpb.ConfChangeV2{Changes: changes,
		Transition: raftpb.ConfChangeTransitionJointExplicit.Enum()}, false, 0)
}

// handOver hands the leadership to the one of voters that has most of the log, and says whether
// there is anybody.
func (r *replica) handOver(voters []uint64) bool {
	best, match := uint64(0), uint64(0)
	r.node.WithProgress(func(id uint64, _ raft.ProgressType, p tracker.Progress) {
		if id != uint64(r.cfg.RaftID) && p.RecentActive && slices.Contains(voters, id) &&
			!p.IsLearner && (best == 0 || p.Match > match) {
			best, match = id, p.Match
		}
	})
	if best != 0 {
		r.house, r.houseCount = r.house[:0], 0 // decided to be done at once
		r.transfer(core.RaftID(best))
	}
	return best != 0
}

// aim makes a target of the voters and observers that the leader's file names and that have come
// without being asked for.
func (r *replica) aim() bool {
	m := &r.members
	if m.now.Target != nil || r.ticks < m.aimAt {
		return false
	}
	servers := m.now.Servers
	for _, s := range r.cfg.Servers {
		e := newest(m.now, s.ID)
		if e != nil && m.now.Server(s.ID) == nil && e.Role == core.RoleLearner &&
			r.follower(e.RaftID).caught {
			servers = core.PutServer(servers, s)
		}
	}
	if len(servers) == len(m.now.Servers) {
		return false
	}
	m.aimAt = r.ticks + r.cfg.ReconfigTicks
	r.decide(func(b []byte) []byte { return core.AppendAim(b, m.now.Version, servers) })
	return true
}

// raise lets all do what every member can.
func (r *replica) raise() bool {
	level := r.cfg.FeatureLevel
	for i := range r.members.now.Members {
		e := &r.members.now.Members[i]
		if e.Role != core.RoleRemoved && !mutant.On("members-level-too-early") {
			level = min(level, e.Level)
		}
	}
	if level <= r.level {
		return false
	}
	r.decide(func(b []byte) []byte { return core.AppendRaise(b, level) })
	return true
}

// changed takes in what the entry that was just applied changes of raft's configuration.
func (a *applier) changed(e *raftpb.Entry, report *Report) error {
	if a.change == nil {
		return nil
	}
	next, err := nextConf(a.conf, a.change)
	if err != nil {
		return fmt.Errorf("apply entry %d: %w", e.GetIndex(), err)
	}
	a.conf = next
	report.Applied.changes = append(report.Applied.changes, change{e.GetIndex(), a.change})
	a.change = nil
	return nil
}

// membership reports what has become of the membership.
func (a *applier) membership(report *Report) {
	a.news = false
	m := a.state.Membership()
	report.Applied.members, report.Membership = m, m
	if m == nil {
		return
	}
	if e := m.Member(a.cfg.RaftID); e != nil && e.Role == core.RoleRemoved {
		report.Removed = true
		a.local.CloseAll(core.CauseRemoved)
	}
}
