package replication

import (
	"slices"

	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/internal/mutant"
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
)

// failover is what a follower does when the leader's process is gone (DESIGN section 5): it
// forgets the leader at once, for as long as one voter has not, that one's lease refuses the
// others' pre-votes. The voter first in line campaigns now, the k-th k times Config.StaggerMs
// later: two at once split the vote for a whole election time-out. Pre-votes that overtake the
// loss of the connection are dropped without an answer, hence the repetition.
type failover struct {
	lost  core.RaftID // 0: none
	atMs  int64       // the next campaign, on the monotonic clock
	since int64       // the tick at which it was lost
	began int64       // when a term began meanwhile, on the monotonic clock,
	turn  int64       // and when the last ballot of it was on this member's disk
}

// ballot is what a member may say once in a term, and only when it is on its disk. No vote is 0.
type ballot struct{ term, vote uint64 }

func ballotOf(a *Append) ballot { return ballot{a.HardState.GetTerm(), a.HardState.GetVote()} }

// takeConnections takes in which peers' connections broke, and which came up.
func (r *replica) takeConnections(turn *Turn) {
	for _, id := range turn.Lost {
		if !slices.Contains(r.gone, id) {
			r.gone = append(r.gone, id)
		}
		switch {
		case r.leading:
			r.node.ReportUnreachable(uint64(id))
		case id == r.lead && id != 0:
			_ = r.node.ForgetLeader() // a follower's never fails
			r.failover = failover{lost: id, since: r.ticks}
			r.failover.atMs = turn.MonoMs + r.rank()*r.cfg.StaggerMs
		}
	}
	r.gone = slices.DeleteFunc(r.gone, func(id core.RaftID) bool {
		return slices.Contains(turn.Connected, id) ||
			r.members.now != nil && r.members.now.Member(id) == nil
	})
	for _, id := range turn.Connected {
		if id == r.failover.lost {
			r.failover.lost = 0
		}
		if id == r.lead {
			// What was on its way is lost.
			r.again()
		}
	}
}

// rank is this member's place among the voters that are left. The order turns with the term, so
// that one whose log is too short is not first in line again and again.
func (r *replica) rank() int64 {
	var left []uint64
	for _, id := range r.log.conf.GetVoters() {
		if id != uint64(r.failover.lost) {
			left = append(left, id)
		}
	}
	slices.Sort(left)
	n := int64(len(left))
	at := int64(slices.Index(left, uint64(r.cfg.RaftID)))
	if at < 0 {
		return n
	}
	return (at + n - int64(r.term%uint64(n))) % n
}

// overtake lets this member campaign at once when it hears a candidate whose log is shorter
// than its own: that one cannot win, and its turn would be lost.
func (r *replica) overtake(m *raftpb.Message, nowMs int64) {
	if m.GetType() == raftpb.MsgPreVote && r.failover.lost != 0 &&
		(m.GetLogTerm() < r.lastTerm || m.GetLogTerm() == r.lastTerm && m.GetIndex() < r.last) {
		r.failover.atMs = min(r.failover.atMs, nowMs)
	}
}

// campaign tries to become leader in the place of one whose process is lost, when it is time.
// Never while a candidate: that would throw away votes under way. After some ticks raft's own
// time-outs take over.
func (r *replica) campaign(turn *Turn, work *Work) {
	f := &r.failover
	if f.lost == 0 {
		return
	}
	status := r.node.BasicStatus()
	if status.Lead != 0 || r.ticks-f.since > int64(r.cfg.ElectionTicks) {
		f.lost = 0
		return
	}
	if turn.MonoMs >= f.atMs && r.cast == r.ballot {
		if status.RaftState != raft.StateCandidate || r.split(turn.MonoMs) {
			_ = r.node.Campaign() // refused only while a change of members is not applied
			r.ready(work)
		}
		f.atMs = turn.MonoMs + r.cfg.CampaignMs
	}
	work.WakeMs = max(1, f.atMs-turn.MonoMs)
}

// split says whether a candidate has waited for so long that no votes can be under way any more:
// two have split them. The others' disks may be as slow as its own was. Raft itself would wait for
// a whole election time-out.
func (r *replica) split(nowMs int64) bool {
	f := &r.failover
	return nowMs-f.turn >= 3*(r.rank()+1)*r.cfg.StaggerMs+3*(f.turn-f.began) &&
		!mutant.On("replication-split-vote-waits")
}

// newTerm: somebody's campaign has got somewhere.
func (f *failover) newTerm(nowMs int64) { f.began, f.turn = nowMs, nowMs }

// voted holds back the next campaign when the last ballot is on the disk: a vote is under way from
// now on, that of this member or one that it has asked for.
func (r *replica) voted(nowMs int64) {
	if r.cast == r.ballot {
		return
	}
	f := &r.failover
	r.cast, f.turn = r.ballot, nowMs
	if f.lost != 0 {
		f.atMs = max(f.atMs, nowMs+(r.rank()+1)*r.cfg.StaggerMs)
	}
}

// advise lets a refusal to vote say what its sender knows to be committed: see heed.
func (r *replica) advise(m *raftpb.Message) {
	if !isRefusal(m) || mutant.On("membership-refusal-says-nothing") {
		return
	}
	if term, err := r.log.Term(r.commit); err == nil {
		m.Commit, m.LogTerm = new(r.commit), new(term)
	}
}

// heed takes in what who refuses to vote knows to be committed, if there are changes of members
// in it. A leader may end before anybody's disk has the commit index of its last change. Whoever
// has lost his vote by that, and knows it, does not campaign any more; and who would lead needs his
// vote, as long as he does not know it, and may have less log than him, for a leader sends before
// it stores. What is committed is committed, whoever says so. Raft only takes it from a leader, so
// it is told that this is one, and to forget it.
func (r *replica) heed(m *raftpb.Message) {
	status := r.node.BasicStatus()
	if !isRefusal(m) || status.Lead != 0 || !r.log.changes(r.commit, m.GetCommit()) {
		return
	}
	if term, err := r.log.Term(m.GetCommit()); err != nil || term != m.GetLogTerm() {
		return
	}
	_ = r.node.Step(&raftpb.Message{Type: raftpb.MsgApp.Enum(), From: m.From, To: m.To,
		Term: new(status.GetTerm()), Index: m.Commit, LogTerm: m.LogTerm, Commit: m.Commit})
	_ = r.node.ForgetLeader() // a follower's never fails
}

func isRefusal(m *raftpb.Message) bool {
	t := m.GetType()
	return (t == raftpb.MsgPreVoteResp || t == raftpb.MsgVoteResp) && m.GetReject()
}
