package sim

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/vivariumdb/vivarium/client/protocol"
	"github.com/vivariumdb/vivarium/linearizability"
	"github.com/vivariumdb/vivarium/wire"
)

// protocolClient is a client as applications have it: the protocol half of package client, driven
// as that package asks. Its frames are tapped like those of raw clients; what it tells its caller
// is judged here.
type protocolClient struct {
	w   *World
	id  int64
	r   rng
	ip  netip.Addr
	gen *generator
	own *actor
	// mood is why one that follows a recipe does something else.
	mood *actor
	// halfway breaks connections while watches are set again.
	halfway *actor
	broken  bool // the connection of which something has just been read
	// terse says that the client keeps its requests short, and so needs several to set what it
	// watches again.
	terse bool

	servers servers

	cfg   protocol.Config
	s     *protocol.Session
	twin  *twin
	auth  session // for the generator
	end   *end    // of the connection of the last Dial, nil until it is there
	tap   *tap
	conn  protocol.ConnID
	out   []byte // not written yet
	part  int    // bytes of the frame at the head of out that are written
	begun bool   // that frame was noted in the history

	tag      uint64
	answered map[uint64]bool // by the tag of a request that was accepted: its Reply has come
	open     int             // requests without a Reply
	watchers map[protocol.WatcherID]func(*protocol.Event)
	last     protocol.WatcherID

	program func(*recipe) // what it does with its sessions, nil: anything
	recipe  *recipe       // that is under way
	waits   map[uint64]func(*protocol.Reply)
	wait    func(*protocol.Reply) // of the request that is submitted next
	watch   func(*protocol.Event)
	round   int // of the recipe for barriers

	timer int64 // when Tick is planned, 0: not at all
	deaf  int64

	finishing bool
	back      readback
	closed    bool
	finished  bool
}

// terseRequest is the most bytes of a request of a client that keeps them short.
const terseRequest = 500

func newProtocolClient(w *World, id int64) *protocolClient {
	c := &protocolClient{w: w, id: id, r: newRNG(w.seed, fmt.Sprintf("protocol/%d", id)),
		ip: netip.AddrFrom4([4]byte{10, 0, 1, byte(id)})}
	c.gen = newGenerator(w, c.r, c.ip)
	c.own = w.actor(fmt.Sprintf("client %d", id), c.r)
	c.mood = w.actor(fmt.Sprintf("client %d/mood", id), c.r)
	name := fmt.Sprintf("client %d/halfway", id)
	c.halfway = w.actor(name, newRNG(w.seed, name))
	c.terse = c.halfway.r.chance(200)
	c.servers = newServers(w, c.r)
	return c
}

// String says where the client stands.
func (c *protocolClient) String() string {
	return fmt.Sprintf("protocol client %d (session %#x, %v, %d unanswered)", c.id, c.s.ID(),
		c.s.State(), c.s.Outstanding())
}

func (c *protocolClient) start() {
	c.begin()
	c.later()
}

func (c *protocolClient) done() bool { return c.finished }

func (c *protocolClient) nowMs() int64 { return c.w.clock.now / millisecond }

// begin opens a session of its own.
func (c *protocolClient) begin() {
	longest := int(c.w.k.MaxBuffer)
	if c.terse && (longest == 0 || longest > terseRequest) {
		longest = terseRequest
	}
	c.cfg = protocol.Config{Servers: c.servers.names(),
		ReadOnly:         c.program == nil && c.r.chance(c.w.k.ReadOnlyClients),
		SessionTimeoutMs: c.gen.timeoutMs(), MaxRequests: int(c.w.k.Pipeline) + 64,
		BackoffMaxMs: 500, MaxRequest: longest}
	s, err := protocol.New(c.cfg, c.nowMs())
	if err != nil {
		c.w.violate("client", err.Error())
		return
	}
	c.s, c.closed, c.twin = s, false, newTwin(c)
	c.answered, c.open = map[uint64]bool{}, 0
	c.watchers = map[protocol.WatcherID]func(*protocol.Event){}
	c.waits = map[uint64]func(*protocol.Reply){}
	c.auth = session{}
	if c.program != nil && !c.finishing {
		c.follow(c.program)
	}
	c.act()
}

func (c *protocolClient) later() {
	c.own.wait(c.w.k.ThinkUs, func() {
		if c.finishing || c.w.over {
			return
		}
		if c.program != nil { // whose calls are its decisions
			c.mood.act(c.step)
		} else {
			c.own.act(c.step)
		}
		c.later()
	})
}

func (c *protocolClient) step() {
	k := &c.w.k
	switch {
	case c.s.Over():
		c.begin()
	case c.r.chance(k.CloseSession) && !c.closed:
		c.close()
	case c.r.chance(k.SlowRead):
		c.w.count.add(faultSlowRead)
		c.deaf = c.w.clock.now + c.r.spread(second)
		c.w.clock.after(c.deaf-c.w.clock.now, c.readable)
	case len(c.servers.order) > 1 && c.end != nil && c.r.chance(k.Move):
		c.w.count.add(faultMoved)
		c.tear()
	case c.r.chance(20) && c.last > 0 && c.program == nil:
		c.unwatch(protocol.WatcherID(c.r.between(1, int64(c.last))))
	case c.program != nil:
	default:
		for n := c.r.between(1, k.Burst); n > 0; n-- {
			c.own.next()
			for _, q := range c.gen.next(&c.auth) {
				if c.own.asks(q) && c.submit(q) && c.r.chance(20) {
					c.unwatch(c.last) // before there can be an answer
				}
			}
		}
	}
	c.act()
}

// unwatch lets a watcher go.
func (c *protocolClient) unwatch(id protocol.WatcherID) {
	c.s.Unwatch(id, c.nowMs())
	c.twin.unwatch(id)
	delete(c.watchers, id)
}

func (c *protocolClient) close() {
	c.tag++
	c.answered[c.tag] = false
	c.open++
	c.closed = true
	c.twin.asked(c.tag, asked{op: wire.OpCloseSession}, 0)
	c.s.Close(c.tag, c.nowMs())
}

// submit gives a request to the session, and says whether it took it.
func (c *protocolClient) submit(q asked) bool {
	if c.closed || q.op == wire.OpPing {
		return false
	}
	c.tag++
	var err error
	if q.op == wire.OpAuth {
		r := wire.NewReader(q.body)
		var auth wire.AuthRequest
		auth.Decode(&r)
		err = c.s.AddAuth(c.tag, auth.Scheme, auth.Auth, c.nowMs())
	} else {
		c.last++
		c.watchers[c.last] = c.watch
		err = c.s.Submit(protocol.Request{Tag: c.tag, Op: q.op, Body: q.body, Watcher: c.last},
			c.nowMs())
	}
	switch {
	case err == nil:
		c.answered[c.tag] = false
		c.open++
		c.twin.asked(c.tag, q, c.last)
		if c.wait != nil {
			c.waits[c.tag] = c.wait
		}
		return true
	case errors.Is(err, protocol.ErrFull), errors.Is(err, protocol.ErrOver),
		errors.Is(err, protocol.ErrMalformed), errors.Is(err, protocol.ErrTooLarge):
	default:
		c.w.violate("client", fmt.Sprintf("%v: %v", c, err))
	}
	return false
}

// act does what the session wants done: effects in their order, then bytes.
func (c *protocolClient) act() {
	for {
		e, ok := c.s.Next()
		if !ok {
			break
		}
		c.effect(e)
	}
	if c.s.HasOutput() {
		out := c.s.Output(nil)
		c.twin.sent(out)
		c.out = append(c.out, out...)
		c.pump()
	}
	c.twin.behaves()
	if at, ok := c.s.Deadline(); ok && (c.timer == 0 || at < c.timer) {
		c.timer = at
		c.w.clock.after(at*millisecond-c.w.clock.now, func() { c.tick(at) })
	}
	c.proceed()
}

func (c *protocolClient) tick(at int64) {
	if c.timer != at || c.w.over {
		return
	}
	c.timer = 0
	c.s.Tick(c.nowMs())
	c.act()
}

func (c *protocolClient) effect(e protocol.Effect) {
	switch e := e.(type) {
	case protocol.Dial:
		c.dial(e.Conn, serverOf(e.Server))
	case protocol.HangUp:
		c.twin.served = false
		c.hangUp(e.Conn)
	case protocol.StateChange:
		c.twin.state = e.State
		if c.s.Over() {
			c.leave()
		}
		if e.State == wire.StateExpired && c.tap != nil {
			l := c.tap.line(linearizability.KindEnd)
			l.Text = linearizability.EndExpired
			c.w.history.Add(l)
		}
	case protocol.Reply:
		if done, known := c.answered[e.Tag]; !known || done {
			c.w.violate("client", fmt.Sprintf("%v: request %d is answered twice, "+
				"or was never asked", c, e.Tag))
		}
		c.answered[e.Tag] = true
		c.twin.answered(&e)
		c.open--
		if wait := c.waits[e.Tag]; wait != nil {
			delete(c.waits, e.Tag)
			wait(&e)
		}
	case protocol.Event:
		c.twin.tells(&e)
		for _, id := range e.Watchers {
			told, known := c.watchers[id]
			if !known {
				c.w.violate("client", fmt.Sprintf("%v: watcher %d is told %v, and watches nothing",
					c, id, e))
			}
			if told != nil {
				told(&e)
			}
		}
	}
}

// dial connects; there is never a second Dial before the Lost of the first.
func (c *protocolClient) dial(conn protocol.ConnID, server int64) {
	c.conn, c.end, c.tap, c.out, c.part, c.begun = conn, nil, nil, nil, 0, false
	s := c.s
	c.twin.dialled()
	c.twin.dials(server)
	c.w.dialTo(server, c.own.name, c.ip, func(e *end) {
		if c.s != s || c.conn != conn {
			e.close(linearizability.CauseClient)
			return
		}
		c.end, c.tap = e, &tap{w: c.w, client: c.id, conn: e.link.id, link: e.link,
			address: c.ip.String()}
		e.readable, e.writable = c.readable, c.pump
		e.gone = func(cause string) { c.lost(s, conn, cause) }
		s.Opened(conn, c.nowMs())
		c.act()
	}, func() { c.lost(s, conn, linearizability.CauseNetwork) })
}

// hangUp closes the connection and reports it as lost.
func (c *protocolClient) hangUp(conn protocol.ConnID) {
	if c.conn != conn {
		return
	}
	s := c.s
	if c.end != nil {
		c.end.close(linearizability.CauseClient)
		c.end.over = true
	}
	c.w.clock.after(0, func() { c.lost(s, conn, linearizability.CauseClient) })
}

func (c *protocolClient) lost(s *protocol.Session, conn protocol.ConnID, cause string) {
	if c.s != s || c.conn != conn || conn == 0 {
		return
	}
	if c.tap != nil {
		c.tap.gone(cause)
	}
	c.conn, c.end, c.out, c.part, c.begun = 0, nil, nil, 0, false
	s.Lost(conn, c.nowMs(), c.r.Uint32())
	c.twin.served = false
	c.act()
}

// pump writes whole frames as long as there is room, and notes each when its first byte goes.
func (c *protocolClient) pump() {
	for len(c.out) > 0 && c.end != nil {
		n, err := wire.FrameLength(c.out, 1<<30)
		if err != nil || n == 0 || n > len(c.out) {
			c.w.violate("client", "the output does not consist of frames")
			return
		}
		if !c.begun {
			c.tap.sent(append([]byte(nil), c.out[:n]...), false)
			c.begun = true
		}
		c.part += c.end.write(c.out[c.part:n])
		if c.part < n {
			return
		}
		c.out, c.part, c.begun = c.out[n:], 0, false
	}
}

// readable feeds what has arrived, in pieces.
func (c *protocolClient) readable() {
	now := c.w.clock.now
	for c.end != nil && now >= c.deaf {
		e := c.end
		most := int64(4096)
		if c.twin.rearming > 1 {
			most = 24 // one answer at a time
		}
		b := e.read(int(c.r.between(1, most)))
		if len(b) == 0 {
			if e.finished() {
				e.end(e.in.ended)
			}
			return
		}
		c.tap.received(b, c.saw)
		c.twin.heardAt = now
		c.s.Feed(c.conn, b, c.nowMs())
		c.act()
		if c.broken {
			c.broken = false
			c.tear()
		}
	}
}

// tear breaks the connection, with or without what is on its way.
func (c *protocolClient) tear() {
	if e := c.end; e != nil {
		e.kill(c.r.chance(500))
		c.lost(c.s, c.conn, linearizability.CauseClient)
	}
}

// saw learns from a frame what the generator and the history want to know.
func (c *protocolClient) saw(a *arrival) {
	c.twin.saw(a)
	if a.result == nil {
		return
	}
	if a.xid == wire.XidSetWatches && c.twin.rearming > 0 && !c.finishing {
		c.halfway.act(c.breakHalfway)
	}
	c.gen.learn(a)
	if a.op == wire.OpCloseSession && a.result.Err == linearizability.CodeOk {
		l := c.tap.line(linearizability.KindEnd)
		l.Text = linearizability.EndClosed
		c.w.history.Add(l)
	}
}

// finish reads everything back and closes.
func (c *protocolClient) finish() {
	c.finishing, c.deaf = true, 0
	c.leave()
	if c.s.Over() {
		c.begin()
	}
	c.readable()
	c.proceed()
}

// proceed goes on with finishing once all is answered.
func (c *protocolClient) proceed() {
	if !c.finishing || c.finished || c.w.over {
		return
	}
	if c.s.Over() {
		if c.open != 0 {
			c.w.violate("client", fmt.Sprintf("%v: %d requests are never answered", c, c.open))
		}
		if c.back.done() {
			c.finished = true
			return
		}
		c.w.clock.after(10*millisecond, func() {
			if c.s.Over() && !c.finished {
				c.begin()
			}
		})
		return
	}
	if c.s.State() != wire.StateSyncConnected || c.s.Outstanding() > 0 || c.closed {
		return
	}
	sent := 0
	for _, q := range c.back.next(c.tap.conn, c.gen) {
		if !c.submit(q) {
			break // no more at once
		}
		sent++
	}
	if c.back.took(sent); c.back.done() {
		c.close()
	}
	c.act()
}
