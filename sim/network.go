package sim

import (
	"fmt"

	"github.com/vivariumdb/vivarium/linearizability"
)

// network makes links. Within a link nothing is reordered or repeated; what is in flight when it
// breaks is lost.
type network struct {
	w     *World
	clock *clock
	k     *Knobs
	count *counters
	calm  bool // no more faults
	links []*link
}

// link is one connection between a client and the host: two pipes.
type link struct {
	net    *network
	id     int64
	name   string
	r      rng
	faults int
	reel   *reel
	host   int64 // whose process the server's end belongs to
	client end
	server end
	// black swallows everything in both directions, and tells nobody.
	black bool
	// generation is the session's that the host's process says this connection has.
	generation uint64
}

// end is what one side holds of a link.
type end struct {
	link *link
	peer *end
	in   pipe
	// The owner sets these; each is called in an event of its own.
	readable func()
	writable func()
	gone     func(cause string)

	blocked bool // the owner waits for room to write
	over    bool // nothing is read or written any more
	fin     bool // the owner has closed: nothing is written any more
}

// pipe is one direction: what the end that holds it will read.
type pipe struct {
	delay    int64 // microseconds
	window   int   // bytes that may be on the way or unread
	flying   int
	buffered []byte
	last     int64 // when the last segment arrives
	ended    string
}

func (n *network) link(id int64, name string) *link {
	l := &link{net: n, id: id, name: name, r: newRNG(n.w.luck, name)}
	for _, e := range []*end{&l.client, &l.server} {
		e.link = l
		e.in.delay = l.r.between(n.k.DelayUs/4, n.k.DelayUs)
		e.in.window = int(n.k.Window)
		e.readable, e.writable, e.gone = func() {}, func() {}, func(string) {}
	}
	l.client.peer, l.server.peer = &l.server, &l.client
	if l.r.chance(n.k.SmallWindowPerMille) {
		n.count.add(faultSmallWindow)
		l.client.in.window = int(l.r.between(64, 1024))
	}
	if n.calm {
		l.widen()
	} else {
		l.plan()
	}
	n.links = append(n.links, l)
	return l
}

// heal ends what is wrong with the links, now that there are no more faults.
func (n *network) heal() {
	n.calm = true
	for _, l := range n.links {
		if l.black {
			l.reset()
			continue
		}
		l.widen()
		for _, e := range []*end{&l.client, &l.server} {
			if e.peer.blocked && !e.peer.over {
				e.peer.blocked = false
				n.clock.after(0, e.peer.writable)
			}
		}
	}
}

// widen gives both ends windows in which large replies take seconds, not minutes. A link that is
// opened when all is well needs them as much as those that were there: seed 50000375 of 5d8500f.
func (l *link) widen() {
	for _, e := range []*end{&l.client, &l.server} {
		e.in.window = max(e.in.window, 1<<16)
	}
}

// plan decides what befalls the link.
func (l *link) plan() {
	n := l.net
	if n.k.ResetMs > 0 {
		n.clock.after(l.r.spread(n.k.ResetMs*millisecond), func() { l.fault(faultReset, l.reset) })
	}
	if n.k.BlackMs > 0 {
		n.clock.after(l.r.spread(n.k.BlackMs*millisecond),
			func() { l.fault(faultHalfOpen, l.blacken) })
	}
	if n.k.StallMs > 0 {
		n.clock.after(l.r.spread(n.k.StallMs*millisecond), func() { l.fault(faultStall, l.stall) })
	}
}

func (l *link) fault(c counter, f func()) {
	if l.net.calm || l.client.over || l.server.over {
		return
	}
	l.faults++
	w := l.net.w
	if w.selective() {
		id := fmt.Sprintf("%s#%d", l.name, l.faults)
		if !w.comes(id, fmt.Sprintf("%s, connection %d", c.String()[len("fault: "):], l.id)) {
			return
		}
	}
	l.net.count.add(c)
	f()
}

// reset breaks the link: what was in flight is lost, both sides learn of it soon.
func (l *link) reset() {
	l.client.breaks(linearizability.CauseNetwork, l.r.between(0, 2*l.client.in.delay))
	l.server.breaks(linearizability.CauseNetwork, l.r.between(0, 2*l.server.in.delay))
}

// blacken makes the link half-open: nothing passes, nobody is told. In the end both find out.
func (l *link) blacken() {
	l.black = true
	l.net.clock.after(l.r.between(second, 20*second), l.reset)
}

// stall holds back what is on its way, in one direction.
func (l *link) stall() {
	e := &l.client
	if l.r.chance(500) {
		e = &l.server
	}
	e.in.last = max(e.in.last, l.net.clock.now) + l.r.spread(300*millisecond)
	l.net.clock.after(l.r.spread(l.net.k.StallMs*millisecond),
		func() { l.fault(faultStall, l.stall) })
}

// breaks ends this side of the link after delay, without what was not read yet.
func (e *end) breaks(cause string, delay int64) {
	e.in.buffered, e.in.ended = nil, cause
	e.link.black = true
	e.link.net.clock.after(delay, func() { e.end(cause) })
}

// refused learns that the other side has closed and took nothing of what was written since.
func (e *end) refused() {
	cause := e.in.ended
	if cause == "" {
		cause = linearizability.CauseNetwork
	}
	e.breaks(cause, e.in.delay)
}

func (e *end) end(cause string) {
	if e.over {
		return
	}
	e.over = true
	e.gone(cause)
}

// write gives as many bytes as there is room for to the link and says how many.
func (e *end) write(b []byte) int {
	n, to := e.link.net, &e.peer.in
	if e.over || e.fin {
		return len(b) // they go nowhere
	}
	room := to.window - to.flying - len(to.buffered)
	if room < len(b) {
		e.blocked = true
		b = b[:max(room, 0)]
	}
	total := len(b)
	for len(b) > 0 {
		size := len(b)
		if size > 1 && e.link.r.chance(n.k.SplitPerMille) {
			size = int(e.link.r.between(1, int64(size)))
		}
		e.segment(append([]byte(nil), b[:size]...))
		b = b[size:]
	}
	return total
}

func (e *end) segment(b []byte) {
	n, to, r := e.link.net, &e.peer.in, e.link.r
	to.flying += len(b)
	at := n.clock.now + to.delay/2 + r.spread(to.delay/2)
	if !n.calm && r.chance(n.k.SlowSegmentPerMille) {
		n.count.add(faultSlowSegment)
		at += r.spread(200 * millisecond)
	}
	to.last = max(to.last, at)
	n.clock.after(to.last-n.clock.now, func() {
		to.flying -= len(b)
		if e.link.black || to.ended != "" {
			return
		}
		if e.peer.over {
			e.refused() // nobody is there to take it
			return
		}
		to.buffered = append(to.buffered, b...)
		e.peer.readable()
	})
}

// read takes at most limit bytes that have arrived.
func (e *end) read(limit int) []byte {
	n := min(limit, len(e.in.buffered))
	if n == 0 || e.over {
		return nil
	}
	b := e.in.buffered[:n:n]
	e.in.buffered = e.in.buffered[n:]
	if len(e.in.buffered) == 0 {
		e.in.buffered = nil
	}
	if e.peer.blocked {
		e.peer.blocked = false
		e.link.net.clock.after(e.peer.in.delay, func() {
			if !e.peer.over && !e.link.black {
				e.peer.writable()
			}
		})
	}
	return b
}

// close ends the link from this side, after what was written has arrived there.
func (e *end) close(cause string) {
	if e.over || e.fin {
		return
	}
	e.fin = true
	e.over = true
	// Who closes with bytes unread resets the connection: the other side may lose what it has not
	// read, and what it writes goes nowhere.
	rude := len(e.in.buffered)+e.in.flying > 0 &&
		(e == &e.link.client || e.link.r.chance(500))
	to := &e.peer.in
	to.last = max(to.last, e.link.net.clock.now+to.delay)
	e.link.net.clock.after(to.last-e.link.net.clock.now, func() {
		if e.link.black && cause != linearizability.CauseNetwork {
			return
		}
		if rude {
			e.peer.breaks(cause, 0)
			return
		}
		to.ended = cause
		if len(to.buffered) == 0 {
			e.peer.end(cause)
			return
		}
		e.peer.readable() // it reads the rest, then finds the end
	})
}

// finished says whether the other side has closed and all was read.
func (e *end) finished() bool { return e.in.ended != "" && len(e.in.buffered) == 0 }

// kill is close with what was written lost, as when the host goes down.
func (e *end) kill(loseFlying bool) {
	if e.over {
		return
	}
	if loseFlying {
		e.over = true
		e.peer.breaks(linearizability.CauseNetwork, e.peer.in.delay)
		return
	}
	e.close(linearizability.CauseNetwork)
}
