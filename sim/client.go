package sim

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"

	"github.com/vivariumdb/vivarium/linearizability"
	"github.com/vivariumdb/vivarium/wire"
)

// rawClient is a client that speaks protocol bytes of its own making, and behaves as well or as
// badly as its seed wants: it pipelines, reads slowly, says nothing, connects twice, forgets its
// session.
type rawClient struct {
	w   *World
	id  int64
	r   rng
	ip  netip.Addr
	gen *generator
	own *actor

	servers servers
	lazy    int64 // of 1000 parts of its time-out it is silent for so many; 0: for a third
	session *session
	conn    *rawConn   // the one in use, nil if there is none
	old     *rawConn   // the one before, if it is still in use as well
	silent  int64      // until then it says nothing
	retry   int        // connects in vain since the last that was answered
	pausing bool       // a connect is planned
	backlog []func()   // a scenario's: what to do once connected
	seen    []*arrival // a scenario's: what came, in order
	keep    bool       // seen is wanted
	manual  bool       // a scenario drives it: no steps of its own
	// watching says that it is told with its watch, which it sets again whenever it comes back.
	watching bool
	crowd    *crowd // that it belongs to, or nil

	finishing bool
	confirmed int64 // so many of an operator's last wishes were answered
	back      readback
	auditor   bool // the last: the ledger is judged by what it reads
	finished  bool
}

// session is what a client knows of its session.
type session struct {
	id        int64
	password  []byte
	timeoutMs int64 // granted
	lastZxid  int64
	xid       int32
	auths     [][]byte
	watches   map[watchKind][]string // set and not fired, each path once
}

type watchKind int

const (
	watchData watchKind = iota
	watchExist
	watchChild
	watchPersistent
	watchRecursive
	watchKinds
)

// rawConn is one connection of a raw client.
type rawConn struct {
	c        *rawClient
	session  *session // for which it was opened
	end      *end
	tap      *tap
	out      [][]byte // frames to be sent; the first may be sent in part
	part     int      // bytes of the first that were sent
	begun    bool     // the first was noted in the history
	wrong    bool     // it gives a wrong password
	readOnly bool     // its session is the server's own
	open     bool
	over     bool
	closing  bool  // closeSession was sent
	waiting  int   // requests without an answer
	since    int64 // then the oldest of them became that, or its predecessor was answered
	lastSend int64
	lastRecv int64
	deaf     int64 // until then it does not read
}

func newRawClient(w *World, id int64) *rawClient {
	c := &rawClient{w: w, id: id, r: newRNG(w.seed, fmt.Sprintf("client/%d", id)),
		ip: netip.AddrFrom4([4]byte{10, 0, 0, byte(1 + id%5)})}
	if id%7 == 6 {
		c.ip = netip.MustParseAddr("fd00::17")
	}
	c.gen = newGenerator(w, c.r, c.ip)
	c.own = w.actor(fmt.Sprintf("client %d", id), c.r)
	c.gen.raw = true
	c.servers = newServers(w, c.r)
	if id%2 == 0 {
		c.lazy = w.k.Lazy
	}
	c.session = c.newSession()
	return c
}

func (c *rawClient) newSession() *session {
	return &session{watches: map[watchKind][]string{}}
}

// String says where the client stands.
func (c *rawClient) String() string {
	text := fmt.Sprintf("client %d (session %#x)", c.id, c.session.id)
	switch conn := c.conn; {
	case conn == nil:
	case conn.tap == nil:
		text += " dials"
	default:
		text += fmt.Sprintf(" waits for %d answers on connection %d", conn.waiting, conn.tap.conn)
		if !conn.open {
			text += ", which has no session yet"
		}
		if len(conn.out) > 0 {
			text += fmt.Sprintf(", %d bytes unsent", len(conn.out))
		}
	}
	return text
}

func (c *rawClient) start() {
	c.connect()
	if !c.manual {
		c.later()
	}
	c.beat()
}

func (c *rawClient) done() bool { return c.finished }

// later plans the next step.
func (c *rawClient) later() {
	c.own.wait(c.w.k.ThinkUs, func() {
		if c.finishing || c.w.over {
			return
		}
		c.own.act(c.step)
		c.later()
	})
}

// step does one thing.
func (c *rawClient) step() {
	w, k := c.w, &c.w.k
	switch {
	case w.clock.now < c.silent:
	case c.conn == nil:
		c.connect()
	case !c.conn.open:
	case c.r.chance(k.Disconnect):
		w.count.add(faultDisconnect)
		c.conn.close()
	case len(c.servers.order) > 1 && c.r.chance(k.Move):
		w.count.add(faultMoved)
		c.conn.close()
	case c.r.chance(k.DoubleConnect) && c.old == nil:
		w.count.add(faultDoubleConnect)
		c.old, c.conn = c.conn, nil
		c.servers.next()
		c.connect()
	case c.r.chance(k.Abandon):
		w.count.add(faultAbandon)
		c.conn.close()
		c.session = c.newSession()
	case c.r.chance(k.Silence):
		w.count.add(faultSilence)
		quiet := c.r.between(c.session.timeoutMs/2, 3*c.session.timeoutMs)
		c.silent = w.clock.now + quiet*millisecond
	case c.r.chance(k.SlowRead):
		w.count.add(faultSlowRead)
		deaf := c.r.spread(second)
		if c.r.chance(300) { // longer than a session may be silent
			deaf = c.r.between(c.session.timeoutMs, 4*c.session.timeoutMs) * millisecond
			c.burst() // whose answers it will not read
		}
		if c.conn != nil {
			c.conn.deafen(w.clock.now + deaf)
		}
	case c.r.chance(k.CloseSession):
		c.conn.request(wire.OpCloseSession, nil)
	default:
		c.burst()
	}
}

// burst sends some requests, if not too many are unanswered.
func (c *rawClient) burst() {
	conn := c.conn
	if c.old != nil && !c.old.over && c.r.chance(500) {
		conn = c.old // the connection that the session has been taken from
	}
	if c.r.chance(c.w.k.ShortFrame) {
		c.w.count.add(faultShortFrame)
		n := c.r.IntN(8)
		conn.send(append([]byte{0, 0, 0, byte(n)}, make([]byte, n)...))
		return
	}
	for n := c.r.between(1, c.w.k.Burst); n > 0 && !conn.closing; n-- {
		if int64(conn.waiting) >= c.w.k.Pipeline {
			return
		}
		c.own.next()
		for _, q := range c.gen.next(c.session) {
			if c.own.asks(q) {
				conn.request(q.op, q.body)
			}
		}
	}
}

// connect opens a connection for the session, or for a new one.
func (c *rawClient) connect() {
	if c.conn != nil || c.pausing || c.finished {
		return
	}
	conn := &rawConn{c: c, lastSend: c.w.clock.now, lastRecv: c.w.clock.now}
	c.conn = conn
	c.w.dialTo(c.servers.current(), c.own.name, c.ip, conn.opened, func() {
		conn.over = true
		c.lose(conn)
	})
}

// opened sends the handshake.
func (conn *rawConn) opened(e *end) {
	c := conn.c
	w, s := c.w, c.session
	conn.end, conn.session = e, s
	conn.tap = &tap{w: w, client: c.id, conn: e.link.id, link: e.link, address: c.ip.String()}
	e.readable, e.writable = conn.readable, conn.pump
	e.gone = func(cause string) { conn.gone(cause) }
	if c.conn != conn {
		conn.close()
		return
	}
	w.abstract.connecting(conn)
	q := wire.ConnectRequest{TimeoutMs: c.gen.timeoutMs(), LastZxidSeen: s.lastZxid,
		SessionID: s.id, Password: s.password, HasReadOnly: c.r.chance(900),
		ReadOnly: c.r.chance(w.k.ReadOnlyClients)}
	q.ReadOnly = q.ReadOnly && q.HasReadOnly
	if q.Password == nil {
		q.Password = make([]byte, wire.PasswordLen)
	}
	if !c.finishing && !c.manual {
		if s.id != 0 && c.r.chance(w.k.WrongPassword) {
			w.count.add(faultWrongPassword)
			q.Password, conn.wrong = c.r.bytes(wire.PasswordLen), true
		}
		if c.r.chance(w.k.FutureZxid) {
			w.count.add(faultFutureZxid)
			q.LastZxidSeen = s.lastZxid + 1<<40
		}
	}
	b, at := wire.BeginFrame(nil)
	conn.send(wire.EndFrame(q.AppendTo(b), at))
}

// request sends a request with the session's next xid.
func (conn *rawConn) request(op wire.OpCode, body []byte) int32 {
	xid := int32(0)
	switch op {
	case wire.OpPing:
		xid = wire.XidPing
	case wire.OpAuth:
		xid = wire.XidAuth
	case wire.OpSetWatches, wire.OpSetWatches2:
		xid = wire.XidSetWatches
	case wire.OpCloseSession:
		conn.closing = true
		fallthrough
	default:
		conn.session.xid++
		xid = conn.session.xid
	}
	b, at := wire.BeginFrame(nil)
	h := wire.RequestHeader{Xid: xid, Op: op}
	b = append(h.AppendTo(b), body...)
	if conn.waiting == 0 {
		conn.since = conn.c.w.clock.now
	}
	c := conn.c
	c.w.abstract.sends(conn, op, xid, body, conn.waiting == 0)
	conn.waiting++
	conn.send(wire.EndFrame(b, at))
	return xid
}

func (conn *rawConn) send(frame []byte) {
	conn.out = append(conn.out, frame)
	conn.pump()
}

// pump gives frames to the link as long as there is room.
func (conn *rawConn) pump() {
	for len(conn.out) > 0 && !conn.over {
		frame := conn.out[0]
		if conn.part == 0 && !conn.begun {
			conn.tap.sent(frame, conn.wrong)
			conn.begun = true
		}
		n := conn.end.write(frame[conn.part:])
		conn.part += n
		conn.lastSend = conn.c.w.clock.now
		if conn.part < len(frame) {
			return
		}
		conn.out, conn.part, conn.begun = conn.out[1:], 0, false
	}
}

// readable takes what has arrived, unless the client is deaf.
func (conn *rawConn) readable() {
	now := conn.c.w.clock.now
	if conn.over || now < conn.deaf {
		return
	}
	for {
		b := conn.end.read(4096)
		if len(b) == 0 {
			break
		}
		conn.lastRecv = now
		conn.tap.received(b, conn.arrived)
		if conn.over {
			return
		}
	}
	if conn.end.finished() {
		conn.end.end(conn.end.in.ended)
	}
}

func (conn *rawConn) deafen(until int64) {
	conn.deaf = until
	conn.c.w.clock.after(until-conn.c.w.clock.now, conn.readable)
}

// arrived handles one frame.
func (conn *rawConn) arrived(a *arrival) {
	c, s := conn.c, conn.session
	c.w.abstract.hears(conn, a)
	if c.keep {
		c.seen = append(c.seen, a)
	}
	if a.connect != nil {
		conn.connected(a.connect)
		return
	}
	s.lastZxid = max(s.lastZxid, a.zxid)
	if a.event != nil {
		s.fired(a.event)
		if c.crowd != nil {
			c.told(conn)
		}
		return
	}
	conn.waiting--
	conn.since = c.w.clock.now
	s.armed(a)
	c.gen.learn(a)
	if c.auditor {
		c.w.ledger.learn(a)
	}
	if c.finishing && a.op == wire.OpReconfig {
		c.confirmed++
	}
	switch {
	case a.op == wire.OpCloseSession && a.result.Err == linearizability.CodeOk:
		c.ended(conn, linearizability.EndClosed)
	case c.finishing:
		c.finishStep()
	}
}

// connected takes the answer to the handshake.
func (conn *rawConn) connected(a *wire.ConnectResponse) {
	c := conn.c
	if a.TimeoutMs <= 0 {
		if conn.wrong {
			return // the server closes; the session is as it was
		}
		c.ended(conn, linearizability.EndExpired)
		return
	}
	s := conn.session
	if s != c.session {
		conn.close() // the client has given that session up
		return
	}
	c.retry = 0
	conn.open = true
	s.timeoutMs = int64(a.TimeoutMs)
	if conn.readOnly = a.ReadOnly; conn.readOnly {
		c.w.count.add(countReadOnly)
	} else { // else it is good here only, and the one before may live
		s.id, s.password = a.SessionID, bytes.Clone(a.Password)
	}
	for _, auth := range s.auths {
		q := wire.AuthRequest{Scheme: "digest", Auth: auth}
		conn.request(wire.OpAuth, q.AppendTo(nil))
	}
	if c.manual || c.finishing || c.watching || c.r.chance(c.w.k.SetWatches) {
		conn.rearm()
	}
	for _, do := range c.backlog {
		do()
	}
	c.backlog = nil
	if c.finishing {
		c.finishStep()
	}
}

// ended: the session is over.
func (c *rawClient) ended(conn *rawConn, how string) {
	if conn.session != c.session {
		return // it is not this one any more
	}
	l := conn.tap.line(linearizability.KindEnd)
	l.Text = how
	c.w.history.Add(l)
	c.session = c.newSession()
	if c.finishing && (c.back.done() || c.crowd != nil) {
		c.finished = true
	}
}

// close closes the connection from the client's side.
func (conn *rawConn) close() {
	if conn.over {
		return
	}
	conn.over = true
	if conn.end != nil {
		if conn.c.r.chance(300) {
			conn.end.kill(true)
		} else {
			conn.end.close(linearizability.CauseClient)
		}
		conn.tap.gone(linearizability.CauseClient)
	}
	conn.c.lose(conn)
}

func (conn *rawConn) gone(cause string) {
	if conn.over {
		return
	}
	conn.over = true
	conn.tap.gone(cause)
	conn.c.lose(conn)
}

// lose forgets a connection and connects again after a while.
func (c *rawClient) lose(conn *rawConn) {
	if c.old == conn {
		c.old = nil
	}
	if c.conn != conn {
		return
	}
	c.conn = nil
	c.w.abstract.loses(conn)
	c.servers.next()
	if c.finished || c.pausing {
		return
	}
	c.retry++
	c.pausing = true
	pause := c.r.spread(20 * millisecond)
	if c.retry > 2 {
		pause = c.r.spread(min(int64(c.retry)*100, 1000) * millisecond)
	}
	if !c.finishing && c.r.chance(100) {
		pause = c.r.spread(second)
	}
	c.w.clock.after(pause, func() {
		c.pausing = false
		c.connect()
	})
}

// beat looks after connections about six times per time-out: it pings, and gives them up. Who is
// lazy looks more often, to say that it lives just in time.
func (c *rawClient) beat() {
	w := c.w
	timeout := max(c.session.timeoutMs, 300) * millisecond
	between := timeout / 6
	if c.lazy > 0 {
		between = timeout / 40
	}
	w.clock.after(between, func() {
		if c.finished || w.over {
			return
		}
		for _, conn := range []*rawConn{c.conn, c.old} {
			if conn != nil && conn.end != nil && !conn.over && w.clock.now >= c.silent {
				conn.beat(timeout)
			}
		}
		c.beat()
	})
}

func (conn *rawConn) beat(timeout int64) {
	now := conn.c.w.clock.now
	patience, quiet := timeout*2/3, timeout/3
	if lazy := conn.c.lazy; lazy > 0 {
		quiet = timeout * lazy / 1000
		patience = max(patience, quiet+timeout/5)
	}
	if !conn.open || conn.c.finishing {
		patience = 2*second + 2*timeout
	}
	haste := conn.c.w.k.HasteMs * millisecond
	switch {
	case now-conn.lastRecv > patience && now >= conn.deaf:
		conn.close()
	case haste > 0 && conn.open && conn.waiting > 0 && !conn.c.finishing &&
		now-conn.since > haste && now >= conn.deaf:
		conn.c.w.count.add(faultHasty)
		conn.close()
	case conn.open && !conn.closing && now-conn.lastSend > quiet:
		conn.request(wire.OpPing, nil)
	}
}

// armed notes the watch that a request has set, as clients do.
func (s *session) armed(a *arrival) {
	if a.request == nil {
		return
	}
	ok := a.result.Err == linearizability.CodeOk
	switch a.op {
	case wire.OpGetData:
		s.arm(watchData, a.request.Path, a.request.Watch && ok)
	case wire.OpExists:
		s.arm(watchData, a.request.Path, a.request.Watch && ok)
		s.arm(watchExist, a.request.Path,
			a.request.Watch && a.result.Err == linearizability.CodeNoNode)
	case wire.OpGetChildren, wire.OpGetChildren2:
		s.arm(watchChild, a.request.Path, a.request.Watch && ok)
	case wire.OpAddWatch:
		kind := watchPersistent
		if a.request.Mode == wire.ModePersistentRecursive {
			kind = watchRecursive
		}
		s.arm(kind, a.request.Path, ok)
	}
}

func (s *session) arm(kind watchKind, path string, yes bool) {
	if yes && !slices.Contains(s.watches[kind], path) {
		s.watches[kind] = append(s.watches[kind], path)
	}
}

// fired forgets the one-shot watches that an event has used up.
func (s *session) fired(e *wire.WatcherEvent) {
	drop := func(kind watchKind) {
		s.watches[kind] = slices.DeleteFunc(s.watches[kind],
			func(path string) bool { return path == e.Path })
	}
	switch e.Type {
	case wire.EventNodeCreated, wire.EventNodeDataChanged:
		drop(watchData)
		drop(watchExist)
	case wire.EventNodeDeleted:
		drop(watchData)
		drop(watchExist)
		drop(watchChild)
	case wire.EventNodeChildrenChanged:
		drop(watchChild)
	}
}

// finish lets the client wait for its answers, read everything back, and close.
func (c *rawClient) finish() {
	c.finishing, c.silent = true, 0
	if c.old != nil {
		c.old.close()
	}
	if c.conn == nil {
		c.finished = c.crowd != nil // who is not there need not come to go
		c.connect()
		return
	}
	c.conn.deaf = 0
	if c.conn.end != nil {
		c.conn.readable()
	}
	c.finishStep()
}

func (c *rawClient) finishStep() {
	conn := c.conn
	if c.finished || conn == nil || !conn.open || conn.over || conn.waiting > 0 || conn.closing ||
		conn.readOnly { // then the server ends it when there is a leader
		return
	}
	if c.crowd == nil {
		if list := c.confirm(); len(list) > 0 {
			for _, q := range list {
				conn.request(q.op, q.body)
			}
			return
		}
		for _, q := range c.back.next(conn.tap.conn, c.gen) {
			conn.request(q.op, q.body)
		}
		if !c.back.done() {
			return
		}
	}
	conn.request(wire.OpCloseSession, nil)
}
