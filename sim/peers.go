package sim

import (
	"fmt"
	"slices"

	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/replication"
)

// peerLink is what stands between two hosts: at most one connection at a time, on which whole
// messages arrive in their order, and two paths that may be cut. What is on its way when a
// connection breaks is lost, or comes late: behind what the next connection has brought. No driver
// lets it (see package replication), so that members bear it is more than they must, but where a
// disk was damaged meanwhile they cannot: nothing comes late then.
type peerLink struct {
	w      *World
	r      rng
	hosts  [2]*host
	name   string
	faults rng
	kinds  int // of faults that are planned for it
	up     bool
	epoch  int    // counts connections and their ends
	way    [2]way // to hosts[i]
	// silent is a half-open connection: nothing passes, nobody is told.
	silent bool
	ended  int64   // when the last connection did
	next   int64   // when an attempt to connect is planned, 0: none is
	tries  int     // attempts since the last connection
	sides  [2]side // of hosts[i]
	// late is the epoch whose messages come late, if they were on their way when it ended.
	late int
}

// way is one direction of a peerLink.
type way struct {
	delay int64     // microseconds
	far   int64     // so much more, by a fault
	last  int64     // when the last message arrives,
	later int64     // and the last late one
	cuts  int       // by how many faults it is cut
	held  []*parcel // while it is cut, in the order sent
	under []*parcel // on their way
	count int       // of parcels sent
}

// parcel is some messages of one turn on their way.
type parcel struct {
	number  int // in the order sent
	trip    int // how often it was sent on its way
	epoch   int // of the link
	process int // epoch of the receiving host
	late    bool
	shake   bool // it belongs to a handshake
	arrow   int  // in the film; 0: none
	sent    int64
	from    core.RaftID
	data    [][]byte
	tells   []*telling
}

// connectPeers makes the links between all hosts.
func (w *World) connectPeers() {
	for i, a := range w.hosts {
		for _, b := range w.hosts[:i] {
			name := fmt.Sprintf("path %d-%d", b.id, a.id)
			l := &peerLink{w: w, r: newRNG(w.luck, name), hosts: [2]*host{b, a}, late: -1,
				name: name, faults: gatedRNG(w.seed, name+"/faults")}
			for i := range l.way {
				l.way[i].delay = l.r.between(w.k.PeerDelayUs/4, w.k.PeerDelayUs)
			}
			w.peers = append(w.peers, l)
			l.plan()
		}
	}
}

// peerLink returns the link between two hosts.
func (w *World) peerLink(a, b *host) *peerLink {
	lo, hi := min(a.id, b.id)-1, max(a.id, b.id)-1
	return w.peers[hi*(hi-1)/2+lo]
}

func (l *peerLink) index(h *host) int {
	if l.hosts[0] == h {
		return 0
	}
	return 1
}

// plan decides what befalls the link by itself.
func (l *peerLink) plan() {
	k := &l.w.k
	l.repeat(k.PeerResetMs, func() {
		l.w.meet(faultPeerReset)
		l.reset()
	})
	l.repeat(k.PeerBlackMs, func() {
		l.w.meet(faultPeerHalfOpen)
		l.silent = true
		l.hush(true)
		epoch := l.epoch
		l.w.clock.after(l.faults.between(second/2, 10*second), func() {
			if l.epoch == epoch {
				l.reset()
			}
		})
	})
	l.repeat(k.PeerStallMs, func() {
		l.w.meet(faultPeerStall)
		way := &l.way[l.faults.IntN(2)]
		way.last = max(way.last, l.w.clock.now) + l.faults.spread(300*millisecond)
	})
}

// repeat lets something befall the connection, if there is one, again and again.
func (l *peerLink) repeat(meanMs int64, do func()) {
	l.kinds++
	if meanMs == 0 {
		return
	}
	a := l.w.actor(fmt.Sprintf("%s/%d", l.name, l.kinds), l.faults)
	var again func()
	again = func() {
		a.wait(meanMs*millisecond, func() {
			if l.w.calm {
				return
			}
			if l.up && !l.silent {
				a.act(do)
			} else {
				a.step++
			}
			again()
		})
	}
	again()
}

// send gives messages to the connection, if there is one.
func (l *peerLink) send(from *host, out []replication.Outgoing, taken int) {
	w, i := l.w, 1-l.index(from)
	to := l.hosts[i]
	if s := &l.sides[1-i]; !s.met || s.peer.RaftID != out[0].To {
		w.count[countPeerLost] += int64(len(out))
		return
	}
	p := &parcel{epoch: l.epoch, process: to.epoch, sent: w.clock.now, from: from.raftID(),
		data: make([][]byte, len(out))}
	for n := range out {
		if t := from.vigil.tells(from, to, out[n].Data, taken); t != nil {
			p.tells = append(p.tells, t)
		}
		p.data[n] = out[n].Data
		w.trace.add(w.clock.now, tracePeer, from.id<<8|to.id, out[n].Data)
	}
	w.count[countPeerMessages] += int64(len(out))
	if w.spoke != nil {
		w.spoke[p.from] = w.clock.now
	}
	p.arrow = l.shoot(from, to, out)
	l.push(i, p)
}

// push gives a parcel to the connection, if there is one.
func (l *peerLink) push(i int, p *parcel) {
	if !l.up || l.silent {
		l.w.count[countPeerLost] += int64(len(p.data))
		return
	}
	l.way[i].count++
	p.number = l.way[i].count
	if l.way[i].cuts > 0 {
		l.way[i].hold(p)
		return
	}
	l.carry(i, p)
}

// hold keeps a parcel while the way is cut. What was on its way before comes before what was sent
// since.
func (w *way) hold(p *parcel) {
	at, _ := slices.BinarySearchFunc(w.held, p.number, func(q *parcel, number int) int {
		return q.number - number
	})
	w.held = slices.Insert(w.held, at, p)
}

// carry lets a parcel arrive in time.
func (l *peerLink) carry(i int, p *parcel) {
	w, k, way := l.w, &l.w.k, &l.way[i]
	delay := way.delay/2 + l.r.spread(way.delay/2)
	if !w.calm {
		delay += way.far
	}
	if !w.calm && l.r.chance(k.PeerSlowPerMille) {
		w.count.add(faultPeerSlow)
		delay += l.r.spread(200 * millisecond)
	}
	from := w.clock.now
	if k.PeerOneInFlight != 0 && !w.calm {
		from = max(from, way.last)
	}
	way.last = max(way.last, from+delay)
	way.under = append(way.under, p)
	p.trip++
	trip := p.trip
	w.clock.after(way.last-w.clock.now, func() {
		if p.trip == trip {
			way.under = slices.DeleteFunc(way.under, func(q *parcel) bool { return q == p })
			l.arrive(i, p)
		}
	})
}

func (l *peerLink) arrive(i int, p *parcel) {
	w, way, to := l.w, &l.way[i], l.hosts[i]
	switch old := p.late || p.epoch != l.epoch; {
	case to.epoch != p.process || !to.up:
		return
	case old && l.hosts[1-i].damaged >= p.sent:
		w.count[countPeerLost] += int64(len(p.data))
		return
	case p.late:
	case p.epoch != l.epoch && p.epoch == l.late && !p.shake:
		p.late = true
		w.count.add(faultPeerLate)
		way.later = max(way.later, w.clock.now+l.r.spread(300*millisecond))
		w.clock.after(way.later-w.clock.now, func() { l.arrive(i, p) })
		return
	case p.epoch != l.epoch || l.silent:
		w.count[countPeerLost] += int64(len(p.data))
		return
	case way.cuts > 0:
		way.hold(p)
		return
	}
	w.lags(w.clock.now - p.sent)
	if p.arrow > 0 {
		w.film.Arrows[p.arrow-1].Came = w.clock.now
	}
	switch {
	case !p.shake:
		to.receive(p)
	case to.paused:
		to.after(0, func() {
			if l.epoch == p.epoch {
				l.hear(i, p.data)
			}
		})
	default:
		to.run(func() { l.hear(i, p.data) })
	}
}

// cut cuts the way to a host, or opens it again: what was held arrives then.
func (l *peerLink) cut(to *host, cut bool) {
	i := l.index(to)
	way := &l.way[i]
	if cut {
		way.cuts++
		l.darken(i, way.cuts == 1)
		return
	}
	if way.cuts--; way.cuts > 0 {
		return
	}
	l.darken(i, false)
	l.release(i)
}

// release sends what was held on its way again, and behind it all that was sent later: what is
// under way already would overtake it (seed 60003400 of 9f2dea0).
func (l *peerLink) release(i int) {
	way := &l.way[i]
	if len(way.held) == 0 {
		return
	}
	first := way.held[0].number
	for _, p := range way.under {
		if p.number > first {
			way.hold(p)
		}
	}
	way.under = slices.DeleteFunc(way.under, func(p *parcel) bool { return p.number > first })
	held := way.held
	way.held = nil
	for _, p := range held {
		l.carry(i, p)
	}
}

// isCut says whether one of the ways is.
func (l *peerLink) isCut() bool { return l.way[0].cuts > 0 || l.way[1].cuts > 0 }

// lags notes how long something took between two hosts.
func (w *World) lags(us int64) {
	w.peerLag = max(w.peerLag, us)
	if w.calm && w.clock.now-w.calmAt > answerWithin/2 {
		w.calmLag = max(w.calmLag, us)
	}
}

// reset breaks the connection: both ends learn of it, each in its time.
func (l *peerLink) reset() {
	l.end([2]int64{l.r.spread(2 * l.way[0].delay), l.r.spread(2 * l.way[1].delay)})
}

// end ends the connection. Who still runs is told after so many microseconds; a new connection may
// be there before that, and is all it learns of then.
func (l *peerLink) end(told [2]int64) {
	if !l.up {
		return
	}
	w := l.w
	l.hush(false)
	l.up, l.silent, l.ended = false, false, w.clock.now
	haunted := l.hosts[0].haunts || l.hosts[1].haunts
	if l.late = -1; (l.r.chance(w.k.PeerLatePerMille) || haunted) && !w.calm {
		l.late = l.epoch
	}
	l.epoch++
	l.way[0].held, l.way[1].held = nil, nil
	for i, h := range l.hosts {
		old := l.sides[i]
		s := &l.sides[i]
		*s = side{owed: old.owed}
		switch {
		case !h.up:
			s.owed = 0
		case old.met && old.peer.RaftID != 0:
			s.owed = old.peer.RaftID
		}
		h.notice(told[i], func() {
			if !l.sides[i].met { // else that is all it learns
				id := l.sides[i].owed
				l.sides[i].owed = 0
				h.part(l.hosts[1-i], id)
			}
		})
	}
	w.count.add(countPeerConnectionsLost)
	l.tries = 0
	l.try(min(told[0], told[1]) + l.r.between(millisecond, 20*millisecond))
}

// orphan ends the connection of a host whose process has ended. Its kernel tells the other side, if
// it has power, and if it can be heard.
func (l *peerLink) orphan(other *host, dark bool) {
	var told [2]int64
	i := l.index(other)
	told[i] = l.r.spread(2 * l.way[i].delay)
	if dark || l.silent || l.way[i].cuts > 0 {
		told[i] = l.r.between(second, 10*second)
	}
	if l.w.toldUs != 0 {
		told[i] = l.w.toldUs
	}
	told[1-i] = told[i]
	l.end(told)
}

// try plans an attempt to connect, unless there is an earlier one: a host that comes back asks at
// once, though the others have not noticed yet that it was gone.
func (l *peerLink) try(delay int64) {
	at := l.w.clock.now + delay
	if l.up || l.next != 0 && l.next <= at {
		return
	}
	l.next = at
	l.w.clock.after(delay, func() {
		if l.next == at {
			l.attempt()
		}
	})
}

// attempt is one attempt of either side to connect, which waits longer after each in vain.
func (l *peerLink) attempt() {
	l.next = 0
	i := l.r.IntN(2)
	if !l.hosts[i].up {
		i = 1 - i
	}
	from, to := l.hosts[i], l.hosts[1-i]
	if l.up || !from.up || l.w.over {
		return // who starts tries again
	}
	switch {
	case l.isCut(): // silence
	case !to.up && !to.dark:
		other := to.raftID()
		from.notice(l.way[i].delay, func() { from.part(to, other) })
	case to.up:
		l.established(i)
		return
	}
	l.tries++
	l.try(l.r.between(5*millisecond, 10*millisecond<<min(l.tries, 5)))
}

// established: the connection that hosts[i] has asked for is there. The other side learns of it
// first.
func (l *peerLink) established(i int) {
	l.up = true
	l.epoch++
	l.w.lags(l.w.clock.now - l.ended)
	for at, h := range l.hosts {
		delay, epoch := int64(0), l.epoch
		if at == i {
			delay = l.way[at].delay
		}
		l.way[at].last = l.w.clock.now + delay
		h.notice(delay, func() {
			if l.epoch == epoch {
				l.greet(at, at == i)
			}
		})
	}
}

// heal ends what is wrong with the link.
func (l *peerLink) heal() {
	if l.silent {
		l.reset()
	}
	for i, h := range l.hosts {
		for l.way[i].cuts > 0 {
			l.cut(h, false)
		}
	}
	l.tries = 0
}

// raftID is the one under which the host's member is known, 0 if its disk is empty.
func (h *host) raftID() core.RaftID { return h.self.RaftID }

// notice lets the process learn something after a while, in an event of its own.
func (h *host) notice(delay int64, do func()) {
	if h.up {
		h.after(delay, do)
	}
}

// receive takes messages of a peer. Those that come to a paused process wait in its kernel, and
// are all there when it goes on.
func (h *host) receive(p *parcel) {
	if h.member == nil {
		return
	}
	take := func() {
		for _, t := range p.tells {
			if p.late { // what it tells was told again before
				t.n = 0
			}
			h.vigil.heeds = append(h.vigil.heeds, *t)
		}
		for _, b := range p.data {
			h.turn.Received = append(h.turn.Received, replication.Received{From: p.from, Data: b})
			h.spoil(p.from, b)
		}
	}
	if h.paused {
		take()
		return
	}
	h.run(func() {
		h.boundary(faultCrashReceive)
		take()
		h.wake()
	})
}

// speak gives messages to the peers.
func (h *host) speak(out []replication.Outgoing, taken int) {
	for len(out) > 0 {
		n := 1
		for n < len(out) && out[n].To == out[0].To {
			n++
		}
		if n > 1 && h.pace.chance(100) {
			n = int(h.pace.between(1, int64(n)))
		}
		h.boundary(faultCrashPeerSend)
		if to := h.w.byRaftID(out[0].To); to != nil {
			h.w.peerLink(h, to).send(h, out[:n], taken)
		}
		out = out[n:]
		h.boundary(faultCrashPeerSend)
	}
}

// byRaftID returns the host of a member, nil if its disk is gone.
func (w *World) byRaftID(id core.RaftID) *host {
	for _, h := range w.hosts {
		if h.raftID() == id && !h.gone {
			return h
		}
	}
	return nil
}
