package linearizability

import (
	"cmp"
	"math"
	"reflect"
	"slices"
	"sort"
)

// index is a history with its lines tied together: returns to calls, commits to calls, connections
// to the generations of their sessions. All judges read it; building it finds what makes a history
// unsound, answers out of order, and a log that changes.
type index struct {
	h *History
	r *Report

	conns   map[int64]*connection
	order   []*connection // by their connect lines
	calls   []*call       // by their lines
	commits []*commit     // the log, each place once
	places  map[place]*commit
	byXid   map[sessionXid]*call
	life    map[int64]*lifetime
	lives   []*lifetime // by their creation
	// ownCalls are those of each session, over all its connections, in the order sent.
	ownCalls map[int64][]*call
	// ordered are those whose place in the session is known: generation by generation, each in the
	// order sent. An attach that its client gave up may land after a newer one.
	ordered   map[int64][]*call
	sessions  []int64                 // those that have calls, by their first
	bySession map[int64][]*connection // by their connect lines
	servers   []point                 // crash, restart, leader, pause and resume lines
	quiesce   *point
	logged    bool // there are commit lines

	zxids map[int64]bool // all that commits took
	acked []acked        // without commit lines, what clients know to be committed

	checked map[string]int // by judge, how much it looked at

	// stop is the zxid from which on nothing is known of the state: where the replay ended.
	stop int64

	// blamed are the numbers of the return lines that a judge has objected to: one fault often
	// offends several judges, and only the first one, who runs first for that, reports it.
	blamed map[int]bool
}

// point is a line and its place among the lines: what is before what goes by places.
type point struct {
	line *Line
	at   int
}

// acked says that a write of this zxid or a lower one was the last to be acknowledged.
type acked struct {
	at   int
	zxid int64
}

type place struct {
	index uint64
	pos   int32
}

type sessionXid struct {
	session int64
	xid     int32
}

type connection struct {
	id, session int64
	connect     point
	connected   point // line nil: never answered
	gone        point // line nil: still open
	calls       []*call
	stream      []item  // what arrived
	heard       []int64 // when bytes of it reached its server
	waiting     []*call
	gen         *generation
	turn        uint64 // its generation, or what orders it among its session's; 0: unknown
	// ambiguous says that several attaches may have been this connection's.
	ambiguous bool
	// next is the connection by which its session went on, nil if there is none.
	next *connection
}

// accepted says that the server gave the connection a session.
func (c *connection) accepted() bool {
	return c.connected.line != nil && c.connected.line.Connect.TimeoutMs > 0
}

// readOnly says that the session lives on one server only, outside the log. Only the answer says
// so: ids may have any bits, those of ZooKeeper begin with the number of a server.
func (c *connection) readOnly() bool {
	return c.accepted() && c.connected.line.Connect.ReadOnly
}

// item is a return or an event, as it arrived on a connection.
type item struct {
	point
	call *call // of a return
}

type call struct {
	point
	conn *connection
	ret  point // line nil: unknown
	// commit is the executed one, skipped one that had no effect.
	commit, skipped *commit
	// auths counts the auth requests before this call on its connection.
	auths int
}

type commit struct {
	point
	n    int // place in index.commits
	call *call
	// before is the last zxid taken by the commits before this one.
	before int64
	// want is the model's result of a request, once the replay was here.
	want *Result
}

// lifetime is a session as the log has it.
type lifetime struct {
	id          int64
	created     *commit
	ended       *commit
	generations []*generation // by their begin
	numbered    map[uint64]*generation
}

// generation is what one create or attach gave a session.
type generation struct {
	life   *lifetime
	number uint64
	begin  *commit
	next   *generation
	// timeoutMs is the session's in this generation: an attach that names none keeps it.
	timeoutMs int32
	base      []ID
	auths     []*commit
	conn      *connection
}

// identities are those after the first n auths.
func (g *generation) identities(n int) []ID {
	ids := append([]ID(nil), g.base...)
	for i, c := range g.auths {
		if i == n {
			break
		}
		if r := c.line.Result; r == nil || r.Err == CodeOk { // else it was one too many
			ids = addIdentities(ids, c.line.Commit.Identities)
		}
	}
	return ids
}

func addIdentities(ids, more []ID) []ID {
next:
	for _, id := range more {
		for _, have := range ids {
			if have == id {
				continue next
			}
		}
		ids = append(ids, id)
	}
	return ids
}

// bad reports a violation; the first line is the one to blame.
func (x *index) bad(judge string, lines []*Line, format string, args ...any) {
	if l := lines[0]; l.Kind == KindReturn {
		if x.blamed[l.No] {
			return
		}
		x.blamed[l.No] = true
	}
	x.r.add(judge, lines, format, args...)
}

func buildIndex(h *History, r *Report) *index {
	x := &index{
		h: h, r: r, conns: map[int64]*connection{}, places: map[place]*commit{},
		byXid: map[sessionXid]*call{}, life: map[int64]*lifetime{},
		zxids:  map[int64]bool{0: true, h.Header.Zxid: true},
		blamed: map[int]bool{}, stop: math.MaxInt64, checked: map[string]int{},
		ownCalls: map[int64][]*call{}, ordered: map[int64][]*call{},
		bySession: map[int64][]*connection{},
	}
	last := int64(0)
	for i := range h.Lines {
		l := &h.Lines[i]
		if l.At < last && i > 0 {
			x.bad(JudgeHistory, lines(l), "time falls from %d to %d", last, l.At)
		}
		last = l.At
		x.place(point{l, i})
	}
	x.logged = len(x.commits) > 0
	x.tieGenerations()
	x.tieConnections()
	x.tieCalls()
	x.tieCommits()
	x.orderCalls()
	if !x.logged {
		x.collectAcked()
	}
	x.checked[JudgeHistory] = len(h.Lines)
	return x
}

// orderCalls finds the generations of connections and with them the order of their calls.
func (x *index) orderCalls() {
	for _, c := range x.order {
		switch {
		case c.readOnly():
			c.turn = 1
		case !x.logged:
			if c.accepted() {
				c.turn = uint64(c.connected.at)
			}
		case c.gen != nil && !c.ambiguous:
			c.turn = c.gen.number
		default:
			for _, k := range c.calls {
				if k.commit != nil {
					c.turn = k.commit.line.Commit.Generation
				}
			}
		}
	}
	for _, id := range x.sessions {
		var list []*call
		for _, k := range x.ownCalls[id] {
			if k.conn.turn != 0 {
				list = append(list, k)
			}
		}
		sort.SliceStable(list, func(i, j int) bool { return list[i].conn.turn < list[j].conn.turn })
		x.ordered[id] = list
	}
}

// collectAcked: what an answer to a write has shown is committed, whatever the log may say.
func (x *index) collectAcked() {
	for _, k := range x.calls {
		if z, ok := x.wrote(k); ok && k.ret.line != nil {
			x.acked = append(x.acked, acked{k.ret.at, z})
		}
	}
	sort.Slice(x.acked, func(i, j int) bool { return x.acked[i].at < x.acked[j].at })
	high := int64(0)
	for i := range x.acked {
		high = max(high, x.acked[i].zxid)
		x.acked[i].zxid = high
	}
}

// wrote is the zxid that a write took: the log's, or where there is none what its answer says.
func (x *index) wrote(k *call) (int64, bool) {
	switch {
	case !k.line.Request.Op.Write():
		return 0, false
	case k.commit != nil:
		return k.commit.line.Zxid, k.commit.line.Zxid > 0
	case k.ret.line != nil && !x.logged && !k.conn.readOnly() &&
		!notExecuted(k.ret.line.Result.Err):
		return k.ret.line.Zxid, k.ret.line.Zxid > 0
	}
	return 0, false
}

func (x *index) place(p point) {
	switch l := p.line; l.Kind {
	case KindConnect:
		x.placeConnect(p)
	case KindHeard:
		// Bytes may be on their way when the client has long gone, so this is not held against
		// the connection's end.
		if c := x.conns[l.Conn]; c != nil {
			c.heard = append(c.heard, l.At)
		}
	case KindConnected, KindCall, KindReturn, KindEvent, KindDisconnect:
		c := x.conns[l.Conn]
		if c == nil {
			x.bad(JudgeHistory, lines(l), "%v on connection %d without connect", l.Kind, l.Conn)
			return
		}
		if c.gone.line != nil {
			x.bad(JudgeHistory, lines(l, c.gone.line), "%v on connection %d after its end",
				l.Kind, l.Conn)
			return
		}
		x.placeOn(c, p)
	case KindCommit:
		x.placeCommit(p)
	case KindCrash, KindRestart, KindLeader, KindPause, KindResume:
		x.servers = append(x.servers, p)
	case KindQuiesce:
		if x.quiesce == nil {
			x.quiesce = &p
		}
	}
}

func (x *index) placeConnect(p point) {
	if c := x.conns[p.line.Conn]; c != nil {
		x.bad(JudgeHistory, lines(p.line, c.connect.line), "connection %d is opened twice", c.id)
		return
	}
	c := &connection{id: p.line.Conn, session: p.line.Session, connect: p}
	x.conns[c.id] = c
	x.order = append(x.order, c)
}

func (x *index) placeOn(c *connection, p point) {
	switch p.line.Kind {
	case KindConnected:
		c.connected = p
		c.session = p.line.Session
	case KindCall:
		k := &call{point: p, conn: c}
		c.calls = append(c.calls, k)
		c.waiting = append(c.waiting, k)
		x.calls = append(x.calls, k)
	case KindReturn:
		k := x.answered(c, p)
		c.stream = append(c.stream, item{point: p, call: k})
		if k != nil {
			k.ret = p
		}
	case KindEvent:
		c.stream = append(c.stream, item{point: p})
	case KindDisconnect:
		c.gone = p
	}
}

// answered finds the call that a return answers, which must be the oldest that waits.
func (x *index) answered(c *connection, p point) *call {
	for i, k := range c.waiting {
		if k.line.Xid != p.line.Xid {
			continue
		}
		if i > 0 {
			x.bad(JudgeFIFO, lines(p.line, c.waiting[0].line),
				"%v with xid %d is answered before an earlier %v with xid %d",
				k.line.Request.Op, k.line.Xid, c.waiting[0].line.Request.Op, c.waiting[0].line.Xid)
		}
		c.waiting = append(c.waiting[:i:i], c.waiting[i+1:]...)
		return k
	}
	x.bad(JudgeFIFO, lines(p.line), "an answer with xid %d, which nothing waits for", p.line.Xid)
	return nil
}

// placeCommit keeps the log: each place once, rising, without gaps.
func (x *index) placeCommit(p point) {
	c := p.line.Commit
	at := place{c.Index, c.Pos}
	if old := x.places[at]; old != nil {
		if !sameCommit(old.line, p.line) {
			x.bad(JudgeDurability, lines(p.line, old.line),
				"index %d place %d was committed as something else", c.Index, c.Pos)
		}
		return
	}
	k := &commit{point: p, n: len(x.commits)}
	if k.n > 0 {
		last := x.commits[k.n-1]
		l := last.line.Commit
		if !(c.Index == l.Index && c.Pos == l.Pos+1 || c.Index == l.Index+1 && c.Pos == 0) {
			x.bad(JudgeDurability, lines(p.line, last.line),
				"index %d place %d is committed after index %d place %d",
				c.Index, c.Pos, l.Index, l.Pos)
		}
		k.before = max(last.before, last.line.Zxid)
	} else {
		k.before = x.h.Header.Zxid
	}
	x.places[at] = k
	x.commits = append(x.commits, k)
	x.zxids[p.line.Zxid] = true
}

func sameCommit(a, b *Line) bool {
	if a.Session != b.Session || a.Xid != b.Xid || a.Zxid != b.Zxid || a.Path != b.Path {
		return false
	}
	return reflect.DeepEqual(a.Commit, b.Commit) && reflect.DeepEqual(a.Request, b.Request) &&
		reflect.DeepEqual(a.Result, b.Result)
}

// tieGenerations finds the sessions in the log.
func (x *index) tieGenerations() {
	for _, c := range x.commits {
		l := c.line
		failed := l.Result == nil || l.Result.Err != CodeOk
		if l.Commit.Skipped || failed && l.Commit.Kind != CommitAuth {
			continue
		}
		life := x.life[l.Session]
		switch l.Commit.Kind {
		case CommitCreateSession:
			if life == nil {
				life = &lifetime{id: l.Session, created: c}
				x.life[l.Session] = life
				x.lives = append(x.lives, life)
				life.begin(c)
			}
		case CommitAttach:
			if life != nil {
				life.begin(c)
			}
		case CommitAuth:
			if life == nil {
				continue
			}
			if g := life.generation(l.Commit.Generation); g != nil {
				g.auths = append(g.auths, c)
			}
		case CommitClose, CommitExpire:
			if life != nil && life.ended == nil {
				life.ended = c
			}
		}
	}
}

func (s *lifetime) begin(c *commit) {
	g := &generation{life: s, number: c.line.Commit.Generation, begin: c,
		base: c.line.Commit.Identities, timeoutMs: c.line.Commit.TimeoutMs}
	if n := len(s.generations); n > 0 {
		last := s.generations[n-1]
		last.next = g
		g.timeoutMs = cmp.Or(g.timeoutMs, last.timeoutMs)
	}
	s.generations = append(s.generations, g)
	if s.numbered == nil {
		s.numbered = map[uint64]*generation{}
	}
	if s.numbered[g.number] == nil {
		s.numbered[g.number] = g
	}
}

func (s *lifetime) generation(number uint64) *generation { return s.numbered[number] }

// tieConnections finds the generation of each connection that was accepted.
func (x *index) tieConnections() {
	for _, c := range x.order {
		life := x.life[c.session]
		if life == nil || c.connected.line == nil || c.connected.line.Connect.TimeoutMs == 0 {
			continue
		}
		if n := c.connected.line.Connect.Generation; n != 0 {
			c.gen = life.generation(n)
		} else {
			first := sort.Search(len(life.generations), func(i int) bool {
				return life.generations[i].begin.at > c.connect.at
			})
			for _, g := range life.generations[first:] {
				if g.begin.at >= c.connected.at {
					break
				}
				c.ambiguous = c.gen != nil
				c.gen = g
			}
		}
		if c.gen != nil && !c.ambiguous {
			c.gen.conn = c
		}
	}
}

// tieCalls gives sessions their calls in the order sent.
func (x *index) tieCalls() {
	for _, c := range x.order {
		x.bySession[c.session] = append(x.bySession[c.session], c)
		auths := 0
		for _, k := range c.calls {
			k.auths = auths
			if k.line.Request.Op == OpAuth {
				auths++
			}
		}
	}
	for id, list := range x.bySession { //order-free: each session by itself
		var next *connection
		for _, c := range slices.Backward(list) {
			if c.next = next; id != 0 && c.accepted() {
				next = c
			}
		}
	}
	for _, k := range x.calls {
		if id := k.conn.session; id != 0 {
			if x.ownCalls[id] == nil {
				x.sessions = append(x.sessions, id)
			}
			x.ownCalls[id] = append(x.ownCalls[id], k)
		}
		if k.line.Xid <= 0 || k.conn.session == 0 {
			continue
		}
		at := sessionXid{k.conn.session, k.line.Xid}
		if old := x.byXid[at]; old != nil {
			x.bad(JudgeHistory, lines(k.line, old.line), "xid %d is used twice in session %#x",
				k.line.Xid, k.conn.session)
			continue
		}
		x.byXid[at] = k
	}
}

// tieCommits finds the call of each commit. An xid names a request; auths have none and are
// counted on their connection.
func (x *index) tieCommits() {
	seen := map[*generation]int{}
	for _, c := range x.commits {
		l := c.line
		switch l.Commit.Kind {
		case CommitRequest, CommitClose, CommitConfig:
			c.call = x.byXid[sessionXid{l.Session, l.Xid}]
		case CommitAuth:
			c.call = x.callOfAuth(c, seen)
		}
		if c.call == nil {
			continue
		}
		switch {
		case l.Commit.Skipped:
			c.call.skipped = c
		case l.Commit.Pending: // what it comes to is the commit that counts
		case c.call.commit != nil:
			x.bad(JudgeExactlyOnce, lines(l, c.call.commit.line),
				"%v with xid %d of session %#x takes effect twice", c.call.line.Request.Op, l.Xid,
				l.Session)
		default:
			c.call.commit = c
		}
	}
}

func (x *index) callOfAuth(c *commit, seen map[*generation]int) *call {
	life := x.life[c.line.Session]
	if life == nil || c.line.Commit.Skipped {
		return nil
	}
	g := life.generation(c.line.Commit.Generation)
	if g == nil || g.conn == nil {
		return nil
	}
	n := seen[g]
	seen[g]++
	for _, k := range g.conn.calls {
		if k.line.Request.Op == OpAuth {
			if n == 0 {
				return k
			}
			n--
		}
	}
	return nil
}

// committed is the last zxid taken by the commits before a place in the history. Without commit
// lines it is the last one known to be committed there.
func (x *index) committed(at int) int64 {
	if !x.logged {
		n := sort.Search(len(x.acked), func(i int) bool { return x.acked[i].at >= at })
		if n == 0 {
			return 0
		}
		return x.acked[n-1].zxid
	}
	n := sort.Search(len(x.commits), func(i int) bool { return x.commits[i].at >= at })
	if n == 0 {
		return x.h.Header.Zxid
	}
	last := x.commits[n-1]
	return max(last.before, last.line.Zxid)
}
