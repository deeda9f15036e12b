package core

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/vivariumdb/vivarium/internal/invariant"
	"github.com/vivariumdb/vivarium/internal/mutant"
	"github.com/vivariumdb/vivarium/wire"
)

// Cause is why a connection ended.
type Cause uint8

const (
	CauseNone Cause = iota
	CauseClosedByClient
	CausePeerGone
	CauseUnknownSession
	CauseAheadOfServer
	CauseSessionExpired
	CauseSessionMoved
	CauseBadLength
	CauseBadHandshake
	CauseBadFrame
	CauseUnknownOpcode
	CauseAuthFailed
	CauseSlowReader
	CauseHandshakeTimeout
	CauseFourLetterWord
	CauseServerStopping
	CauseTooMany
	CauseTooManyOfIP
	CauseNoLeader
	CauseRemoved
	CauseLeaderBack
	CauseDisputed
	CauseDiverged
	CauseServerJumped
)

var causes = [...]string{
	CauseNone:             "open",
	CauseClosedByClient:   "client closed its session",
	CausePeerGone:         "client closed the connection",
	CauseUnknownSession:   "session unknown, expired or wrong password",
	CauseAheadOfServer:    "client has seen a later zxid than this server",
	CauseSessionExpired:   "session expired",
	CauseSessionMoved:     "session attached by another connection",
	CauseBadLength:        "frame length negative or above jute.maxbuffer",
	CauseBadHandshake:     "malformed connect request",
	CauseBadFrame:         "malformed request",
	CauseUnknownOpcode:    "unknown request type",
	CauseAuthFailed:       "authentication failed",
	CauseSlowReader:       "client does not read: too many unsent bytes",
	CauseHandshakeTimeout: "no session within the handshake time-out",
	CauseFourLetterWord:   "four-letter word answered",
	CauseServerStopping:   "server stopping",
	CauseTooMany:          "maxCnxns reached",
	CauseTooManyOfIP:      "maxClientCnxns reached",
	CauseNoLeader:         "server has had no leader for too long",
	CauseRemoved:          "server was removed from its ensemble",
	CauseLeaderBack:       "server is not read-only any more",
	CauseDisputed:         "no majority of the members has one State",
	CauseDiverged:         "server's State differs from that of the others",
	CauseServerJumped:     "server was too far behind and went on with a later state",
}

func (c Cause) String() string { return causes[c] }

// Local is one server's half of core: its connections, its watches, its inbox. Lock S guards
// everything but what its fields say; see the package comment.
type Local struct {
	State    *State
	Watches  *Watches // S exclusive, or S shared and W
	lists    lists    // likewise
	Inbox    Inbox    // B
	Settings Settings // fixed

	// AuthFailed counts refused auth packets. Guarded by B.
	AuthFailed int64

	self     Origin
	conns    map[ConnID]*Conn
	perIP    map[netip.Addr]int
	sessions map[SessionID]*Conn
	young    []*Conn // without a session when last looked at, oldest first
	pending  pending // pushed under S shared and B, popped under S exclusive
	waiting  []*Conn // S exclusive, or S shared and B: not read, but alive
	starved  []*Conn // likewise: throttled until there is room
	granted  int     // likewise: bytes promised for long frames
	beyond   *Conn   // likewise: who was promised more than there is
	held     int     // likewise: what connections hold that hold much
	draining bool    // S: nothing more is taken

	serving          Serving // S; changed under S exclusive
	servingCause     Cause   // likewise: what to tell those who are not served
	readOnlySessions uint64  // B: counts them, from any number on

	touched  []*Conn // got output or came to an end since TakeTouched
	mutation mutation
	now      int64 // of the Deliver under way
	applying bool
	changes  uint64 // counts the changes that were told to watchers
	retired  Totals // of connections that are gone
	writes   Latencies
	reads    Latencies
}

// NewLocal returns a server's half over state, with no connections.
func NewLocal(state *State, settings Settings) *Local {
	return &Local{State: state, Watches: NewWatches(), Settings: settings.withDefaults(),
		Inbox: Inbox{next: 1}, pending: pending{first: 1},
		conns: make(map[ConnID]*Conn), perIP: make(map[netip.Addr]int),
		sessions: make(map[SessionID]*Conn)}
}

// SetSelf tells which stream is this server's. Until then nothing is delivered as its own.
func (l *Local) SetSelf(self Origin) { l.self = self }

// Self is the origin that SetSelf set.
func (l *Local) Self() Origin { return l.self }

// ConnInfo is what a driver knows of a new connection.
type ConnInfo struct {
	ID     ConnID // never used before in this process
	Remote netip.AddrPort
	Random [16]byte // unpredictable: becomes the password of a session created here
	NowMs  int64
	Owner  any // the driver's own, which Conn.Owner gives back
}

// Open takes a new connection, or says why not. The caller holds S exclusively.
func (l *Local) Open(info ConnInfo) (*Conn, Cause) {
	ip := info.Remote.Addr().Unmap()
	switch s := &l.Settings; {
	case s.MaxConnections > 0 && len(l.conns) >= s.MaxConnections:
		return nil, CauseTooMany
	case s.MaxConnectionsPerIP > 0 && l.perIP[ip] >= s.MaxConnectionsPerIP &&
		!mutant.On("limits-address-unbounded"):
		return nil, CauseTooManyOfIP
	}
	invariant.Check(l.conns[info.ID] == nil, "connection id used twice")
	c := &Conn{id: info.ID, remote: info.Remote, random: info.Random, opened: info.NowMs,
		owner: info.Owner, stats: newConnStats()}
	l.conns[c.id] = c
	l.perIP[ip]++
	l.young = append(l.young, c)
	return c, CauseNone
}

// Closed forgets a connection whose bytes no longer go anywhere. The caller holds S
// exclusively and calls neither Next nor Feed afterwards.
func (l *Local) Closed(c *Conn) {
	if l.conns[c.id] != c {
		return
	}
	if c.phase == phaseNew && c.word != "" {
		c.cause = CauseFourLetterWord
		c.phase = phaseOver
	}
	l.end(c, CausePeerGone)
	delete(l.conns, c.id)
	ip := c.remote.Addr().Unmap()
	if !mutant.On("limits-address-remembered") {
		l.perIP[ip]--
	}
	if l.perIP[ip] == 0 {
		delete(l.perIP, ip)
	}
	l.retired.add(&c.share)
	c.out, c.produced, c.written = nil, 0, 0
	l.measure(c)
}

// end stops serving c for cause, unless it ended before. The caller holds S exclusively.
func (l *Local) end(c *Conn, cause Cause) {
	c.over(cause)
	l.Watches.dropConn(c)
	if c.session != 0 && l.sessions[c.session] == c {
		delete(l.sessions, c.session)
	}
	if c.waits {
		l.stopWaiting(c)
	}
	l.release(c)
	l.measure(c)
	l.touch(c)
}

// endSlow ends c, whose client is owed too much. It does not read, so nothing is sent any
// more: the driver forgets what it has of it.
func (l *Local) endSlow(c *Conn) {
	l.end(c, CauseSlowReader)
	c.out, c.written = nil, c.produced
	l.measure(c)
}

// submit adds a command to the stream, with c waiting for its outcome.
func (l *Local) submit(c *Conn, commands []byte) {
	l.pending.push(c, l.Inbox.put(commands))
}

// full says whether a write of n bytes has to wait, and then throttles c until apply has
// made room.
func (l *Local) full(c *Conn, n int) bool {
	s := &l.Settings
	switch {
	case l.pending.n >= s.MaxOutstanding && c.inflight > 0:
		// Its own next outcome wakes it.
	case l.pending.bytes > 0 && l.pending.bytes+n > s.MaxOutstandingBytes:
		l.starved = append(l.starved, c)
	default:
		return false
	}
	c.throttled = true
	return true
}

// grant sets memory aside for a frame of n bytes, or lets c wait for it. Who has been granted
// some holds it until the frame is whole: they would all wait for each other if not one of
// them at a time were granted what it needs beyond the bound.
func (l *Local) grant(c *Conn, n int) {
	if l.granted > 0 && l.granted-c.granted+n > l.Settings.MaxInputBytes {
		if c.granted == 0 || l.beyond != nil && l.beyond != c {
			l.starved = append(l.starved, c)
			c.throttled = true
			return
		}
		l.beyond = c
	}
	l.granted += n - c.granted
	c.granted = n
}

func (l *Local) release(c *Conn) {
	l.granted -= c.granted
	c.granted = 0
	if l.beyond == c {
		l.beyond = nil
	}
}

// measure brings up to date what c counts for in held. The caller holds S exclusively or B.
func (l *Local) measure(c *Conn) {
	h := c.holds()
	if h < heavy {
		h = 0
	}
	l.held += h - c.weight
	c.weight = h
}

// weigh measures c, and judges whether it has to wait until it has less or all have less.
func (l *Local) weigh(c *Conn) {
	l.measure(c)
	c.weighed = true
	c.tooHeavy = c.weight > 0 && l.held > l.Settings.MaxHeldBytes
}

// feedStarved lets those try again who had to wait for room.
func (l *Local) feedStarved() {
	if len(l.starved) == 0 {
		return
	}
	for _, c := range l.starved {
		c.throttled = false
		l.touch(c)
	}
	clear(l.starved)
	l.starved = l.starved[:0]
}

// Drain takes no more requests: those that were taken are still answered. The caller holds S
// exclusively.
func (l *Local) Drain() { l.draining = true }

// Answered says whether every request that was taken has been answered. The caller holds S
// exclusively.
func (l *Local) Answered() bool {
	for _, c := range l.conns { //order-free: all or none
		if c.Queued() > 0 {
			return false
		}
	}
	return l.pending.n == 0
}

// CloseAll ends every connection for cause; outcomes that are still to come reach nobody.
func (l *Local) CloseAll(cause Cause) {
	for _, c := range l.Conns() {
		l.applying = true
		l.end(c, cause)
		l.applying = false
	}
}

// Conns lists the connections by id.
func (l *Local) Conns() []*Conn {
	list := make([]*Conn, 0, len(l.conns))
	for _, c := range l.conns { //order-free: sorted below
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b *Conn) int { return cmp.Compare(a.id, b.id) })
	return list
}

// Each calls f for every connection, in no order.
func (l *Local) Each(f func(*Conn)) {
	for _, c := range l.conns { //order-free: f's business
		f(c)
	}
}

// ConnCount is the number of connections, Outstanding that of commands of this server that
// wait for their outcome.
func (l *Local) ConnCount() int   { return len(l.conns) }
func (l *Local) Outstanding() int { return l.pending.n }

// touch remembers that apply did something to c that its driver has to see to. What Feed
// does, its driver sees anyway.
func (l *Local) touch(c *Conn) {
	if l.applying && !c.touched {
		c.touched = true
		l.touched = append(l.touched, c)
	}
}

// TakeTouched appends to list the connections that got output, can be read again or came to
// an end through apply, each once. Those that have become too much to hold come to their end
// here. The caller holds S exclusively.
func (l *Local) TakeTouched(list []*Conn) []*Conn {
	for _, c := range l.touched {
		if l.weigh(c); c.Unsent() > l.Settings.HardUnsent {
			l.endSlow(c)
		}
	}
	if l.held > 2*l.Settings.MaxHeldBytes {
		l.shed()
	}
	for _, c := range l.touched {
		c.touched = false
	}
	list = append(list, l.touched...)
	clear(l.touched)
	l.touched = l.touched[:0]
	return list
}

// shed ends the connections to whose clients most is owed, until there is some room again: no
// event may be dropped, so connections are.
func (l *Local) shed() {
	var heaviest []*Conn
	l.Each(func(c *Conn) {
		if l.measure(c); c.Unsent() > l.Settings.SoftUnsent {
			heaviest = append(heaviest, c)
		}
	})
	slices.SortFunc(heaviest, func(a, b *Conn) int {
		return cmp.Or(cmp.Compare(b.Unsent(), a.Unsent()), cmp.Compare(a.id, b.id))
	})
	l.applying = true
	for _, c := range heaviest {
		if l.held <= l.Settings.MaxHeldBytes*3/2 {
			break
		}
		l.endSlow(c)
	}
	l.applying = false
}

// startWaiting and stopWaiting keep the list of connections that the server itself does not
// read: their clients cannot show that they live.
func (l *Local) startWaiting(c *Conn) {
	l.waiting = append(l.waiting, c)
	c.waits, c.waitingAt = true, len(l.waiting)
}

func (l *Local) stopWaiting(c *Conn) {
	last := l.waiting[len(l.waiting)-1]
	l.waiting[c.waitingAt-1], last.waitingAt = last, c.waitingAt
	l.waiting[len(l.waiting)-1] = nil
	l.waiting = l.waiting[:len(l.waiting)-1]
	c.waits, c.waitingAt = false, 0
}

// TouchWaiting reports a sign of life for each connection that is not read because of what
// the server owes it. The caller holds S shared and B.
func (l *Local) TouchWaiting() {
	if mutant.On("sessions-backpressure-expires") {
		return
	}
	for _, c := range l.waiting {
		if !c.readOnlySession {
			l.Inbox.touched = append(l.Inbox.touched, c.session)
		}
	}
}

// Sweep ends connections that have had no session for Settings.HandshakeMs, and lets those
// try again that wait for room that no apply frees. To be called about once a second, after
// Wrote for each connection. The caller holds S exclusively.
func (l *Local) Sweep(now int64) {
	l.applying = true
	l.Each(l.measure)
	l.Each(l.weigh)
	for _, c := range l.waiting {
		if !c.tooHeavy {
			l.touch(c)
		}
	}
	n := 0
	for _, c := range l.young {
		if !c.Established() && c.phase != phaseOver {
			if now-c.opened < l.Settings.HandshakeMs || mutant.On("sessions-handshake-endless") {
				break
			}
			l.end(c, CauseHandshakeTimeout)
		}
		n++
	}
	l.young = slices.Delete(l.young, 0, n)
	l.expireReadOnly(now)
	l.feedStarved()
	l.applying = false
}

// Deliver takes one outcome, right after it was applied and before the next command is: its
// events to everybody who watches, the end of connections whose session ended or moved, the
// reply if it is ours, and the reads that waited for it. The caller holds S exclusively.
func (l *Local) Deliver(out *Outcome, now int64) {
	l.now, l.applying = now, true
	var c *Conn
	if out.Origin == l.self && l.pending.n > 0 && out.Seq == l.pending.first {
		c = l.pending.pop(out.Seq)
		if c.phase == phaseOver {
			c = nil
		}
	}
	if out.Late != (Waiter{}) && out.Late.Origin == l.self {
		c = l.reconfigurer(&out.Late)
	}
	late := mutant.On("watches-event-after-reply")
	if late && c != nil {
		l.answer(c, out)
	}
	for i := range out.Changes {
		l.changes++
		l.Watches.fire(l, &out.Changes[i])
	}
	l.endOthers(c, out)
	if c != nil && !late {
		l.answer(c, out)
	}
	if c != nil && c.phase != phaseOver {
		if mutant.On("watches-deferred-read-after-batch") {
			l.mutation.reads = append(l.mutation.reads, c)
		} else {
			c.advance(l)
		}
		l.touch(c)
	}
	if mutant.Enabled {
		l.armLate()
	}
	l.applying = false
}

// Resume gives the stream what c had to hold back behind a sync, and says whether there was
// anything. The caller holds S exclusively and B, and calls it for what TakeTouched returned.
func (l *Local) Resume(c *Conn) bool {
	if c.phase == phaseOver || c.head == len(c.queue) || c.queue[c.head].kind != itemHeld {
		return false
	}
	c.giveHeld(l)
	return true
}

// EndBatch is called when all that was to be applied now has been delivered.
func (l *Local) EndBatch() {
	l.applying = true
	l.feedStarved()
	if mutant.Enabled {
		l.endMutation()
	}
	l.applying = false
}

// endOthers closes the connections of a session that ended or was attached elsewhere. The
// one that this outcome belongs to gets its answer first.
func (l *Local) endOthers(mine *Conn, out *Outcome) {
	for i := range out.Facts {
		fact := &out.Facts[i]
		old := l.sessions[fact.Session]
		if old == nil || old == mine {
			continue
		}
		switch fact.Kind {
		case FactSessionEnded:
			cause := CauseSessionExpired
			if out.Op == wire.OpCloseSession && out.Kind == KindRequest {
				cause = CauseClosedByClient
			}
			l.end(old, cause)
		case FactSessionAttached:
			if mutant.On("sessions-two-servers") {
				continue
			}
			l.end(old, CauseSessionMoved)
		}
	}
}

// answer gives c the outcome of the command at the head of its queue.
func (l *Local) answer(c *Conn, out *Outcome) {
	switch out.Kind {
	case KindCreateSession, KindAttach:
		if out.Skipped && !mutant.On("members-removed-attaches") {
			// Nothing was decided: this member was removed before. It is told with the rest of
			// what is being applied.
			l.end(c, CauseRemoved)
			return
		}
		l.attached(c, out)
		return
	case KindConfigure, KindGiveUp:
		c.reconfigured(l, out)
		return
	}
	c.inflight--
	c.throttled = false
	if c.queue[c.head].kind == itemSync {
		c.overtake(l)
	}
	if out.Pending {
		c.queue[c.head].kind = itemTarget
		return
	}
	it := c.pop()
	invariant.Check(it.kind == itemWrite, "an outcome met a request that waits for none")
	if it.op == wire.OpReconfig {
		c.reconfigs--
	}
	if out.Skipped {
		// Its session is another connection's by now; that attach has ended c already. Or nothing
		// was decided: this member was removed before.
		cause := CauseSessionMoved
		if out.Reason == ReasonRemoved {
			cause = CauseRemoved
		}
		l.end(c, cause)
		return
	}
	c.began(wire.RequestHeader{Xid: it.xid, Op: it.op})
	zxid := out.Zxid
	if out.Kind != KindRequest {
		zxid = 0 // an auth packet takes no zxid, and its reply names none
	}
	c.reply(l, it.xid, zxid, out.Err, out.Body)
	if out.Kind == KindRequest {
		c.ended(it.at, l.now)
		l.writes.add(l.now - it.at)
	}
	if it.op == wire.OpCloseSession {
		l.end(c, CauseClosedByClient)
	}
}

// reconfigurer returns the connection that waits for the end of its reconfig, nil if it is gone.
func (l *Local) reconfigurer(w *Waiter) *Conn {
	c := l.sessions[w.Session]
	if mutant.On("membership-reconfig-unanswered") {
		return nil
	}
	if c == nil || c.generation != w.Generation || c.head == len(c.queue) ||
		c.queue[c.head].kind != itemTarget || c.queue[c.head].xid != w.Xid {
		return nil
	}
	return c
}

// attached completes the handshake: the point where validity, fencing and freshness meet.
func (l *Local) attached(c *Conn, out *Outcome) {
	if out.Attach == AttachFuture {
		l.end(c, CauseAheadOfServer)
		return
	}
	if mutant.On("sessions-serves-before-attach") && c.phase == phaseOpen {
		return
	}
	answer := wire.ConnectResponse{HasReadOnly: c.hasReadOnly}
	if out.Attach == AttachOK {
		c.phase = phaseOpen
		c.session, c.generation = out.Session, out.Generation
		c.state = l.State.session(out.Session)
		invariant.Check(c.state != nil, "attached to a session that is not there")
		l.sessions[c.session] = c
		answer.TimeoutMs, answer.SessionID = c.timeoutMs, int64(c.session)
		answer.Password = c.password
		if out.Kind == KindCreateSession {
			c.created(out.Zxid, l.now)
			l.writes.add(l.now - c.greetedAt)
		}
	} else {
		answer.Password = make([]byte, 16)
	}
	b, at := wire.BeginFrame(c.out)
	c.out = wire.EndFrame(answer.AppendTo(b), at)
	c.sent()
	l.touch(c)
	if out.Attach != AttachOK {
		l.end(c, CauseUnknownSession)
	}
}

// SyncConfirmed answers the oldest unconfirmed sync of c: everything that was committed when
// it was asked is applied. The caller holds S exclusively.
func (l *Local) SyncConfirmed(c *Conn, now int64) {
	if c.phase != phaseOver && c.overtaken > 0 {
		c.overtaken--
		return
	}
	if c.phase == phaseOver || c.confirmed == c.syncs {
		return
	}
	l.now, l.applying = now, true
	c.confirmed++
	if mutant.On("reads-sync-answers-later-ones") {
		c.confirmed = c.syncs
	}
	c.advance(l)
	l.touch(c)
	l.applying = false
}
