package replication

import (
	"encoding/binary"
	"slices"

	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/internal/mutant"
	"github.com/vivariumdb/vivarium/internal/varint"
)

// tickNews is what a tick's message holds besides clock, log and signs of life.
type tickNews struct {
	term         uint64            // in which it was sent
	number       uint64            // of the sender's ticks
	registration core.Registration // of the sender's process, 0 if it has none
	// heardOf and heard are, from a follower, 0 and the number of the leader's last tick, and
	// from a leader the process of the receiver and the number of its last tick that was heard
	// by one who is known to have led then.
	heardOf  core.Registration
	heard    uint64
	durable  uint64 // from a leader whose disk has its term: the last entry there; else 0
	flags    tickFlags
	offsetMs int64 // from a leader: how far the receiver's clock is ahead, 0 if it is good
	// digests are, from a follower, the newest of its State's, and from a leader the last one
	// that a majority has.
	digests []indexDigest
}

type tickFlags uint8

const (
	tickLow      tickFlags = 1 << iota // the sender's disk is nearly full
	tickDisputed                       // from a leader: no majority has one State
	tickJudged                         // from a leader: offsetMs has a meaning
	tickFlagsEnd
)

// indexDigest is the State's digest behind an entry.
type indexDigest struct {
	index  uint64
	digest [16]byte
}

func (t *tickNews) appendTo(b []byte) []byte {
	for _, v := range [...]uint64{t.term, t.number, uint64(t.registration), uint64(t.heardOf),
		t.heard, t.durable, uint64(t.flags)} {
		b = binary.AppendUvarint(b, v)
	}
	b = binary.AppendVarint(b, t.offsetMs)
	b = binary.AppendUvarint(b, uint64(len(t.digests)))
	for i := range t.digests {
		b = binary.AppendUvarint(b, t.digests[i].index)
		b = append(b, t.digests[i].digest[:]...)
	}
	return b
}

func (t *tickNews) decode(r *varint.Reader) {
	t.term, t.number = r.Uvarint(), r.Uvarint()
	t.registration, t.heardOf = core.Registration(r.Uvarint()), core.Registration(r.Uvarint())
	t.heard, t.durable = r.Uvarint(), r.Uvarint()
	flags := r.Uvarint()
	if t.flags = tickFlags(flags); flags >= uint64(tickFlagsEnd) {
		r.Fail()
	}
	t.offsetMs = r.Varint()
	n := r.Uvarint()
	if n > mostDigests {
		r.Fail()
		return
	}
	for range n {
		d := indexDigest{index: r.Uvarint()}
		r.Fill(d.digest[:])
		t.digests = append(t.digests, d)
	}
}

// mostDigests bounds the digests in one message.
const mostDigests = 8

// echo is what a leader knows of the ticks of a voter: that is how both learn which reports of
// signs of life were taken into account by one who led (see confirm).
//
// Invariant: confirmed <= pending <= last, all of registration.
type echo struct {
	registration core.Registration
	last         uint64 // the last tick heard
	pending      uint64 // one that was heard before tick since of this leader was sent
	since        uint64
	confirmed    uint64 // one that was heard while this member led for certain
	acked        uint64 // this leader's last tick that it has heard
}

// take takes in a tick of a voter.
func (e *echo) take(n *tickNews) {
	if n.registration != e.registration {
		*e = echo{registration: n.registration, acked: e.acked}
	}
	e.last = max(e.last, n.number)
	e.acked = max(e.acked, n.heard)
}

// confirm is called before a leader sends the tick of that number, with the number of the last
// tick that a quorum has heard. Who has heard tick n of a leader had not voted for another then.
// So no other led before that leader had taken in whatever it took in before it sent n: a later
// leader, who gives everybody a whole time-out, misses nothing of that.
func (e *echo) confirm(number, quorum uint64) {
	if e.since <= quorum {
		e.confirmed = e.pending
		e.pending, e.since = e.last, number
	}
	if mutant.On("replication-touches-confirmed-early") {
		e.confirmed = e.last
	}
}

// sendTicks tells the leader this member's time and who of its clients lives, and as the leader
// all others what every member has stored.
func (r *replica) sendTicks(turn *Turn, work *Work) {
	r.tickNow = false
	if r.leading {
		r.sendLeaderTicks(turn, work)
		return
	}
	if r.lead == 0 {
		return // what there is to tell is kept
	}
	m := peerMessage{kind: peerTick, wallMs: turn.NowMs}
	m.touched = r.touches.report()
	if mutant.Enabled {
		m.touched = append(slices.Clone(m.touched), r.mutation.tell...)
		r.mutation.tell = nil
	}
	if mutant.On("replication-touches-sent-once") {
		r.touches.reports = nil
	}
	m.news = tickNews{term: r.term, number: r.touches.number, heard: r.leaderTick,
		digests: r.digests.newest()}
	if r.own {
		m.news.registration = r.registration
	}
	if r.room.low {
		m.news.flags |= tickLow
	}
	r.send(work, r.lead, &m)
}

func (r *replica) sendLeaderTicks(turn *Turn, work *Work) {
	r.stored = max(r.stored, min(r.everywhere(), r.commit))
	r.touches.report() // its own clients live in its own session clock already
	quorum := r.clocks.heardByQuorum(r.touches.number - 1)
	r.touches.heard(quorum)
	news := tickNews{term: r.term, number: r.touches.number, durable: r.log.last()}
	if agreed, ok := r.judgeDigests(); ok {
		news.digests = []indexDigest{agreed}
		r.digests.said(agreed)
	}
	if r.digests.disputed {
		news.flags |= tickDisputed
	}
	r.judgeClocks(turn, work)
	r.judgeRoom(work)
	if r.ticks-r.ledSince > 2*clockTicks {
		news.flags |= tickJudged
	}
	for i := range r.clocks.voters {
		v := &r.clocks.voters[i]
		v.echo.confirm(r.touches.number, quorum)
		m := peerMessage{kind: peerTick, wallMs: turn.NowMs, stored: r.stored, news: news}
		m.news.heardOf, m.news.heard = v.echo.registration, v.echo.confirmed
		m.news.offsetMs = v.judge.offsetMs
		r.send(work, v.id, &m)
	}
}

// takeTick takes in a peer's clock and the signs of life that it reports. From the leader it
// says what every member has stored, and which reports have been heard.
func (r *replica) takeTick(m *peerMessage, from core.RaftID, monoMs int64, work *Work) {
	if m.news.durable > 0 {
		r.note(from, Mark{m.news.term, m.news.durable})
	}
	if !r.leading {
		if from == r.lead {
			r.stored = max(r.stored, min(m.stored, r.commit))
		}
		if from == r.lead && m.news.term == r.term {
			r.takeLeaderNews(&m.news, work)
		}
		return
	}
	// What was said in another term may be the last word of a process that has ended, and come
	// late: it shows neither a clock nor that its clients' signs of life would arrive.
	var v *voterClock
	if m.news.term == r.term || mutant.On("sessions-former-term-is-contact") {
		v = r.clocks.heard(from, m.wallMs, monoMs, r.ticks)
	}
	if v != nil && m.news.term == r.term {
		v.echo.take(&m.news)
		v.low = m.news.flags&tickLow != 0
		for _, d := range m.news.digests {
			v.digests = insert(v.digests, d)
		}
	}
	if mutant.On("replication-touches-dropped") {
		return
	}
	if mutant.Enabled {
		m.touched = r.believe(m.touched)
	}
	for _, id := range m.touched {
		r.clock.touch(id)
	}
}

func (r *replica) takeLeaderNews(n *tickNews, work *Work) {
	r.leaderTick = n.number
	if r.own && n.heardOf == r.registration {
		r.touches.heard(n.heard)
	}
	for _, d := range n.digests {
		r.digests.said(d)
	}
	r.digests.disputed = n.flags&tickDisputed != 0
	if n.flags&tickJudged != 0 {
		r.takeClock(n.offsetMs, work)
	}
}

// heardByQuorum is the number of the last tick of this leader that a quorum has heard, counting
// itself.
func (c *clocks) heardByQuorum(own uint64) uint64 {
	heard := own
	for k := range c.self {
		var list []uint64
		if c.self[k] {
			list = append(list, own)
		}
		for i := range c.voters {
			if v := &c.voters[i]; v.votes[k] {
				list = append(list, v.echo.acked)
			}
		}
		if slices.Sort(list); len(list) > 0 {
			heard = min(heard, list[(len(list)-1)/2])
		}
	}
	return heard
}
