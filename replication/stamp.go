package replication

import (
	"slices"

	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/internal/mutant"
	"go.etcd.io/raft/v3/raftpb"
)

// clocks is a leader's idea of the time of day: the median of the voters' wall clocks, carried
// forward by its own monotonic clock (DESIGN section 2). One bad clock moves nothing, be it the
// leader's own. Its readings also show with whom the leader is in fresh contact.
type clocks struct {
	voters  []voterClock // of the peers; of learners too, which do not count
	self    votes        // this member's own
	stampMs int64        // the last stamp, or the State's time if that is later
	atMs    int64        // on the monotonic clock, when stampMs was
	begun   bool         // atMs is known
	offsets []int64      // used again
}

type voterClock struct {
	id     core.RaftID
	offset int64 // its wall clock minus our monotonic clock
	known  bool
	heard  int64 // the tick of ours at which it was heard last
	votes  votes
	echo   echo
	judge  clockJudge
	low    bool // its disk is nearly full
	// digests are what it told of its State.
	digests []indexDigest
}

// heard takes in a peer's reading, and returns that peer's clock, nil if it is no voter.
func (c *clocks) heard(id core.RaftID, wallMs, monoMs, tick int64) *voterClock {
	for i := range c.voters {
		if v := &c.voters[i]; v.id == id {
			v.offset, v.known, v.heard = wallMs-monoMs, true, tick
			return v
		}
	}
	return nil
}

// votes says whether a member votes in the configuration, and in the one that is being left.
type votes [2]bool

// follow makes conf the configuration. self is this member, peers are all others.
func (c *clocks) follow(conf *raftpb.ConfState, self core.RaftID, peers []core.RaftID) {
	of := func(id core.RaftID) votes {
		return votes{slices.Contains(conf.GetVoters(), uint64(id)),
			slices.Contains(conf.GetVotersOutgoing(), uint64(id))}
	}
	was := c.voters
	c.self, c.voters = of(self), nil
	for _, id := range peers {
		v := voterClock{id: id, heard: -1 << 32}
		for i := range was {
			if was[i].id == id {
				v = was[i]
			}
		}
		v.votes = of(id)
		if mutant.On("replication-learner-clocks-count") {
			v.votes[0] = true
		}
		c.voters = append(c.voters, v)
	}
}

// reset forgets what was heard: a new leader asks anew.
func (c *clocks) reset() {
	for i := range c.voters {
		c.voters[i] = voterClock{id: c.voters[i].id, heard: -1 << 32, votes: c.voters[i].votes}
	}
}

// begin is told what the monotonic clock shows when the process takes its first turn: the time of
// the State that it began with goes on from there.
func (c *clocks) begin(monoMs int64) {
	if !c.begun {
		c.begun = true
		if !mutant.On("limits-stamp-ahead-by-uptime") {
			c.atMs = monoMs
		}
	}
}

// reached takes in the State's time.
func (c *clocks) reached(clockMs, monoMs int64) {
	if clockMs > c.stampMs {
		c.stampMs, c.atMs = clockMs, monoMs
	}
}

// quorum says whether those for whom ok holds, and this member, are a majority of the voters: of
// both configurations' while a change is under way.
func (c *clocks) quorum(ok func(*voterClock) bool) bool { return c.majority(true, ok) }

// majority is quorum where this member counts only if self.
func (c *clocks) majority(self bool, ok func(*voterClock) bool) bool {
	for k := range c.self {
		n, all := 0, 0
		if c.self[k] {
			all = 1
			if self {
				n = 1
			}
		}
		for i := range c.voters {
			if v := &c.voters[i]; v.votes[k] {
				all++
				if ok(v) {
					n++
				}
			}
		}
		if all > 0 && 2*n <= all {
			return false
		}
	}
	return true
}

// fresh says whether a quorum was heard not longer than a few ticks ago.
func (c *clocks) fresh(tick int64) bool {
	const ticks = 3
	return c.quorum(func(v *voterClock) bool { return tick-v.heard <= ticks }) ||
		mutant.On("replication-clock-without-quorum")
}

// known says whether there is a time to stamp with.
func (c *clocks) known() bool { return c.stampMs > 0 || c.median() }

// median fills offsets, and says whether a quorum's clocks are known.
func (c *clocks) median() bool {
	c.offsets = c.offsets[:0]
	for i := range c.voters {
		if v := &c.voters[i]; v.known && v.votes[0] {
			c.offsets = append(c.offsets, v.offset)
		}
	}
	return c.quorum(func(v *voterClock) bool { return v.known })
}

// stamp returns the time for an entry. It never falls: when the median was set back, it stands
// still until the median has caught up. While too few clocks are known it goes on from where it
// was. Of an even number of clocks the earlier of the two in the middle counts.
func (c *clocks) stamp(wallMs, monoMs int64) int64 {
	now := wallMs
	switch {
	case len(c.voters) == 0 || mutant.On("replication-stamp-own-clock"):
	case c.median():
		if c.self[0] {
			c.offsets = append(c.offsets, wallMs-monoMs)
		}
		slices.Sort(c.offsets)
		now = c.offsets[(len(c.offsets)-1)/2] + monoMs
	default:
		now = c.stampMs + max(0, monoMs-c.atMs)
	}
	if mutant.On("limits-time-stands") && c.stampMs > 0 {
		now = c.stampMs
	}
	c.stampMs, c.atMs = max(c.stampMs, now), monoMs
	return c.stampMs
}
