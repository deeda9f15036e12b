package replication

import (
	"fmt"
	"slices"
	"strings"

	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/wire"
)

// servingScenarios are about who is served, when, and how long.
var servingScenarios = []scenario{
	{name: "signs of life lost with their connection", cfg: brief(), do: lostTouches},
	{name: "a write whose sign of life is lost", cfg: brief(), do: writeIsLife},
	{name: "signs of life told to a deposed leader", cfg: brief(), do: deposedTouches, n: 5},
	{name: "signs of life given to a deposed leader", cfg: brief(), do: deposedOwnTouches, n: 5},
	{name: "a follower without a leader", cfg: lonely(), do: func(w *world) {
		w.settle()
		withoutLeader(w, w.followers()[0])
	}},
	{name: "a leader without a quorum", cfg: lonely(),
		do: func(w *world) { withoutLeader(w, w.settle()) }},
	{name: "a follower's State differs", cfg: Config{DigestEntries: 8},
		do: func(w *world) { w.settle(); differs(w, w.followers()[0]) }},
	{name: "a leader's State differs", cfg: Config{DigestEntries: 8},
		do: func(w *world) { differs(w, w.settle()) }},
	{name: "nobody knows whose State is right", cfg: Config{DigestEntries: 8}, do: dispute},
	{name: "one is left while members differ", cfg: disputable(), do: leftInDispute, n: 2},
	{name: "a follower's clock is named", do: func(w *world) {
		w.settle()
		namedClock(w, w.followers()[0])
	}},
	{name: "a leader's clock is named", do: func(w *world) { namedClock(w, w.settle()) }},
	{name: "a leader's disk is low", do: lowLeader},
	{name: "no quorum has room", do: noRoom},
	{name: "clients want much of a member without a leader", cfg: bounded(), do: boundedAlone},
	{name: "clients want much and disks are slow", cfg: bounded(), do: boundedSlow},
	{name: "a leader takes in next to nothing", cfg: Config{MaxIntakeBytes: 3}, n: 5,
		do: func(w *world) {
			for _, h := range w.hosts {
				w.quiet(h, 20000)
			}
		}},
	{name: "an attach races its session's expiry", cfg: brief(), do: attachRaces},
	{name: "the vote is split", do: splitVote, n: 5},
	{name: "nobody is served", cfg: Config{SyncLimitMs: 1000}, do: nobodyServed},
}

// lonely keeps clients for a second without a leader, and then serves those who only read.
func lonely() Config { return Config{SyncLimitMs: 1000, ReadOnlyMode: true} }

// disputable is a world whose members are compared often, and may change.
func disputable() Config {
	cfg := reconfigurable()
	cfg.DigestEntries = 1
	return cfg
}

// brief lets sessions be short.
func brief() Config { return Config{Settings: core.Settings{MinSessionTimeoutMs: 400}} }

// quiet opens a session whose client gives a sign of life only when it is told to.
func (w *world) quiet(h *host, timeoutMs int32) *client {
	c := &client{w: w, n: len(w.clients) + 1, timeout: timeoutMs, asked: map[int32]ask{}}
	w.clients = append(w.clients, c)
	c.connect(h)
	w.must(20, "a new client is served", func() bool { return c.acked == 1 })
	return c
}

func (c *client) live() { c.feed(request(nil, wire.XidPing, wire.OpPing, nil)) }

// breakUp breaks the connections between two groups and lets no new ones come up.
func (w *world) breakUp(a, b []*host) {
	for _, h := range a {
		for _, o := range b {
			w.link(h.id, o.id).split(true)
			w.link(h.id, o.id).fail()
		}
	}
}

// rejoin lets connections between all come up again.
func (w *world) rejoin() {
	for _, h := range w.hosts {
		for _, o := range w.hosts[:h.id-1] {
			w.link(h.id, o.id).split(false)
		}
	}
}

// lostTouches: a client's only sign of life in most of its time-out goes down with a connection,
// or is given while its member knows of no leader.
func lostTouches(w *world) {
	lead := w.settle()
	f := w.followers()[0]
	c := w.quiet(f, 2000)
	w.run(100_000)
	c.live()
	w.run(1_500_000)
	l := w.link(lead.id, f.id)
	if w.seed%2 == 0 {
		lost := false
		l.lose = func(to int, data []byte) bool {
			m, err := decodePeer(data)
			lost = lost || err == nil && m.kind == peerTick && len(m.touched) > 0
			return lost
		}
		c.live()
		w.must(4, "a sign of life is lost", func() bool { return lost })
		l.fail()
		l.lose = nil
	} else {
		l.split(true)
		l.fail()
		w.run(1000)
		c.live()
		w.run(100_000)
		l.split(false)
	}
	w.run(1_600_000)
	c.live()
	w.run(1_000_000)
	if w.judge.ended[sessionOf(c)] {
		w.violate("a session expired whose client was never silent for long")
	}
	c.silent = true
	w.must(60, "a silent session expires", func() bool { return w.judge.ended[sessionOf(c)] })
}

// writeIsLife: the tick behind a client's write is lost with the connection. The write is
// committed: its session has not been silent.
func writeIsLife(w *world) {
	lead := w.settle()
	f := w.followers()[0]
	c := w.quiet(f, 2000)
	w.run(1_500_000 + w.spread(50_000))
	l := w.link(lead.id, f.id)
	taken, lost := false, false
	l.lose = func(to int, data []byte) bool {
		m, err := decodePeer(data)
		taken = taken || err == nil && m.kind == peerBatch
		lost = lost || taken && err == nil && m.kind == peerTick && len(m.touched) > 0
		return lost
	}
	c.write()
	w.must(4, "the tick behind the write is lost", func() bool { return lost })
	l.split(true)
	l.fail()
	l.lose = nil
	w.run(1_300_000)
	if w.judge.ended[sessionOf(c)] {
		w.violate("a session expired whose client had a write committed in time")
	}
	l.split(false)
	c.silent = true
	w.must(60, "a silent session expires", func() bool { return w.judge.ended[sessionOf(c)] })
}

// deposedTouches: a follower tells a leader who lives, that leads no more and does not know.
func deposedTouches(w *world) {
	w.settle()
	toDeposed(w, w.followers()[0])
}

// deposedOwnTouches: the client is one of the deposed leader's own.
func deposedOwnTouches(w *world) { toDeposed(w, w.settle()) }

func toDeposed(w *world, at *host) {
	lead, f := w.leader(), w.followers()
	c := w.quiet(at, 1000)
	w.run(w.spread(50_000))
	c.live()
	w.breakUp([]*host{lead, f[0]}, f[1:])
	w.must(10, "another leads", func() bool { return w.leader() != lead })
	began := w.now
	w.run(300_000)
	c.live()
	w.run(100_000)
	if w.seed == 0 && !lead.member.Leading() {
		w.violate("the deposed leader knows already: the scenario shows nothing")
	}
	w.rejoin()
	w.run(began + 1_200_000 - w.now)
	if w.judge.ended[sessionOf(c)] {
		w.violate("a session expired whose client was never silent for long")
	}
	c.silent = true
	w.must(60, "a silent session expires", func() bool { return w.judge.ended[sessionOf(c)] })
}

// visit opens a connection whose client does nothing by itself.
func (w *world) visit(h *host, readOnly bool) *client {
	c := w.guest(6000)
	c.readOnly = readOnly
	c.connect(h)
	return c
}

// guest is such a client, not connected yet.
func (w *world) guest(timeoutMs int32) *client {
	c := &client{w: w, n: len(w.clients) + 1, timeout: timeoutMs, viewer: true,
		asked: map[int32]ask{}}
	w.clients = append(w.clients, c)
	return c
}

// saw compares what a viewer was told.
func (c *client) saw(want ...string) {
	if !slices.Equal(c.answers, want) {
		c.w.violate("client %d was told %q, want %q", c.n, c.answers, want)
	}
	c.answers = nil
}

// withoutLeader: one member is cut off for long. Its clients stay for a while and go elsewhere
// then; who takes a read-only server may read there until there is a leader again.
func withoutLeader(w *world, h *host) {
	c := w.session(h)
	for _, o := range w.hosts {
		if o != h {
			w.link(h.id, o.id).split(true)
		}
	}
	w.must(60, "no leader is known", func() bool { return h.member.Leader() == 0 })
	w.run(800_000)
	if c.host != h {
		w.violate("a client was closed, and there has been no leader for 0.8 s only")
	}
	w.must(12, "the clients go elsewhere", func() bool { return c.host != h && c.ready })
	viewer := w.visit(h, true)
	if other := w.visit(h, false); other.ended != core.CauseNoLeader {
		w.violate("a client that does not take a read-only server was ended for %v", other.ended)
	}
	c.write()
	w.must(20, "who went elsewhere is served", c.idle)
	viewer.feed(request(nil, 1, wire.OpGetData, &wire.PathWatchRequest{Path: c.path()}))
	viewer.feed(request(nil, 2, wire.OpSetData, &wire.SetDataRequest{Path: c.path()}))
	viewer.feed(request(nil, 3, wire.OpSync, &wire.PathRequest{Path: "/"}))
	viewer.saw("read-only true", "1 0 1", "2 -119 ", "3 -119 ")
	first := viewer.session
	for _, o := range w.hosts {
		if o != h {
			w.link(h.id, o.id).split(false)
		}
	}
	w.must(20, "a read-only client is sent on", func() bool { return viewer.conn == nil })
	if viewer.ended != core.CauseLeaderBack {
		w.violate("a read-only client was ended for %v", viewer.ended)
	}
	viewer.connect(h)
	w.must(20, "it is answered", func() bool { return viewer.ended == core.CauseUnknownSession })
	viewer.saw("read-only false")
	viewer.connect(h)
	w.must(20, "it has a session", func() bool { return viewer.ready })
	viewer.feed(request(nil, 4, wire.OpGetData, &wire.PathWatchRequest{Path: c.path()}))
	viewer.saw("read-only false", "4 0 2")
	if viewer.session == first || core.SessionID(viewer.session).IsReadOnly() {
		w.violate("the session %x was replaced by %x", first, viewer.session)
	}
}

// nobodyServed: of three members two are down. After a while the last one keeps nobody, and when
// there is a leader again everybody is served again.
func nobodyServed(w *world) {
	lead := w.settle()
	c := w.session(lead)
	f := w.followers()
	f[0].crash()
	f[1].crash()
	c.write()
	w.must(60, "the clients are closed", func() bool { return c.conn == nil })
	viewer := w.visit(lead, true)
	if viewer.ended != core.CauseNoLeader {
		w.violate("a new client was ended for %v", viewer.ended)
	}
	f[w.seed%2].start()
	w.must(60, "everybody is served again", w.served)
	w.session(lead)
}

// differs: one member's State is not that of the others. It stops, and they go on.
func differs(w *world, bad *host) {
	good := w.hosts[bad.id%3]
	c := w.session(good)
	w.run(100_000)
	bad.spoil = "/c2"
	w.session(good)
	for range 20 {
		c.write()
		w.run(5_000)
	}
	w.must(10, "a bad State is found", func() bool { return bad.diverged != nil })
	if bad.up && bad.member.Local.Serving() != core.ServingNobody {
		w.violate("a bad State is served")
	}
	w.must(100, "the others go on", func() bool { return w.leader() != nil && w.served() })
	w.session(w.leader())
	for _, h := range w.hosts {
		if h != bad && h.diverged != nil {
			w.violate("member %d has diverged, too", h.id)
		}
	}
}

// dispute: two members differ while the third is down. Both refuse until it tells who is right.
func dispute(w *world) {
	w.settle()
	f := w.followers()
	c := w.session(w.leader())
	f[0].crash()
	bad := f[1]
	if w.seed%2 == 0 {
		bad = w.leader()
	}
	bad.spoil = "/c2"
	w.session(w.leader())
	for range 20 {
		c.write()
		w.run(5_000)
	}
	refused := func(h *host) bool {
		return slices.ContainsFunc(h.notices, func(n Notice) bool {
			return n.Kind == NoticeServing && n.Cause == core.CauseDisputed
		})
	}
	w.must(30, "both refuse", func() bool {
		for _, h := range w.hosts {
			if h != f[0] && (!refused(h) || h.member.Local.Serving() != core.ServingNobody) {
				return false
			}
		}
		return true
	})
	if bad.diverged != nil {
		w.violate("one of two was taken for the bad one")
	}
	w.run(8_000_000) // longer than the sessions live
	f[0].start()
	w.must(60, "the third tells who is bad", func() bool { return bad.diverged != nil })
	w.must(100, "the others go on", func() bool { return w.leader() != nil && w.served() })
}

// leftInDispute: of two members that differ one is about to leave. The other is a majority of its
// own then: it serves, and sessions expire.
func leftInDispute(w *world) {
	lead := w.settle()
	left := w.followers()[0]
	c := w.session(lead)
	lead.spoil = "/c2"
	silent := w.session(lead)
	left.syncUs = 400_000 // so that it cannot lead at once
	c.reconfig(nil, lead.id)
	w.must(200, "it refuses", func() bool {
		return left.member.Local.Serving() == core.ServingNobody
	})
	if left.member.replica.alone {
		w.violate("members differ that are none any more: the scenario shows nothing")
	}
	silent.silent, left.syncUs = true, 0
	w.must(200, "one is left", func() bool {
		return left.member.replica.alone && left.member.Leading()
	})
	w.must(2, "it serves", func() bool { return left.member.Local.Serving() == core.ServingAll })
	w.must(200, "a silent session expires", func() bool {
		return w.judge.ended[sessionOf(silent)]
	})
}

// namedClock: one clock is far off for a while. The leader and the member itself are told, once,
// and once when it is good again.
func namedClock(w *world, bad *host) {
	off := int64(365 * 86_400_000)
	if w.seed%2 == 0 {
		off = -5000
	}
	told := func(h *host) (list []int64) {
		for _, n := range h.notices {
			if n.Kind == NoticeClock && n.Member != core.RaftID(bad.id) {
				w.violate("%v, but it is that of member %d", n, bad.id)
			}
			if n.Kind == NoticeClock {
				list = append(list, n.OffsetMs)
			}
		}
		return list
	}
	w.run(1_000_000)
	bad.wall += off
	w.run(1_000_000)
	bad.wall -= off
	w.run(1_000_000)
	for _, h := range w.hosts {
		list := told(h)
		if h != bad && h != w.leader() {
			if len(list) > 0 {
				w.violate("member %d was told %v, whom it does not concern", h.id, list)
			}
			continue
		}
		if len(list) != 2 || max(list[0]-off, off-list[0]) > 200 || list[1] != 0 {
			w.violate("member %d was told %v, want about %d and then 0", h.id, list, off)
		}
	}
	bad.wall += off
	w.run(1_000_000)
	w.leader().crash()
	w.run(2_000_000)
	if l := w.leader(); bad.up && !slices.Contains(told(l), off) && len(told(l)) == 0 {
		w.violate("the next leader has told nothing")
	}
	if bad.up && len(told(bad)) > 3 {
		w.violate("member %d was told %v: again for each leader", bad.id, told(bad))
	}
}

// lowLeader: a leader whose disk is nearly full hands over, and nobody notices.
func lowLeader(w *world) {
	lead := w.settle()
	var list []*client
	for _, h := range w.hosts {
		c := w.session(h)
		c.work(2000)
		list = append(list, c)
	}
	low := w.followers()[w.seed%2]
	low.free = 1 << 20
	w.run(200_000)
	if w.leader() != lead {
		w.violate("a follower's disk has moved the leader")
	}
	lead.free = 1 << 20
	w.must(10, "another leads", func() bool { return w.leader() != lead })
	w.run(100_000)
	if w.leader() == low {
		w.violate("one whose disk is low was given the lead")
	}
	for _, c := range list {
		c.write()
	}
	w.calm = true
	w.must(10, "all are served", w.served)
	for _, c := range list {
		if c.lost > 0 {
			w.violate("client %d was disconnected", c.n)
		}
	}
	low.free, lead.free = 0, 0
	w.run(1_000_000)
}

// noRoom: two of three disks are nearly full, or one is and another member is down. What grows is
// refused until there is room again; all else goes on.
func noRoom(w *world) {
	w.settle()
	v := w.visit(w.leader(), false)
	w.must(10, "a session", func() bool { return v.ready })
	v.answers = nil
	set := func(data string) *wire.SetDataRequest {
		return &wire.SetDataRequest{Path: "/a", Data: []byte(data), Version: -1}
	}
	xid := int32(0)
	do := func(op wire.OpCode, q record, want wire.ErrorCode) {
		xid++
		v.feed(request(nil, xid, op, q))
		w.must(10, "an answer", func() bool { return len(v.answers) > 0 })
		if !strings.HasPrefix(v.answers[0], fmt.Sprintf("%d %d ", xid, want)) {
			w.violate("request %d, %v, is answered %q, want %v", xid, op, v.answers[0], want)
		}
		v.answers = nil
	}
	do(wire.OpCreate, create("/a"), 0)
	do(wire.OpSetData, set("123"), 0)
	for _, h := range w.followers() {
		h.free = 1 << 20
	}
	w.run(200_000)
	do(wire.OpCreate, create("/b"), wire.CodeQuotaExceeded)
	do(wire.OpSetData, set("1234"), wire.CodeQuotaExceeded)
	do(wire.OpSetData, set("32"), 0)
	f := w.followers()
	f[0].free = 0
	w.run(200_000)
	do(wire.OpCreate, create("/c"), 0)
	f[0].crash()
	w.run(1_000_000)
	do(wire.OpCreate, create("/d"), wire.CodeQuotaExceeded)
	do(wire.OpDelete, &wire.DeleteRequest{Path: "/c", Version: -1}, 0)
	f[0].start()
	w.run(500_000)
	do(wire.OpCreate, create("/d"), 0)
}

// splitVote: two of four have a longer log when the leader's process is lost. Both overtake the
// first in line at once and split the vote.
func splitVote(w *world) {
	w.rttUs = 8000
	for round := range uint64(4) {
		lead := w.settle()
		f := w.followers()
		c := w.session(f[0])
		w.run(50_000 + w.spread(50_000))
		for i := range f {
			if uint64(i)%2 == (w.seed+round)%2 {
				w.link(lead.id, f[i].id).sever(f[i].id, true)
			}
		}
		w.session(lead).silent = true
		w.run(500)
		lead.crash()
		for _, h := range f {
			w.link(lead.id, h.id).split(false)
		}
		c.write()
		w.must(5, "service after the leader's end", c.idle)
		lead.start()
		w.run(200_000)
	}
}
