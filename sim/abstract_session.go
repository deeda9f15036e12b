package sim

import (
	"slices"
	"strings"

	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/linearizability"
	"github.com/vivariumdb/vivarium/wire"
)

// sessionTales tells sessions as module SessionsMoves sees them: one session, its connections, the
// servers that it was at, and of the log what the session did. A server is a process: who is
// started again is a new one. Each write creates an ephemeral znode.
type sessionTales struct {
	w     *World
	byID  map[core.SessionID]*sessionTale
	order []*sessionTale
	conns map[int64]*toldConn // by link, those whose handshake was read
	procs map[core.Origin]process
	dials map[int64]int64 // by link, when the client sent its handshake
}

// process is one start of a host.
type process struct {
	host  int64
	epoch int
}

// toldConn is a connection as the server's process has it.
type toldConn struct {
	conn    *core.Conn
	process process
	link    int64
	number  int // in the tale
	lost    bool
	held    []int // writes that were read and are not given to the stream
}

// place is one of the log: an entry, and a command in it.
type place struct {
	index uint64
	pos   int
}

// sessionTale is the one of a session.
type sessionTale struct {
	tale
	all     *sessionTales
	id      core.SessionID
	entries []place // what the log says of it
	zxids   []int64 // that it took
	conns   []*toldConn
	servers []process      // numbered from 1 on
	applied []int          // entries, by each of them
	numbers map[string]int // of writes, by the paths they create
	xids    map[int32]int  // and by their xid; 0 is the close
	reads   map[int32]*AbstractLine
	asked   map[int32]int // reads that nothing unanswered stood before: writes sent by then
	closing bool
	refused bool // an attach was refused
}

func newSessionTales(w *World) sessionTales {
	return sessionTales{w: w, byID: map[core.SessionID]*sessionTale{},
		conns: map[int64]*toldConn{}, procs: map[core.Origin]process{},
		dials: map[int64]int64{}}
}

// current is the connection that the client uses, as far as the tale goes.
func (t *sessionTale) current() *toldConn { return t.conns[len(t.conns)-1] }

// server is the number of a process, 0 if it has none.
func (t *sessionTale) server(p process) int { return slices.Index(t.servers, p) + 1 }

// rank is a zxid as the session counts: how many of its own it covers.
func (t *sessionTale) rank(zxid int64) int {
	n := 0
	for _, z := range t.zxids {
		if z <= zxid {
			n++
		}
	}
	return n
}

// numbered are the writes that created znodes, without those of others.
func (t *sessionTale) numbered(paths []string) []int {
	set := []int{}
	for _, path := range paths {
		if n := t.numbers["/"+strings.TrimPrefix(path, "/")]; n > 0 {
			set = append(set, n)
		}
	}
	slices.Sort(set)
	return set
}

// What clients do.

// connecting is told of each handshake that a client sends.
func (a *abstraction) connecting(conn *rawConn) {
	switch {
	case a == nil:
	case conn.c.watching:
		a.watches.connecting(conn)
	default:
		a.sessions.dials[conn.end.link.id] = a.w.clock.now
	}
}

// sends is told of each request that a client sends. Nothing unanswered stands before it if it is
// first.
func (a *abstraction) sends(conn *rawConn, op wire.OpCode, xid int32, body []byte, first bool) {
	if a == nil {
		return
	}
	t := a.sessions.byID[core.SessionID(conn.session.id)]
	if t == nil || !t.begun {
		return
	}
	if t.current().link != conn.end.link.id {
		if !isRead(op) {
			t.end("the client uses an older connection")
		}
		return
	}
	switch {
	case op == wire.OpCreate, op == wire.OpCreate2:
		t.xids[xid] = len(t.numbers) + 1
		t.numbers[requestOf(op, body).Path] = len(t.numbers) + 1
		t.add("Send", "n", t.xids[xid])
	case op == wire.OpCloseSession && t.closing:
		// Nobody reads what comes behind a close.
	case op == wire.OpCloseSession:
		t.xids[xid], t.closing = 0, true
		t.add("SendClose")
	case op == wire.OpGetChildren && first:
		t.asked[xid] = len(t.numbers)
	}
}

func isRead(op wire.OpCode) bool {
	return op != wire.OpCreate && op != wire.OpCreate2 && op != wire.OpCloseSession
}

// hears is told of each answer that a client gets on the connection that it uses.
func (a *abstraction) hears(conn *rawConn, got *arrival) {
	if a != nil && conn.c.watching {
		a.watches.hears(conn, got)
		return
	}
	if a == nil || got.event != nil {
		return
	}
	t := a.sessions.byID[core.SessionID(conn.session.id)]
	if t == nil || !t.begun || t.current().link != conn.end.link.id {
		return
	}
	if got.connect != nil {
		if got.connect.TimeoutMs > 0 {
			t.add("Opened", "c", t.current().number)
		} else {
			t.add("Told")
			t.end("the client knows that it is over")
		}
		return
	}
	if l := t.reads[got.xid]; l != nil && got.result.Err == linearizability.CodeOk {
		l.Action = "Read"
		l.set("seen", t.numbered(got.result.Children), "z", t.rank(got.zxid))
	}
	n, wrote := t.xids[got.xid]
	if !wrote || got.result.Err != linearizability.CodeOk {
		return
	}
	t.add("Heard", "n", n, "z", t.rank(got.zxid))
}

// What servers do.

// fed is told of each frame that a process has taken from a connection, or that it did something
// else for one. given is how many commands waited for their outcome before that.
func (a *abstraction) fed(sc *serverConn, frame []byte, given int) {
	if a == nil {
		return
	}
	if d := a.watches.byLink[sc.end.link.id]; d != nil {
		a.watches.fed(d, sc, frame)
		return
	}
	given = sc.h.member.Local.Outstanding() - given
	a.deliveries.fed(sc, frame, given)
	if len(frame) < 4 {
		a.sessions.gives(sc, given)
		return
	}
	s, link := &a.sessions, sc.end.link.id
	c := s.conns[link]
	body := wire.NewReader(frame[4:])
	if c == nil {
		c = &toldConn{conn: sc.conn, process: process{sc.h.id, sc.h.epoch}, link: link}
		s.conns[link] = c
		var q wire.ConnectRequest
		q.Decode(&body)
		// A server that does not serve gives nothing to its stream.
		t := s.byID[core.SessionID(q.SessionID)]
		if t != nil && t.begun && c.conn.Cause() == core.CauseNone {
			t.reconnect(c)
		}
		return
	}
	t := s.byID[sc.conn.Session()]
	if t == nil || !t.begun || c.number == 0 {
		return
	}
	var q wire.RequestHeader
	q.Decode(&body)
	if n, ok := t.xids[q.Xid]; ok && !isRead(q.Op) {
		if c.held = append(c.held, n); given > 0 {
			s.gives(sc, 1)
		}
	} else if sent, ok := t.asked[q.Xid]; ok && sc.conn.Queued() == 0 && !t.closing &&
		sent == len(t.numbers) {
		t.reads[q.Xid] = t.add("") // if its answer comes
	}
}

// resumed is told that a connection was seen to after apply had touched it: writes that it held
// may have been given to the stream. given is as for fed.
func (a *abstraction) resumed(sc *serverConn, given int) {
	if a == nil {
		return
	}
	given = sc.h.member.Local.Outstanding() - given
	a.deliveries.gives(sc, given)
	a.sessions.gives(sc, given)
}

// gives tells that a server has given writes to its stream. Until then they are as good as unread:
// they go with their connection.
func (s *sessionTales) gives(sc *serverConn, n int) {
	c := s.conns[sc.end.link.id]
	t := s.byID[sc.conn.Session()]
	if t == nil || !t.begun || c == nil || c.number == 0 {
		return
	}
	for n = min(n, len(c.held)); n > 0; n-- {
		t.add("Feed", "c", c.number, "n", c.held[0])
		c.held = c.held[1:]
	}
}

// reconnect tells of another connection: in the specification opening it and its handshake's being
// read are one step.
func (t *sessionTale) reconnect(c *toldConn) {
	switch {
	case t.closing:
		t.end("the client comes back to a session that it has closed")
	case t.refused:
		t.end("the client comes back to a session that is over, of which nobody has told it")
	case t.all.dials[c.link] < t.all.dials[t.current().link]:
		t.end("an older connection is read after a newer one")
	}
	if t.cut != "" {
		return
	}
	h := t.w.hosts[c.process.host-1]
	s := t.server(c.process)
	if s == 0 {
		t.servers, t.applied = append(t.servers, c.process), append(t.applied, 0)
		s = len(t.servers)
		t.catchUp(h, s)
	}
	c.number = len(t.conns) + 1
	t.conns = append(t.conns, c)
	t.add("Reconnect", "s", s)
	for _, old := range t.conns[:c.number-1] {
		t.losesOne(old)
	}
}

// losesOne tells that a server has lost a connection. As long as the client uses it, the
// specification does not speak of that: nothing comes of it.
func (t *sessionTale) losesOne(c *toldConn) {
	cause := c.conn.Cause()
	if cause == core.CauseNone || appliedEnds[cause] || c.lost || c == t.current() ||
		c.process.epoch != t.w.hosts[c.process.host-1].epoch {
		return
	}
	c.lost = true
	t.add("Lose", "c", c.number)
}

// appliedEnds are the ends of connections that apply decides on.
var appliedEnds = map[core.Cause]bool{core.CauseSessionMoved: true, core.CauseSessionExpired: true,
	core.CauseClosedByClient: true, core.CauseUnknownSession: true}

// committed is told of each command of the log, once.
func (a *abstraction) committed(index uint64, pos int, batch *core.Batch, c *core.Command,
	out *core.Outcome) {
	if a == nil {
		return
	}
	a.deliveries.committed(place{index, pos}, c, out)
	s := &a.sessions
	a.watches.committed(place{index, pos}, s.procs[batch.Origin], c, out)
	id := c.Session
	if c.Kind == core.KindCreateSession {
		id = out.Session
	}
	if id == 0 || out.Skipped && turnOf(out) == linearizability.TurnRefused ||
		out.Skipped && out.Reason == core.ReasonTerm {
		return
	}
	if c.Kind == core.KindCreateSession {
		t := &sessionTale{all: s,
			tale: newTale(a.w, "Sessions", "session", len(s.order)+1, longestSessionTale),
			id:   id, numbers: map[string]int{}, xids: map[int32]int{},
			reads: map[int32]*AbstractLine{}, asked: map[int32]int{},
			entries: []place{{index, pos}}, zxids: []int64{int64(out.Zxid)}}
		s.byID[id] = t
		s.order = append(s.order, t)
		return
	}
	if t := s.byID[id]; t != nil {
		t.committed(place{index, pos}, s.procs[batch.Origin], c, out)
	}
}

func (t *sessionTale) committed(at place, from process, c *core.Command, out *core.Outcome) {
	kind, n, ok := "write", 0, !out.Skipped
	switch {
	case c.Kind == core.KindAttach:
		kind, ok = "attach", out.Attach == core.AttachOK
	case c.Kind == core.KindExpire:
		kind = "expire"
		if out.Reason == core.ReasonSession {
			return // it had ended
		}
	case c.Kind != core.KindRequest:
		return
	case c.Op == wire.OpCloseSession:
		kind = "close"
	default:
		n = t.xids[c.Xid]
	}
	gone := []string{}
	for _, change := range out.Changes {
		if change.Type == wire.EventNodeDeleted && kind != "write" {
			gone = append(gone, string([]byte(change.Path)))
		}
	}
	z := len(t.zxids)
	if out.Zxid != 0 {
		z = 1 + t.rank(int64(out.Zxid)-1)
		t.zxids = append(t.zxids, int64(out.Zxid))
	}
	t.entries = append(t.entries, at)
	t.refused = t.refused || kind == "attach" && !ok
	if !t.begun {
		t.end("it went on before its client knew of it")
		return
	}
	if kind == "expire" {
		t.add("Expire", "g", int(c.Generation), "ok", ok, "z", z, "gone", t.numbered(gone))
		return
	}
	l := t.add("Commit", "s", t.server(from), "kind", kind, "n", n, "ok", ok, "z", z,
		"gone", t.numbered(gone))
	if l == nil {
		return
	}
	g := int(c.Generation)
	if c.Kind == core.KindAttach {
		g = int(out.Generation)
	}
	l.set("g", g)
	if ok && out.Err != wire.CodeOk {
		t.end("a write is refused")
	}
}

// applied is told when a host has applied something, or stands at a later State.
func (a *abstraction) applied(h *host) {
	if a == nil || h.member == nil {
		return
	}
	s, p := &a.sessions, process{h.id, h.epoch}
	if self := h.member.Local.Self(); self.Registration != 0 {
		s.procs[self] = p
	}
	a.disks.of(h).applies(h)
	a.deliveries.applies(h)
	a.watches.applies(h)
	for _, t := range s.order {
		if !t.begun {
			t.begin(h, p)
		} else if n := t.server(p); n > 0 {
			t.catchUp(h, n)
		}
	}
}

// begin starts the tale where its first connection has its session.
func (t *sessionTale) begin(h *host, p process) {
	if !h.has(t.entries[0]) || t.cut != "" {
		return
	}
	for id := core.ConnID(1); id <= h.nextConn; id++ {
		sc := h.conns[id]
		if sc == nil || sc.conn.Session() != t.id || !sc.conn.Established() {
			continue
		}
		c := t.all.conns[sc.end.link.id]
		if c == nil {
			continue
		}
		c.number = 1
		t.begun, t.conns = true, []*toldConn{c}
		t.servers, t.applied = []process{p}, []int{1}
		return
	}
}

// has says whether the host's process has applied a command.
func (h *host) has(at place) bool {
	s := &h.seen
	return at.index <= s.index || at.index < s.at || at.index == s.at && at.pos <= s.pos
}

// catchUp tells what a server has applied. What is open there is told with the last of it.
func (t *sessionTale) catchUp(h *host, n int) {
	first := t.applied[n-1]
	for t.applied[n-1] < len(t.entries) && h.has(t.entries[t.applied[n-1]]) {
		t.applied[n-1]++
	}
	for i := first; i < t.applied[n-1]; i++ {
		if i < t.applied[n-1]-1 {
			t.add("Apply", "s", n, "shown", false)
			continue
		}
		up, lost := []int{}, []int{}
		for _, c := range t.conns {
			switch cause := c.conn.Cause(); {
			case c.process != t.servers[n-1]:
			case cause == core.CauseNone && c.conn.Established():
				up = append(up, c.number)
			case cause != core.CauseNone && !appliedEnds[cause]:
				lost = append(lost, c.number)
			}
		}
		t.add("Apply", "s", n, "shown", true, "up", up, "lost", lost)
	}
}
