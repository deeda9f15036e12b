package replication

import (
	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/wire"
)

// servingScenarios are about who is served, when, and how long.
var servingScenarios = []scenario{
	{name: "signs of life lost with their connection", cfg: brief(), do: lostTouches},
	{name: "signs of life told to a deposed leader", cfg: brief(), do: deposedTouches, n: 5},
	{name: "signs of life given to a deposed leader", cfg: brief(), do: deposedOwnTouches, n: 5},
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
