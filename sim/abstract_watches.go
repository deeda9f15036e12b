package sim

import (
	"slices"

	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/linearizability"
	"github.com/vivariumdb/vivarium/wire"
)

// watchTales tells watches as module SessionsWatches sees them: one session of a client that
// watches one znode, at most once at a time, and sets its watch again whenever it comes back. The
// log holds what changes the znode, and the session's attaches. Zxids count the changes since the
// session began. A server is a process, as in sessionTales.
type watchTales struct {
	w       *World
	changes []change
	byLink  map[int64]*dialled
	byID    map[core.SessionID]*watchTale
	order   []*watchTale
	fresh   []*dialled // connections of which nobody knows a session yet
}

// watchedPath is the znode that all of them watch.
const watchedPath = "/w"

// change is a command that changed the znode.
type change struct {
	at   place
	zxid int64
	what string
}

// dialled is a connection of a client that is told.
type dialled struct {
	conn    *rawConn
	sc      *serverConn // of the process that has read its handshake, or nil
	process process
	greeted bool // its handshake was answered
	asked   map[int32]question
}

// question is a request, as far as its answer may arm a watch.
type question struct {
	op    wire.OpCode
	watch bool
}

// watchEntry is one of the log, and how many changes there are up to it.
type watchEntry struct {
	place
	rank int
}

// watchTale is the one of a session.
type watchTale struct {
	tale
	client  *rawClient
	entries []watchEntry
	zxids   []int64   // of changes
	servers []process // numbered from 1 on
	applied []int     // entries, by each of them
	// dial is the connection that the client uses, nil if it has none. ready says that the
	// specification takes it to be one whose watch is set again.
	dial  *dialled
	ready bool
	here  int // the server of the last attach
	// read are the connections whose handshake was read and whose attach is not in the log; last is
	// the link of the one whose attach was last.
	read []*dialled
	last int64
	// jumped is how far the client's server has jumped, 0 if it has not: it is told when the client
	// knows that its connection is over.
	jumped int
}

// message is what was queued for a client, or has come there.
type message struct {
	kind string // of a reply; "event" of an event
	zxid int64
	what string // of an event: the change that it tells of
}

func newWatchTales(w *World) watchTales {
	return watchTales{w: w, byLink: map[int64]*dialled{}, byID: map[core.SessionID]*watchTale{}}
}

// answer is what the specification calls the reply to a request.
func (q question) answer(err wire.ErrorCode) string {
	switch {
	case !q.watch:
	case err == wire.CodeOk:
		return "data"
	case err == wire.CodeNoNode && q.op == wire.OpExists:
		return "exist"
	}
	return "ping"
}

// changeOf is what the specification calls a change, "" if it does not speak of it.
func changeOf(t wire.EventType) string {
	switch t {
	case wire.EventNodeCreated:
		return "create"
	case wire.EventNodeDataChanged:
		return "set"
	case wire.EventNodeDeleted:
		return "delete"
	}
	return ""
}

// rank is a zxid as the tale counts.
func (t *watchTale) rank(zxid int64) int {
	n, found := slices.BinarySearch(t.zxids, zxid)
	if found {
		n++
	}
	return n
}

// server is the number of a process, 0 if it has none.
func (t *watchTale) server(p process) int { return slices.Index(t.servers, p) + 1 }

func (t *watchTale) goesOn() bool {
	if t.client.finishing {
		t.end("the world comes to rest")
	}
	return t.cut == ""
}

// serves says whether the process of a connection has it still, and has not ended it.
func (d *dialled) serves() bool {
	return d.sc != nil && d.sc.h.epoch == d.process.epoch && d.sc.h.conns[d.sc.conn.ID()] == d.sc &&
		d.sc.conn.Cause() == core.CauseNone
}

// What clients do.

func (s *watchTales) connecting(conn *rawConn) {
	d := &dialled{conn: conn, asked: map[int32]question{}}
	s.byLink[conn.end.link.id] = d
	if t := s.byID[core.SessionID(conn.session.id)]; t != nil {
		t.dial = d
	} else {
		s.fresh = append(s.fresh, d)
	}
}

// hears is told of each frame that a client gets.
func (s *watchTales) hears(conn *rawConn, got *arrival) {
	t := s.byID[core.SessionID(conn.session.id)]
	if t == nil || t.dial == nil || t.dial.conn != conn || !t.goesOn() {
		return
	}
	seen := t.rank(max(conn.session.lastZxid, got.zxid))
	switch {
	case got.connect != nil:
		if got.connect.TimeoutMs <= 0 {
			t.end("the session is over")
		}
	case got.event != nil:
		z := unknown
		if got.zxid >= 0 {
			z = t.rank(got.zxid)
		}
		t.add("Receive", "type", "event", "kind", "none", "z", z, "seen", seen)
	default:
		kind := "setWatches"
		if got.xid != wire.XidSetWatches {
			q := question{op: got.op, watch: got.request != nil && got.request.Watch}
			kind = q.answer(wire.ErrorCode(got.result.Err))
		}
		t.add("Receive", "type", "reply", "kind", kind, "z", t.rank(got.zxid), "seen", seen)
	}
}

// loses is told when a client has no connection any more.
func (a *abstraction) loses(conn *rawConn) {
	if a == nil || !conn.c.watching || conn.session == nil {
		return
	}
	t := a.watches.byID[core.SessionID(conn.session.id)]
	if t == nil || t.dial == nil || t.dial.conn != conn {
		return
	}
	t.dial = nil
	if !t.goesOn() || !t.ready {
		return
	}
	t.ready = false
	if t.jumped > 0 {
		t.applied[t.here-1] = t.jumped
		t.add("Jump", "s", t.here, "n", t.jumped)
		t.jumped = 0
	} else {
		t.add("Break")
	}
	p := t.servers[t.here-1]
	if h := t.w.hosts[p.host-1]; h.epoch == p.epoch {
		t.catchUp(h, t.here)
	}
}

// What servers do.

// fed is told of each frame that a process has taken from a connection.
func (s *watchTales) fed(d *dialled, sc *serverConn, frame []byte) {
	t := s.byID[core.SessionID(d.conn.session.id)]
	if d.sc == nil {
		d.sc, d.process = sc, process{sc.h.id, sc.h.epoch}
		if t != nil && t.goesOn() && sc.conn.Cause() == core.CauseNone {
			t.handshake(d)
		}
		return
	}
	if len(frame) < wire.FrameHeaderLen || t == nil || t.dial != d || !t.goesOn() || !d.serves() {
		return
	}
	r := wire.NewReader(frame[wire.FrameHeaderLen:])
	var q wire.RequestHeader
	q.Decode(&r)
	request := requestOf(q.Op, r.Rest())
	switch q.Op {
	case wire.OpSetWatches, wire.OpSetWatches2:
		t.setsWatches(request.Watches)
		return
	case wire.OpCloseSession:
		t.end("the client closes its session")
		return
	}
	d.asked[q.Xid] = question{q.Op, request != nil && request.Watch}
	t.says(t.heard())
}

// handshake is told when the handshake of a session is read that has been here before.
func (t *watchTale) handshake(d *dialled) {
	t.read = append(t.read, d)
	t.meets(d.sc.h)
}

// meets gives a number to a host's process that has none, and tells what it has applied.
func (t *watchTale) meets(h *host) {
	if p := (process{h.id, h.epoch}); t.server(p) == 0 {
		t.servers, t.applied = append(t.servers, p), append(t.applied, 0)
		t.catchUp(h, len(t.servers))
	}
}

// heard is what was queued for the client.
func (t *watchTale) heard() (all []message) {
	t.queued(t.dial.sc, func(header *wire.ReplyHeader, r *wire.Reader) {
		m := message{zxid: header.Zxid}
		switch header.Xid {
		case wire.XidNotification:
			var e wire.WatcherEvent
			e.Decode(r)
			m.kind, m.what = "event", changeOf(e.Type)
			if e.Path != watchedPath {
				m.what = "of another znode"
			}
		case wire.XidSetWatches:
			m.kind = "setWatches"
		default:
			m.kind = t.dial.asked[header.Xid].answer(header.Err)
			delete(t.dial.asked, header.Xid)
		}
		all = append(all, m)
	})
	return all
}

// says tells of replies that were queued for the client. An event is told with what it comes of:
// here it is out of place.
func (t *watchTale) says(all []message) {
	for _, m := range all {
		switch m.kind {
		case "event":
			t.add("Event", "what", m.what)
		case "ping":
			t.add("Ping", "z", t.rank(m.zxid))
		default:
			t.add("Read", "kind", m.kind, "z", t.rank(m.zxid))
		}
	}
}

// setsWatches tells what came of the setWatches that the client sent first of all.
func (t *watchTale) setsWatches(q *linearizability.Watches) {
	kind := "none"
	for _, list := range []struct {
		kind  string
		paths []string
	}{{"data", q.Data}, {"exist", q.Exist}} {
		if slices.Contains(list.paths, watchedPath) {
			kind = list.kind
		}
	}
	all := t.heard()
	n := len(all) - 1
	if n < 0 || all[n].kind != "setWatches" {
		t.end("setWatches has to wait")
		return
	}
	what := "none"
	if n > 0 {
		what = all[n-1].what
	}
	t.ready = true
	t.add("SetWatches", "kind", kind, "seen", t.rank(q.RelativeZxid), "events", n, "what", what,
		"z", t.rank(all[n].zxid))
}

// committed is told of each command of the log. from is the process that gave it to its stream.
func (s *watchTales) committed(at place, from process, c *core.Command, out *core.Outcome) {
	for i := range out.Changes {
		if what := changeOf(out.Changes[i].Type); out.Changes[i].Path == watchedPath && what != "" {
			s.changes = append(s.changes, change{at, int64(out.Zxid), what})
			for _, t := range s.order {
				if t.goesOn() {
					t.changes(&s.changes[len(s.changes)-1])
				}
			}
		}
	}
	t := s.byID[c.Session]
	switch {
	case t == nil || out.Skipped || !t.goesOn():
	case c.Kind == core.KindAttach:
		t.attaches(at, from, out)
	case c.Kind == core.KindExpire, c.Kind == core.KindRequest && c.Op == wire.OpCloseSession:
		t.end("the session is over")
	}
}

func (t *watchTale) changes(c *change) {
	t.zxids = append(t.zxids, c.zxid)
	t.entries = append(t.entries, watchEntry{c.at, len(t.zxids)})
	t.add("Change", "what", c.what)
}

// attaches tells that the log lets the session go on at a server.
func (t *watchTale) attaches(at place, from process, out *core.Outcome) {
	if out.Attach != core.AttachOK {
		t.end("the session is over")
		return
	}
	i := slices.IndexFunc(t.read, func(d *dialled) bool { return d.process == from })
	if i < 0 {
		t.end("an attach comes of which nobody has read the handshake")
		return
	}
	link := t.read[i].conn.end.link.id
	t.read = slices.Delete(t.read, i, i+1)
	if link < t.last || t.ready {
		t.end("an attach that the client gave up comes after a newer one")
		return
	}
	t.last, t.here = link, t.server(from)
	t.entries = append(t.entries, watchEntry{at, len(t.zxids)})
	t.add("Reconnect", "s", t.here)
}

// jumping is told when a host is about to go on with a State that it was sent.
func (a *abstraction) jumping(h *host) {
	if a == nil {
		return
	}
	for _, t := range a.watches.order {
		if n := len(t.entries); t.goesOn() && n > 0 && !h.has(t.entries[n-1].place) {
			t.meets(h)
		}
	}
}

// jumps is told when it has done so.
func (a *abstraction) jumps(h *host) {
	if a == nil {
		return
	}
	for _, t := range a.watches.order {
		n := t.server(process{h.id, h.epoch})
		if n == 0 || !t.goesOn() {
			continue
		}
		to := t.applied[n-1]
		for to < len(t.entries) && h.has(t.entries[to].place) {
			to++
		}
		switch {
		case to == t.applied[n-1]:
		case t.ready && t.here == n: // whatever its connection ended by
			t.jumped = to
		default:
			t.applied[n-1] = to
			t.add("Jump", "s", n, "n", to)
		}
	}
}

// applies is told when a host has applied something: at most one command, since the knobs allow no
// more in one turn.
func (s *watchTales) applies(h *host) {
	p := process{h.id, h.epoch}
	for _, t := range s.order {
		n := t.server(p)
		if n == 0 || !t.goesOn() {
			continue
		}
		d := t.dial
		switch {
		case !t.ready:
			t.catchUp(h, n)
			if d != nil && d.process == p && d.serves() && d.sc.conn.Established() && !d.greeted {
				t.greets()
			}
		case t.here != n:
			t.catchUp(h, n)
		case d.serves():
			t.applies(h)
		}
	}
	s.fresh = slices.DeleteFunc(s.fresh, func(d *dialled) bool {
		begins := d.process == p && d.serves() && d.sc.conn.Established() && !d.conn.over
		if begins {
			s.begin(h, d)
		}
		return begins || d.conn.over
	})
}

// begin starts the tale of a session where its first connection has it.
func (s *watchTales) begin(h *host, d *dialled) {
	t := &watchTale{tale: newTale(s.w, "Watches", "watch", len(s.order)+1, longestWatchTale),
		client:  d.conn.c,
		servers: []process{d.process}, applied: []int{0}, here: 1, dial: d}
	s.byID[d.sc.conn.Session()] = t
	s.order = append(s.order, t)
	t.begun = true
	t.greets()
	base := 0
	for base < len(s.changes) && h.has(s.changes[base].at) {
		base++
	}
	if base == 0 || s.changes[base-1].what == "delete" {
		t.changes(&change{what: "delete"}) // which every host has applied
		t.catchUp(h, 1)
	}
	for i := base; i < len(s.changes); i++ {
		t.changes(&s.changes[i])
	}
}

// greets is told when a handshake is answered. Who waits for no event goes on at once.
func (t *watchTale) greets() {
	d := t.dial
	d.greeted = true
	d.sc.out = append(d.sc.out, d.sc.conn.Take(nil)...) // the answer
	watches := t.client.session.watches
	if len(watches[watchData])+len(watches[watchExist]) > 0 {
		return
	}
	if len(t.lines) > 0 {
		t.add("SetWatches", "kind", "none")
	}
	t.ready = true
}

// catchUp tells what a server has applied at which the client is not.
func (t *watchTale) catchUp(h *host, n int) {
	for t.applied[n-1] < len(t.entries) && h.has(t.entries[t.applied[n-1]].place) {
		t.applied[n-1]++
		t.add("Apply", "s", n, "shown", false)
	}
}

// applies tells what the client's server has applied, and queued for it. Syncs may be answered
// before the command.
func (t *watchTale) applies(h *host) {
	all, n := t.heard(), t.applied[t.here-1]
	if n == len(t.entries) || !h.has(t.entries[n].place) {
		t.says(all)
		return
	}
	t.applied[t.here-1]++
	if n+1 < len(t.entries) && h.has(t.entries[n+1].place) {
		t.end("more than one command is applied at once")
	}
	z := t.entries[n].rank
	split := slices.IndexFunc(all, func(m message) bool {
		return m.kind == "event" || t.rank(m.zxid) >= z
	})
	if split < 0 {
		split = len(all)
	}
	t.says(all[:split])
	events := slices.DeleteFunc(slices.Clone(all[split:]),
		func(m message) bool { return m.kind != "event" })
	what := "none"
	if len(events) > 0 {
		what, z = events[0].what, t.rank(events[0].zxid)
	}
	t.add("Apply", "s", t.here, "shown", true, "events", len(events), "what", what, "z", z)
	t.says(slices.DeleteFunc(all[split:], func(m message) bool { return m.kind == "event" }))
}
