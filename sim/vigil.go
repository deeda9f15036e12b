package sim

import (
	"fmt"
	"maps"

	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/replication"
)

// vigil is what a process, as a leader, must know of the sessions' signs of life, and how far its
// session clock may have moved at most. The judge of histories cannot know that: whether a follower
// that a client has spoken to could tell its leader is in no history. Here it is known which
// messages have arrived.
//
// A tick's message tells all that its sender has heard before, for what may have been lost with a
// connection or with a leader is told again. To allow for a connection that its sender has not
// noticed yet, it counts for what was heard two ticks before it, on one connection. Who leads, or
// thinks so, tells nobody: its tick is another one.
type vigil struct {
	heard []sign // by this process, in order
	told  map[*host]*telling

	// As a leader.
	leads bool
	led   bool   // it leads, or did when its last turn began
	term  uint64 // when that was over
	since int64  // when it began to lead
	loops int64  // turns of the loop,
	ticks int64  // those with a tick,
	clock int64  // and those of them in which it had heard a quorum not long before
	base  int64  // the clock when it began to lead
	heeds []telling
	// voting are those that vote, if that is known for certain and was at so many steady ticks.
	voting map[core.RaftID]bool
	steady int
	knows  map[*host]telling
	seen   map[core.RaftID]int64 // the tick at which each was heard last
	signs  map[core.SessionID][]mark
}

// sign is a request that came at some time.
type sign struct {
	session core.SessionID
	at      int64
}

// telling is how much of what a process has heard was told to another one: for certain, and at
// most.
type telling struct {
	from    *host
	id      core.RaftID // under which it was known then
	vigil   *vigil
	term    uint64 // in which it was sent
	link    int    // the epoch of the link
	n       int
	earlier [2]int  // how much had been heard at the last ticks
	clocks  []int64 // of the receiver, when it may have learned of each sign first
}

// mark is when a leader learned of a sign.
type mark struct{ loop, clock int64 }

func newVigil() *vigil {
	return &vigil{told: map[*host]*telling{}, knows: map[*host]telling{},
		seen: map[core.RaftID]int64{}, signs: map[core.SessionID][]mark{}}
}

// hears notes a sign of life that the process has taken for one.
func (v *vigil) hears(session core.SessionID, at int64) {
	v.heard = append(v.heard, sign{session, at})
}

// hearsWaiting notes that those live whom the process does not read.
func (h *host) hearsWaiting() {
	for _, sc := range h.conns { //order-free: each counts by itself
		if c := sc.conn; sc.waiting && c.Established() && !c.Session().IsReadOnly() {
			h.vigil.hears(c.Session(), h.w.clock.now)
		}
	}
}

// tells returns what a message tells its receiver, nil if it is no tick. taken is how much the
// sender had heard when its turn began. Who leads tells of nobody, but is heard itself: seed 51095
// with Ghosts=1 ReconfigEnabled=1 WeightOperator=30 Asks=1 of 7d49ac8. Who has just ceased to lead
// tells of nobody for certain, and may tell of all: seed 440000719 of dec6943.
func (v *vigil) tells(h, to *host, data []byte, taken int) *telling {
	if !replication.IsTick(data) {
		return nil
	}
	link := h.w.peerLink(h, to).epoch
	if v.led {
		t := &telling{from: h, id: h.raftID(), vigil: v, term: v.term, link: link} // it is heard
		if !v.leads {
			t.earlier[1] = taken
		}
		return t
	}
	t := v.told[to]
	if t == nil || t.link != link {
		t = &telling{from: h, id: h.raftID(), vigil: v, link: link}
		v.told[to] = t
	}
	t.term = v.term
	t.n, t.earlier[0], t.earlier[1] = t.earlier[0], t.earlier[1], taken
	told := *t
	return &told
}

// turn follows one turn of the loop: what it has taken in, and whether its clock may have moved.
// leads is whether the member leads when it is over.
func (v *vigil) turn(h *host, turn *replication.Turn, taken int, leads bool) {
	v.loops++
	now := h.w.clock.now
	was := v.leads && leads
	v.led, v.term = v.leads || leads, h.member.Term()
	switch {
	case leads && !v.leads:
		v.leads, v.since, v.base = true, now, v.clock
		clear(v.knows)
		clear(v.seen)
		clear(v.signs)
	case !leads:
		v.leads = false
	}
	for _, t := range v.heeds {
		if t.term == v.term { // else it is no contact: it may be the last word of somebody dead
			v.seen[t.id] = v.ticks
		}
		if was && t.from.vigil == t.vigil {
			v.learn(t.from, t.vigil, t.n, t.earlier[1])
		}
	}
	v.heeds = v.heeds[:0]
	if !was {
		return
	}
	v.learn(h, v, taken, taken)
	if turn.Ticks > 0 {
		if v.ticks++; v.quorum(h) {
			v.clock++
		}
	}
}

// learned notes the sessions that began, or were attached, with what was applied.
func (v *vigil) learned(applied []replication.Applied) {
	if !v.leads {
		return
	}
	for i := range applied {
		for _, f := range applied[i].Facts {
			if f.Kind == core.FactSessionStarted || f.Kind == core.FactSessionAttached {
				v.sign(f.Session, v.clock)
			}
		}
	}
}

// learn takes in what a process has heard, n signs for certain and most at most. Who began to lead
// gave every session a whole time-out: signs from before that need not come to it.
func (v *vigil) learn(from *host, of *vigil, n, most int) {
	k := v.knows[from]
	if k.vigil != of {
		k = telling{vigil: of}
	}
	for len(k.clocks) < most {
		k.clocks = append(k.clocks, v.clock)
	}
	for ; k.n < n; k.n++ {
		if s := of.heard[k.n]; s.at >= v.since {
			v.sign(s.session, k.clocks[k.n])
		}
	}
	v.knows[from] = k
}

func (v *vigil) sign(id core.SessionID, clock int64) {
	const most = 64
	list := v.signs[id]
	if len(list) >= most {
		list = append(list[:0], list[most/2:]...)
	}
	v.signs[id] = append(list, mark{v.loops, clock})
}

// quorum says whether a leader may have fresh contact with a quorum. While who votes changes, or
// has just done so, everybody may count.
func (v *vigil) quorum(h *host) bool {
	const fresh = 4
	if v.voting = h.voting(v.voting); v.voting != nil && v.steady < 2*fresh {
		v.steady++
	} else if v.voting == nil {
		v.steady = 0
	}
	n, need := 0, h.w.shadow.fewest
	known := v.steady >= 2*fresh
	if known {
		need = len(v.voting)
	}
	if !known || v.voting[h.raftID()] {
		n = 1
	}
	for id, at := range v.seen { //order-free: counts
		if v.ticks-at <= fresh && (!known || v.voting[id]) {
			n++
		}
	}
	return 2*n > need
}

// voting are the members that vote, as far as the process knows, nil if others may: the State and
// raft do not agree, or a change is under way.
func (h *host) voting(was map[core.RaftID]bool) map[core.RaftID]bool {
	state := h.member.Local.State
	m := state.Membership()
	if m == nil || m.Target != nil || h.member.Changing() || state.Term() < h.member.Term() ||
		state.Index() < h.conf {
		return nil
	}
	now := map[core.RaftID]bool{}
	for i := range m.Members {
		if m.Members[i].Role == core.RoleVoter {
			now[m.Members[i].RaftID] = true
		}
	}
	if was != nil && !maps.Equal(was, now) {
		return nil
	}
	return now
}

// voters keeps how many voters there were at least.
func (s *shadow) voters() {
	if s.members == nil {
		s.fewest = int(s.w.foundingVoters()) // who are not there yet when the State is founded
		return
	}
	n := 0
	for i := range s.members.Members {
		if s.members.Members[i].Role == core.RoleVoter {
			n++
		}
	}
	if s.fewest == 0 || n < s.fewest {
		s.fewest = n
	}
}

// decision is what a leader knew when it decided what is in an entry.
type decision struct {
	vigil       *vigil
	loop, clock int64
	base, since int64
}

func (v *vigil) decides() decision { return decision{v, v.loops, v.clock, v.base, v.since} }

// waited is how many ticks of its clock a session was silent for the leader that decided its end.
// It is false if that is not known any more.
func (d *decision) waited(id core.SessionID) (ticks int64, ok bool) {
	if d.vigil == nil || d.vigil.base != d.base || d.vigil.since != d.since {
		return 0, false
	}
	from := d.base
	list := d.vigil.signs[id]
	for _, m := range list {
		if m.loop <= d.loop {
			from = max(from, m.clock)
		}
	}
	if len(list) > 0 && list[0].loop > d.loop {
		return 0, false
	}
	return d.clock - from, true
}

// judgeSilence: who decides that a session has been silent knows of no sign of it since.
func (s *shadow) judgeSilence(c *core.Command) {
	waited, ok := s.from.decision.waited(c.Session)
	need := (int64(s.timeouts[c.Session]) + tickMs - 1) / tickMs
	if ok && waited < need {
		s.w.violate("sessions", fmt.Sprintf("host %d lets %v expire after %d ticks of silence "+
			"in which it heard a quorum, its time-out is %d ticks", s.from.host.id, c.Session,
			waited, need))
	}
}

// judgeStamp: one clock that is ahead, be it the leader's own, does not move the time. Of those
// that a stamp is the median of, another one shows as late a time or a later one. While too few
// are known the leader goes on from the stamp before by its own, which drifts.
func (s *shadow) judgeStamp() {
	e, w := s.from, s.w
	was, at := s.stamp, s.stampedAt
	s.stamp, s.stampedAt = s.entry.StampMs, e.decided
	s.judgeLateStamp()
	if w.alone() || e.decided == 0 || e.vigil() == nil {
		return
	}
	first, second := int64(-1<<62), int64(-1<<62)
	for _, h := range w.hosts {
		if h.peak > first {
			first, second = h.peak, first
		} else if h.peak > second {
			second = h.peak
		}
	}
	if s.fewest == 1 { // whose clock is the only one that counts
		second = first
	}
	const drift, slackMs = 60, 200
	now := e.decided / millisecond
	median := now + second + slackMs + (e.decided-e.decision.since)/millisecond*drift/1000
	passed := max(0, e.decided-at) / millisecond
	if s.stamp > median && s.stamp > was+passed+passed*drift/1000+slackMs {
		w.violate("clock", fmt.Sprintf("host %d stamps index %d with %d, the second of all clocks "+
			"shows %d at most", e.host.id, s.index, s.stamp, now+second))
	}
}

// judgeLateStamp: time goes on. A leader's stamps are not behind the clock that is most so of all.
// What it knows of others' clocks may have been long on its way, and while it knows too few it goes
// on from the stamp before, which misses the time in which nobody led.
func (s *shadow) judgeLateStamp() {
	const lateMs = 30_000
	e, w := s.from, s.w
	if w.alone() || e.decided == 0 || e.vigil() == nil ||
		e.decided-e.decision.since < 5*second {
		return
	}
	least := int64(1 << 62)
	for _, h := range w.hosts {
		least = min(least, h.trough)
	}
	if now := e.decided/millisecond + least; s.stamp < now-lateMs {
		w.violate("clock", fmt.Sprintf("host %d stamps index %d with %d, each clock shows %d at "+
			"least", e.host.id, s.index, s.stamp, now))
	}
}

func (e *seen) vigil() *vigil { return e.decision.vigil }
