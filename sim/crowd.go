package sim

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/vivariumdb/vivarium/wire"
)

// crowd is many clients that come at once and do the same: they watch one znode, so that one
// change tells all of them, leave their connections all at once and come back with their watches,
// and go again. Each has a session, some an ephemeral.
type crowd struct {
	w       *World
	r       rng
	members []*rawClient
	path    string // of the znode that all watch
	cries   int
	moves   *actor
	calls   *actor
}

// planCrowd lets a crowd come some time in the first half of the world.
func (w *World) planCrowd() {
	if w.k.Crowd == 0 {
		return
	}
	g := &crowd{w: w, r: newRNG(w.seed, "crowd"), path: "/beacon"}
	g.moves, g.calls = w.actor("crowd/move", g.r), w.actor("crowd/cry", g.r)
	at := w.gaps.warp(g.r.between(0, w.k.DurationMs/2) * millisecond)
	w.clock.after(at, func() {
		if !w.calm && w.comes("crowd", "comes") {
			g.come()
		}
	})
}

func (g *crowd) come() {
	w := g.w
	w.count.add(countCrowds)
	for i := range w.k.Crowd {
		w.nextID++
		if !w.comes(fmt.Sprintf("crowd/%d", i+1), "comes") {
			continue
		}
		c := newRawClient(w, w.nextID)
		c.ip = netip.AddrFrom4([4]byte{10, 1, byte(i / 250), byte(1 + i%250)})
		c.crowd, c.manual = g, true
		c.backlog = []func(){c.joined}
		g.members = append(g.members, c)
		w.clients = append(w.clients, c)
		w.clock.after(c.r.spread(50*millisecond), c.start)
	}
	stay := g.r.between(500, 3000) * millisecond
	for range g.r.between(0, 3) {
		w.clock.after(g.r.between(0, stay), func() { g.moves.act(g.move) })
	}
	for range g.r.between(1, 6) {
		w.clock.after(g.r.between(0, stay), func() { g.calls.act(g.cry) })
	}
	w.clock.after(stay, g.disperse)
}

// joined is what a member does on its first connection.
func (c *rawClient) joined() {
	if c.r.chance(200) {
		q := c.gen.create("/crowd-", wire.FlagEphemeralSequential)
		c.conn.request(q.op, q.body)
	}
	c.look()
}

// look watches in one of the ways there are.
func (c *rawClient) look() {
	path := c.crowd.path
	op := pick(c.r, []wire.OpCode{wire.OpExists, wire.OpGetData, wire.OpGetChildren})
	if c.r.chance(200) {
		mode := wire.AddWatchRequest{Path: pick(c.r, []string{path, "/"}),
			Mode: int32(c.r.IntN(2))}
		c.conn.request(wire.OpAddWatch, mode.AppendTo(nil))
	}
	q := c.gen.readOf(op, path, true)
	c.conn.request(q.op, q.body)
}

// told is what a member does with an event: it looks again, some of the time.
func (c *rawClient) told(conn *rawConn) {
	if conn == c.conn && conn.open && !c.finishing && !conn.closing && c.r.chance(500) {
		c.look()
	}
}

// move lets all members lose their connections in the same moment.
func (g *crowd) move() {
	for _, c := range g.members {
		if c.conn != nil && !c.finishing {
			g.w.count.add(faultCrowdMoved)
			c.conn.close()
		}
	}
}

// cry changes what all watch, through one of them.
func (g *crowd) cry() {
	served := slices.DeleteFunc(slices.Clone(g.members), func(c *rawClient) bool {
		return c.conn == nil || !c.conn.open || c.conn.closing
	})
	if len(served) == 0 {
		return
	}
	c := pick(g.r, served)
	g.cries++
	list := []asked{c.gen.create(g.path, 0), c.gen.set(g.path),
		c.gen.create(fmt.Sprintf("%s/c%d", g.path, g.cries), 0)}
	if g.cries%3 == 0 {
		list = append(list, c.gen.remove(fmt.Sprintf("%s/c%d", g.path, g.cries)),
			c.gen.remove(g.path))
	}
	for _, q := range list {
		g.w.say("%s", describe(q))
		c.conn.request(q.op, q.body)
	}
}

// disperse ends the crowd: most close their sessions, the rest is just gone.
func (g *crowd) disperse() {
	for _, c := range g.members {
		if c.finishing {
			continue
		}
		c.finish()
		if !c.finished && g.r.chance(200) {
			c.finished = true
			if c.conn != nil {
				c.conn.close()
			}
		}
	}
}
