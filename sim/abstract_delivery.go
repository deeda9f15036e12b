package sim

import (
	"slices"
	"strings"

	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/wire"
)

// deliveryTales tells connections as module SessionsDelivery sees them: what one asks of its
// server, what is committed and applied there, and what is queued for the client, in order. The
// znode is the root: each write creates a child of it, and each command that creates or deletes
// children is an entry. Versions count from where the connection began.
type deliveryTales struct {
	w        *World
	changes  []rootChange
	children []string // of the root, as the log has it, in order
	byConn   map[*serverConn]*deliveryTale
	order    []*deliveryTale
}

// rootChange is a command that changed the root's children.
type rootChange struct {
	at       place
	zxid     int64
	children string // what it left, in order
}

// deliveryTale is the one of a connection.
type deliveryTale struct {
	tale
	all     *deliveryTales
	sc      *serverConn
	epoch   int
	base    int // changes that were applied when it began
	applied int // and now
	asked   map[int32]request
	sent    int // requests
	// confirmed are the syncs of which that was told.
	confirmed map[int]bool
	syncs     int // that have no answer
	pings     int // that have none: the specification does not speak of them
	action    *AbstractLine
}

// request is one of the specification's: its number, and W, R or S; E is an event's.
type request struct {
	n    int
	kind string
}

// said is what was queued for a client: a reply, or an event without a request.
type said struct {
	request
	shows, z int // versions: of what it shows, and of its zxid
}

// unknown stands for a version of children that the root never had, and for what was not seen.
const unknown = 1000000

func newDeliveryTales(w *World) deliveryTales {
	return deliveryTales{w: w, byConn: map[*serverConn]*deliveryTale{}}
}

// rootChild is the name of a child of the root, "" for any other path.
func rootChild(path string) string {
	name, ok := strings.CutPrefix(path, "/")
	if !ok || strings.Contains(name, "/") {
		return ""
	}
	return name
}

// committed is told of each command of the log.
func (s *deliveryTales) committed(at place, c *core.Command, out *core.Outcome) {
	changed := false
	for i := range out.Changes {
		change := &out.Changes[i]
		name := rootChild(change.Path)
		where, there := slices.BinarySearch(s.children, name)
		switch {
		case name == "":
		case change.Type == wire.EventNodeCreated && !there:
			s.children = slices.Insert(s.children, where, strings.Clone(name))
			changed = true
		case change.Type == wire.EventNodeDeleted && there:
			s.children = slices.Delete(s.children, where, where+1)
			changed = true
		}
	}
	if !changed {
		return
	}
	s.changes = append(s.changes, rootChange{at, int64(out.Zxid), strings.Join(s.children, " ")})
	for _, t := range s.order {
		if !t.begun || !t.goesOn() {
			continue
		}
		if q := t.asked[c.Xid]; c.Kind == core.KindRequest && c.Session == t.sc.conn.Session() &&
			c.Generation == t.sc.conn.Generation() {
			t.add("CommitOwn", "n", q.n, "i", len(s.changes)-t.base)
		} else {
			t.add("CommitOther", "i", len(s.changes)-t.base)
		}
	}
}

// goesOn says whether there is more to be told. The specification does not speak of the end of a
// connection.
func (t *deliveryTale) goesOn() bool {
	h, c := t.sc.h, t.sc.conn
	if h.epoch != t.epoch || h.conns[c.ID()] != t.sc || c.Cause() != core.CauseNone {
		t.end("the connection ends")
	}
	return t.cut == ""
}

// fed is told of what a process has taken from a connection, or done for it: a frame, or none.
// given is how many commands were given to the stream.
func (s *deliveryTales) fed(sc *serverConn, frame []byte, given int) {
	t := s.byConn[sc]
	if t == nil {
		t = &deliveryTale{all: s, sc: sc, epoch: sc.h.epoch, asked: map[int32]request{},
			confirmed: map[int]bool{},
			tale:      newTale(s.w, "Delivery", "connection", len(s.order)+1, longestDeliveryTale)}
		s.byConn[sc] = t
		s.order = append(s.order, t)
		return
	}
	if !t.begun || !t.goesOn() {
		return
	}
	if len(frame) == 0 {
		s.gives(sc, given)
		return
	}
	t.action = nil
	t.asks(frame, given == 0)
	for _, m := range t.heard() {
		t.says(m)
	}
	t.rests()
}

// gives tells that writes that were held have been given to the stream.
func (s *deliveryTales) gives(sc *serverConn, n int) {
	if t := s.byConn[sc]; n > 0 && t != nil && t.begun && t.goesOn() {
		t.action = t.add("GiveHeld", "n", n)
		t.rests()
	}
}

// asks tells of a request. A write may be held.
func (t *deliveryTale) asks(frame []byte, held bool) {
	r := wire.NewReader(frame[wire.FrameHeaderLen:])
	var q wire.RequestHeader
	q.Decode(&r)
	next := func(kind string) int {
		t.sent++
		t.asked[q.Xid] = request{t.sent, kind}
		return t.sent
	}
	switch q.Op {
	case wire.OpCreate, wire.OpCreate2:
		t.action = t.add("Write", "n", next("W"), "held", held)
	case wire.OpGetChildren:
		var read wire.PathWatchRequest
		if read.Decode(&r); read.Path != "/" || !read.Watch {
			t.end("the client asks for something else")
			return
		}
		t.action = t.add("Read", "n", next("R"))
	case wire.OpSync:
		t.syncs++
		t.action = t.add("Sync", "n", next("S"))
	case wire.OpPing:
		if t.pings++; t.syncs > 0 {
			t.end("a ping waits for a sync")
		}
	case wire.OpCloseSession:
		t.end("the client closes its session")
	default:
		t.end("the client asks for something else")
	}
}

// heard is what was queued for the client.
func (t *deliveryTale) heard() (all []said) {
	t.queued(t.sc, func(header *wire.ReplyHeader, r *wire.Reader) {
		if header.Xid == wire.XidPing {
			t.pings--
			return
		}
		m := said{request: t.asked[header.Xid], z: t.version(header.Zxid)}
		m.shows = m.z
		if header.Xid == wire.XidNotification {
			m.kind = "E"
			var e wire.WatcherEvent
			if e.Decode(r); e.Type != wire.EventNodeChildrenChanged || e.Path != "/" {
				m.z = unknown
			}
		}
		if header.Err != wire.CodeOk {
			t.end("a request is refused")
		}
		if m.kind == "R" {
			m.shows = t.shown(r, m.z)
		}
		all = append(all, m)
	})
	return all
}

// version is a zxid as the tale counts.
func (t *deliveryTale) version(zxid int64) int {
	n := len(t.all.changes)
	for n > t.base && t.all.changes[n-1].zxid > zxid {
		n--
	}
	return n - t.base
}

// shown is the version that a read shows: of those with its children, the one that fits best.
func (t *deliveryTale) shown(r *wire.Reader, z int) int {
	var list wire.ChildrenResponse
	list.Decode(r)
	names := slices.DeleteFunc(list.Children, func(s string) bool { return s == "zookeeper" })
	slices.Sort(names)
	have, best := strings.Join(names, " "), unknown
	for v := range len(t.all.changes) - t.base + 1 {
		was := ""
		if v+t.base > 0 {
			was = t.all.changes[v+t.base-1].children
		}
		if was == have && (best == unknown || v <= z) {
			best = v
		}
	}
	return best
}

func (t *deliveryTale) says(m said) {
	if m.kind == "E" {
		t.add("Told", "z", m.z)
		return
	}
	if m.kind == "S" {
		t.syncs--
	}
	t.add("Replied", "n", m.n, "kind", m.kind, "shows", m.shows, "z", m.z)
}

// rests tells with the last step how many requests have no answer.
func (t *deliveryTale) rests() {
	if t.action != nil {
		t.action.set("q", t.sc.conn.Queued()-t.pings)
		t.action = nil
	}
}

// steps tells of a step that has more behind it in the same turn of the process.
func (t *deliveryTale) steps(action string, fields ...any) {
	if t.action != nil {
		t.action.set("q", unknown)
	}
	t.action = t.add(action, fields...)
}

// confirms tells that the read index of a sync is known, unless it was told already.
func (t *deliveryTale) confirms(m said) {
	if m.kind == "S" && !t.confirmed[m.n] {
		t.confirmed[m.n] = true
		t.steps("Confirm", "n", m.n)
	}
}

// applies is told when a host has applied something: first the syncs are confirmed whose index had
// been applied, then at most one command is, since the knobs allow no more in one turn.
func (s *deliveryTales) applies(h *host) {
	for _, t := range s.order {
		switch {
		case t.sc.h != h || !t.goesOn():
		case t.begun:
			t.applies(h)
		case t.sc.conn.Established():
			t.begin(h)
		}
	}
}

func (t *deliveryTale) begin(h *host) {
	for t.base < len(t.all.changes) && h.has(t.all.changes[t.base].at) {
		t.base++
	}
	t.begun, t.applied = true, t.base
	t.sc.out = append(t.sc.out, t.sc.conn.Take(nil)...) // the answer to its handshake
	for i := range t.all.changes[t.base:] {
		t.add("CommitOther", "i", i+1)
	}
}

func (t *deliveryTale) applies(h *host) {
	before, all := t.applied-t.base, t.heard()
	if t.applied < len(t.all.changes) && h.has(t.all.changes[t.applied].at) {
		t.applied++
	}
	if t.applied < len(t.all.changes) && h.has(t.all.changes[t.applied].at) {
		t.end("more than one command is applied at once")
	}
	split := slices.IndexFunc(all, func(m said) bool { return m.z > before })
	if split < 0 || t.applied-t.base == before {
		split = len(all)
	}
	t.action = nil
	for _, m := range all[:split] {
		t.confirms(m)
		t.says(m)
	}
	if t.applied-t.base > before {
		// A sync behind the write that is answered has been confirmed before, which nobody saw.
		own := slices.IndexFunc(all[split:], func(m said) bool { return m.kind == "W" })
		for _, m := range all[split+max(own, 0):] {
			if own >= 0 {
				t.confirms(m)
			}
		}
		t.steps("Apply", "i", t.applied-t.base)
		for _, m := range all[split:] {
			t.says(m)
		}
	}
	t.rests()
}
