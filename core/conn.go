package core

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/bits"
	"net/netip"

	"github.com/vivariumdb/vivarium/internal/invariant"
	"github.com/vivariumdb/vivarium/internal/mutant"
	"github.com/vivariumdb/vivarium/wire"
)

// ConnID names a connection of this process; it is never used again.
type ConnID uint64

func (id ConnID) String() string { return fmt.Sprintf("conn-%d", uint64(id)) }

// Need says what Conn.Feed needs next. NeedWatches and NeedInbox may come together.
type Need uint8

const (
	// NeedNothing: call Feed, S shared is enough.
	NeedNothing Need = 0
	// NeedWatches: call Feed under W, which guards what reads may leave: watches, and lists.
	NeedWatches Need = 1 << iota
	// NeedInbox: call Feed under B.
	NeedInbox
	// NeedBytes: the next frame is not whole yet; Conn.Want says how long it is.
	NeedBytes
	// NeedWait: the connection takes nothing now. Ask again after apply has touched it, or
	// after bytes of its output were written.
	NeedWait
	// NeedWord: the client sent a four-letter word; Conn.Word says which. Answer and close.
	NeedWord
	// NeedClose: the connection is over. Send what Take gives, then close it.
	NeedClose
)

// Feedable says whether Feed is to be called.
func (n Need) Feedable() bool { return n&^(NeedWatches|NeedInbox) == 0 }

type phase uint8

const (
	phaseNew       phase = iota // a four-letter word or a ConnectRequest is expected
	phaseAttaching              // its session's creation or attach is in the stream
	phaseOpen                   // serving requests
	phaseLast                   // a last reply is due; no more requests are taken
	phaseOver                   // what is in out may still be sent
)

// step is what Next found and Feed will do.
type step uint8

const (
	stepNone step = iota
	stepBadLength
	stepHandshake
	stepRequest
	stepGiveHeld
	stepWait   // note that the connection waits
	stepUnwait // note that it does not wait any more
	stepGrant  // ask for the memory of a long frame
	stepWeigh  // have what it holds counted, and wait if all hold too much
)

type itemKind uint8

const (
	itemWrite  itemKind = iota // in the stream; the outcome will answer it
	itemHeld                   // a write that may not be given to the stream yet
	itemRead                   // a read behind an unanswered write, sync or auth
	itemSync                   // answered once its read index is applied
	itemReply                  // a reply that is ready and waits for its turn
	itemTarget                 // a reconfig that was applied; the end of the change will answer it
)

// item is one request that is not answered yet. Frames lie in Conn.stash.
type item struct {
	kind   itemKind
	last   bool // the connection is over after this reply
	op     wire.OpCode
	xid    int32
	at     int64 // when it came, for the latency
	offset int   // of the body in stash, for itemHeld and itemRead; the reply for itemReply
	length int
}

// Conn is one client connection: the machine of the protocol.
//
// Invariant: requests are answered in the order of queue, and the head of queue is always one
// that apply, a sync or nothing but the stream can answer: everything else would have been
// answered already.
type Conn struct {
	// Fixed at Open.
	id     ConnID
	remote netip.AddrPort
	random [16]byte // the password of a session that this connection creates
	opened int64
	owner  any

	// Set by the handshake.
	phase         phase
	session       SessionID
	state         *session
	generation    Generation
	timeoutMs     int32
	greetedAt     int64 // when the handshake came
	lastSeen      Zxid
	password      []byte
	readOnly      bool // the client would take a read-only server
	hasReadOnly   bool // the client knows of read-only servers and expects the flag back
	resumes       bool // it asked for a session that exists
	word          string
	cause         Cause
	next          step
	frame         int  // length of the frame that next is about
	want          int  // what of it may be received now
	held          int  // items of itemHeld
	syncs         int  // items of itemSync
	confirmed     int  // of those, how many are confirmed
	overtaken     int  // syncs that were answered before they were confirmed
	syncsThenRead int  // items of itemSync that a read follows
	reconfigs     int  // items that are a reconfig's, held ones apart
	inflight      int  // items of itemWrite
	walks         int  // items that wait to look at much of the State
	walked        bool // the last Feed did
	throttled     bool // apply has to make room first
	granted       int  // bytes of Local.granted that are this connection's
	touchedAt     int64
	waits         bool // it is in Local.waiting
	waitingAt     int  // where; Local's
	weight        int  // what Local.held counts of it
	weighed       bool // since its last request and its last bytes that were written
	tooHeavy      bool // when last weighed, it and all together held too much

	// readOnlySession says that the session is this server's own: state is no part of the State.
	readOnlySession bool

	queue []item
	head  int
	stash []byte

	out      []byte
	produced uint64 // bytes that Take has handed over
	written  uint64 // of those, how many are written, as far as the driver told
	touched  bool   // it is in Local.touched

	watches map[string]*watch
	told    uint64 // the last change that it was told of

	notice Notice
	stats  ConnStats
	share  Totals // of what the server counts
}

// ID, Remote, Session and Cause identify the connection for people. Cause is what ended it.
func (c *Conn) ID() ConnID             { return c.id }
func (c *Conn) Remote() netip.AddrPort { return c.remote }
func (c *Conn) Session() SessionID     { return c.session }
func (c *Conn) Generation() Generation { return c.generation }
func (c *Conn) Cause() Cause           { return c.cause }

// Owner is what ConnInfo said.
func (c *Conn) Owner() any { return c.owner }

// TimeoutMs is the negotiated time-out, 0 before the handshake. OpenedMs is when the
// connection was opened, and TouchedMs when its client last gave a sign of life.
func (c *Conn) TimeoutMs() int32 { return c.timeoutMs }
func (c *Conn) OpenedMs() int64  { return c.opened }
func (c *Conn) TouchedMs() int64 { return max(c.opened, c.touchedAt) }

// Over says whether nothing is done for the connection any more: what it has to say is said.
func (c *Conn) Over() bool { return c.phase == phaseOver }

// Word is the four-letter word that the client sent, after NeedWord.
func (c *Conn) Word() string { return c.word }

// Established says whether the connection has its session.
func (c *Conn) Established() bool { return c.phase == phaseOpen || c.phase == phaseLast }

// TakeNotice returns what there is to log about the last requests, once. A zero Op is nothing.
func (c *Conn) TakeNotice() Notice {
	n := c.notice
	c.notice = Notice{}
	return n
}

// Queued is the number of requests that are not answered yet.
func (c *Conn) Queued() int { return len(c.queue) - c.head }

func (c *Conn) ip() string {
	if mutant.On("sessions-address-of-nobody") {
		return "0.0.0.0"
	}
	return c.remote.Addr().Unmap().WithZone("").String()
}

// Wrote tells how many bytes of all that Take handed over have been written. The caller is
// the connection's feeder, or holds S exclusively.
func (c *Conn) Wrote(total uint64) {
	if total > c.written {
		c.written, c.weighed = total, false
	}
}

// Unsent is the number of bytes that the client has not been sent yet.
func (c *Conn) Unsent() int { return len(c.out) + int(c.produced-c.written) }

// HasOutput says whether Take would return anything.
func (c *Conn) HasOutput() bool { return len(c.out) > 0 }

// Take hands over the output so far and goes on with the memory of spare. The caller is the
// connection's feeder under S shared, or holds S exclusively.
func (c *Conn) Take(spare []byte) []byte {
	b := c.out
	c.out = spare[:0]
	c.produced += uint64(len(b))
	return b
}

// Lend gives the Conn memory for its output, unless some output is in there already, and returns
// the memory that is not needed now: what it had, or b. The caller is as for Take.
func (c *Conn) Lend(b []byte) []byte {
	if len(c.out) > 0 {
		return b
	}
	had := c.out
	c.out = b[:0]
	return had
}

// Defers says whether apply has reads of this connection to answer.
func (c *Conn) Defers() bool { return c.head < len(c.queue) && len(c.stash) > 0 }

// Next finds out what Feed would do with the bytes in, and what it needs for that. now is in
// milliseconds. The caller holds S shared, and passes the same bytes to Feed.
func (c *Conn) Next(l *Local, in []byte, now int64) Need {
	c.next, c.frame, c.want = stepNone, 0, 0
	if c.phase == phaseOver {
		return NeedClose
	}
	if c.head < len(c.queue) && c.queue[c.head].kind == itemHeld {
		c.next = stepGiveHeld
		return NeedInbox
	}
	if !c.weighed && (c.weight > 0 || c.holds() >= heavy) {
		c.next = stepWeigh
		return NeedInbox
	}
	if c.blocked(l) {
		if !c.waits && c.state != nil {
			c.next = stepWait
			return NeedInbox
		}
		return NeedWait
	}
	if c.waits {
		c.next = stepUnwait
		return NeedInbox
	}
	if c.phase == phaseNew && c.fourLetter(in) {
		return NeedWord
	}
	n, err := wire.FrameLength(in, l.Settings.MaxBuffer)
	if err != nil {
		c.next = stepBadLength
		return NeedNothing
	}
	c.frame, c.want = n, n
	if n > longFrame {
		c.want = min(n, max(longFrame, 1<<bits.Len(uint(len(in)))))
		if c.want > longFrame && c.want > c.granted {
			c.next = stepGrant
			return NeedInbox
		}
	}
	if n == 0 || len(in) < n {
		return NeedBytes
	}
	if c.phase == phaseNew {
		c.next = stepHandshake
		return NeedInbox
	}
	c.next = stepRequest
	need := c.requestNeeds(l, in[4:n], now)
	if c.granted > 0 {
		need |= NeedInbox
	}
	return need
}

// longFrame is the length above which receiving a frame takes from Settings.MaxInputBytes. A
// longer one gets memory as it comes, twice as much each time: a peer that announces much and
// sends little must neither cost memory nor keep others waiting for it.
const longFrame = 64 << 10

// Want is up to where the frame that Next found unfinished may be received, counted from its
// beginning: its whole length, or for a long one the memory that it was granted. It is 0 if
// not even its length has come.
func (c *Conn) Want() int { return c.want }

// heavy is what a connection may hold without being counted, and itemSize what a request that
// waits costs besides its bytes.
const (
	heavy    = 64 << 10
	itemSize = 64
)

// holds is what the connection keeps in memory for its client, in bytes: what was not sent
// yet, and the requests that wait.
func (c *Conn) holds() int { return c.Unsent() + len(c.stash) + itemSize*c.Queued() }

// blocked says whether the connection may not be read now.
func (c *Conn) blocked(l *Local) bool {
	s := &l.Settings
	return l.draining || c.phase != phaseNew && c.phase != phaseOpen || c.throttled || c.tooHeavy ||
		c.walks > 0 || c.Unsent() > s.SoftUnsent && !mutant.On("limits-read-beyond-unsent") ||
		c.Queued() >= s.MaxQueued && !mutant.On("limits-read-beyond-queue") ||
		c.Queued() > 0 && len(c.stash) >= s.MaxQueuedBytes
}

// fourLetter recognises the words of OPERATIONS 2.6. A frame's length that spells one would
// be over 1.6 GB, so nothing else is lost.
func (c *Conn) fourLetter(in []byte) bool {
	if len(in) < 4 {
		return false
	}
	switch string(in[:4]) {
	case "conf", "cons", "crst", "dirs", "dump", "envi", "gtmk", "hash", "isro", "mntr",
		"ruok", "srst", "srvr", "stat", "stmk", "wchc", "wchp", "wchs":
		c.word = string(in[:4])
		return true
	}
	return false
}

func (c *Conn) requestNeeds(l *Local, frame []byte, now int64) Need {
	need := NeedNothing
	if now-c.touchedAt >= l.Settings.TouchMs {
		need = NeedInbox
	}
	if len(frame) < 8 {
		return need
	}
	op := wire.OpCode(int32(binary.BigEndian.Uint32(frame[4:])))
	switch {
	case op == wire.OpPing:
		return need
	case isRead(op):
		if c.Queued() == 0 &&
			(touchesWatches(op, frame[8:]) || l.State.longListed(op, frame[8:])) {
			need |= NeedWatches
		}
		return need
	}
	return need | NeedInbox
}

// Feed does what Next announced and returns how many bytes of in it has used up; the rest is
// to be given again. The caller holds S shared and what Next asked for.
func (c *Conn) Feed(l *Local, in []byte, now int64) int {
	doing := c.next
	c.next, c.walked = stepNone, false
	switch doing {
	case stepBadLength:
		c.over(CauseBadLength)
	case stepHandshake:
		if !c.handshake(l, in[4:c.frame], now) {
			return 0
		}
		c.received(c.frame)
		return c.frame
	case stepRequest:
		c.weighed = false
		return c.request(l, in[4:c.frame], now)
	case stepGiveHeld:
		c.giveHeld(l)
	case stepWait:
		l.startWaiting(c)
	case stepUnwait:
		l.stopWaiting(c)
	case stepGrant:
		l.grant(c, c.want)
	case stepWeigh:
		l.weigh(c)
	default:
		invariant.Check(false, "Feed without a Next that asked for it")
	}
	return 0
}

// over ends the connection for cause. What is in out is still sent; nothing else will be.
func (c *Conn) over(cause Cause) {
	if c.phase == phaseOver {
		return
	}
	c.phase, c.cause = phaseOver, cause
	c.queue, c.head, c.stash = nil, 0, nil
	c.held, c.syncs, c.confirmed, c.syncsThenRead, c.inflight, c.reconfigs = 0, 0, 0, 0, 0, 0
	c.walks = 0
}

// handshake gives the creation of a session, or the attach to one, to the stream. Whether the
// session exists, the password is right and the client's past is ours too is judged where
// that entry is applied, never here (DESIGN section 4). It uses up nothing, and says so, if the
// stream is full: without a leader clients that come and go would fill the memory.
func (c *Conn) handshake(l *Local, body []byte, now int64) bool {
	var q wire.ConnectRequest
	in := wire.NewReader(body)
	if q.Decode(&in); in.Err() != nil {
		c.over(CauseBadHandshake)
		return true
	}
	if l.serving == ServingAll && l.full(c, len(body)) {
		return false
	}
	l.release(c)
	c.share.Handshakes++
	c.greetedAt, c.lastSeen = now, Zxid(q.LastZxidSeen)
	c.readOnly, c.hasReadOnly = q.ReadOnly, q.HasReadOnly
	c.timeoutMs = l.Settings.clamp(q.TimeoutMs)
	ids := []wire.ID{{Scheme: "ip", ID: c.ip()}}
	if l.serving != ServingAll {
		c.attachReadOnly(l, SessionID(q.SessionID), ids, now)
		return true
	}
	c.phase = phaseAttaching
	if mutant.On("sessions-judged-on-receipt") && q.SessionID != 0 &&
		l.State.sessions[SessionID(q.SessionID)] == nil {
		c.refuseSession(l)
		return true
	}
	box := &l.Inbox
	if q.SessionID == 0 {
		c.password = append([]byte(nil), c.random[:]...)
		if mutant.On("sessions-password-of-zeros") {
			clear(c.password)
		}
		l.submit(c, AppendCreateSession(box.commands, CreateSession{TimeoutMs: c.timeoutMs,
			PasswordHash: sha256.Sum256(c.password), LastZxidSeen: c.lastSeen,
			Identities: ids}))
	} else {
		c.resumes = true
		hash := sha256.Sum256(q.Password)
		// A longer one is nobody's, and as long as it is judged nobody counts what it takes.
		c.password = append([]byte(nil), q.Password[:min(len(q.Password), wire.PasswordLen)]...)
		l.submit(c, AppendAttach(box.commands, Attach{Session: SessionID(q.SessionID),
			TimeoutMs: c.timeoutMs, PasswordHash: hash,
			LastZxidSeen: c.lastSeen, Identities: ids}))
		if ss := l.State.sessions[SessionID(q.SessionID)]; ss != nil &&
			ss.passwordHash == hash &&
			mutant.On("sessions-serves-before-attach") {
			c.attachEarly(l, ss)
		}
	}
	return true
}

// request takes one whole request. It uses up nothing if the server has too much to do.
func (c *Conn) request(l *Local, frame []byte, now int64) int {
	var q wire.RequestHeader
	in := wire.NewReader(frame)
	q.Decode(&in)
	if in.Err() != nil {
		c.over(CauseBadFrame)
		return 4 + len(frame)
	}
	if now-c.touchedAt >= l.Settings.TouchMs {
		c.touchedAt = now
		if !c.readOnlySession {
			l.Inbox.touched = append(l.Inbox.touched, c.session)
		}
	}
	body := frame[8:]
	if (isWrite(q.Op) || q.Op == wire.OpAuth) && !c.readOnlySession && l.full(c, len(frame)) {
		return 0
	}
	if c.granted > 0 {
		l.release(c)
	}
	switch {
	case c.readOnlySession:
		c.requestReadOnly(l, q, body, now)
	case q.Op == wire.OpPing, isRead(q.Op):
		c.takeRead(l, q, body, now)
	case q.Op == wire.OpSync:
		c.enqueue(item{kind: itemSync, op: q.Op, xid: q.Xid, at: now}, body)
		c.syncs++
		l.Inbox.syncs = append(l.Inbox.syncs, c)
		if mutant.On("reads-sync-not-waited") {
			c.confirmed++
			c.advance(l)
		}
	case q.Op == wire.OpAuth:
		c.takeAuth(l, q, body, now)
	case q.Op == wire.OpSASL:
		c.takeSASL(l, q, body, now)
	case isWrite(q.Op):
		c.takeWrite(l, q, body, now)
	default:
		c.refuse(l, q, now, -1, wire.CodeUnimplemented, CauseUnknownOpcode)
	}
	c.received(4 + len(frame))
	return 4 + len(frame)
}

// isWrite says whether op goes through the log as a request.
func isWrite(op wire.OpCode) bool {
	switch op {
	case wire.OpCreate, wire.OpCreate2, wire.OpCreateContainer, wire.OpCreateTTL,
		wire.OpDelete, wire.OpDeleteContainer, wire.OpSetData, wire.OpSetACL, wire.OpMulti,
		wire.OpReconfig, wire.OpCloseSession:
		return true
	}
	return false
}

// takeRead answers a read or a ping now, or puts it behind what is not answered yet.
func (c *Conn) takeRead(l *Local, q wire.RequestHeader, body []byte, now int64) {
	if c.Queued() == 0 {
		c.walked = walks(q.Op)
		c.began(q)
		c.answer(l, q.Xid, q.Op, body)
		c.ended(now, now)
		return
	}
	if mutant.On("reads-own-write-not-seen") && q.Op != wire.OpPing && !touchesWatches(q.Op, body) {
		c.prepare(l, q, body, now)
		return
	}
	if mutant.On("reads-order-broken-on-error") && q.Op == wire.OpGetData &&
		l.State.lookup(readPathWatch(body).Path) == nil {
		c.answer(l, q.Xid, q.Op, body)
		return
	}
	c.syncsThenRead = c.syncs
	if mutant.On("reads-ping-overtakes") && q.Op == wire.OpPing {
		c.answer(l, q.Xid, q.Op, body)
		return
	}
	if mutant.On("watches-armed-early") {
		c.armEarly(l, q.Op, body)
	}
	if walks(q.Op) {
		c.walks++
	}
	c.enqueue(item{kind: itemRead, op: q.Op, xid: q.Xid, at: now}, body)
}

// walks says whether op looks at much of the State, whatever its answer is: of such reads one
// connection has one at a time, or the thousands that it may have waiting behind a write would
// keep everybody else out for minutes.
func walks(op wire.OpCode) bool {
	return op == wire.OpGetAllChildrenNumber || op == wire.OpGetEphemerals
}

// Walked says whether the last Feed looked at much of the State: it is time to let others have it.
func (c *Conn) Walked() bool { return c.walked }

// holdsBack says whether what is to be written has to wait. Behind a read that waits for a sync
// it must: that read may not see it, and nothing but the stream could tell them apart later. Nor
// may it take effect before a reconfig that was sent before it has come to its end.
func (c *Conn) holdsBack() bool {
	if mutant.On("membership-reconfig-overtaken") {
		return c.held > 0 || c.syncsThenRead > 0
	}
	if mutant.On("reads-write-not-held-back") {
		return c.reconfigs > 0
	}
	return c.held > 0 || c.syncsThenRead > 0 || c.reconfigs > 0
}

// takeWrite gives a write to the stream, or holds it back.
func (c *Conn) takeWrite(l *Local, q wire.RequestHeader, body []byte, now int64) {
	it := item{kind: itemWrite, op: q.Op, xid: q.Xid, at: now}
	if q.Op == wire.OpCloseSession {
		c.phase = phaseLast
	}
	if mutant.Enabled {
		var refused bool
		if body, refused = c.judgeEarly(l, q, body, now); refused {
			return
		}
	}
	if c.holdsBack() {
		it.kind = itemHeld
		c.held++
		c.enqueue(it, body)
		return
	}
	c.enqueue(it, nil)
	c.give(l, it.xid, it.op, body)
}

func (c *Conn) give(l *Local, xid int32, op wire.OpCode, body []byte) {
	if op == wire.OpReconfig {
		c.reconfigs++
	}
	flags := l.Settings.flags()
	if mutant.On("limits-acl-checked-at-propose") && op == wire.OpSetData {
		flags.SkipACL = true
	}
	l.submit(c, AppendRequest(l.Inbox.commands, c.session, c.generation, flags, xid, op, body))
	c.inflight++
}

// giveHeld gives the held writes at the head of the queue to the stream, up to the next sync or
// reconfig.
func (c *Conn) giveHeld(l *Local) {
	for i := c.head; i < len(c.queue); i++ {
		it := &c.queue[i]
		if it.kind == itemSync && !mutant.On("reads-held-past-next-sync") || c.reconfigs > 0 {
			break
		}
		if it.kind == itemHeld {
			it.kind = itemWrite
			c.held--
			if it.op == wire.OpAuth {
				c.giveAuth(l, it.xid, c.body(*it))
			} else {
				c.give(l, it.xid, it.op, c.body(*it))
			}
		}
	}
}

// readAuth decodes credentials. Who sends others is not listened to any more.
func (c *Conn) readAuth(body []byte) (auth wire.AuthRequest, ok bool) {
	in := wire.NewReader(body)
	if auth.Decode(&in); in.Err() != nil {
		c.over(CauseBadFrame)
		return auth, false
	}
	return auth, true
}

// takeAuth judges credentials at once and lets the identities go through the log, so that
// they hold for exactly the requests behind them.
func (c *Conn) takeAuth(l *Local, q wire.RequestHeader, body []byte, now int64) {
	auth, ok := c.readAuth(body)
	if !ok {
		return
	}
	if _, ok := l.Settings.authenticate(c, &auth); !ok {
		l.AuthFailed++
		c.refuse(l, q, now, 0, wire.CodeAuthFailed, CauseAuthFailed)
		return
	}
	it := item{kind: itemWrite, op: q.Op, xid: q.Xid, at: now}
	if c.holdsBack() {
		it.kind = itemHeld
		c.held++
		c.enqueue(it, body)
		return
	}
	c.enqueue(it, nil)
	c.giveAuth(l, q.Xid, body)
}

func (c *Conn) giveAuth(l *Local, xid int32, body []byte) {
	var auth wire.AuthRequest
	in := wire.NewReader(body)
	auth.Decode(&in)
	ids, ok := l.Settings.authenticate(c, &auth)
	invariant.Check(ok && in.Err() == nil, "credentials judged twice, with two results")
	box := &l.Inbox
	l.submit(c, AppendAuth(box.commands, c.session, c.generation, xid, ids))
	c.inflight++
}

// takeSASL answers as a ZooKeeper that has no SASL: with a null token, upon which the client
// goes on without.
func (c *Conn) takeSASL(l *Local, q wire.RequestHeader, body []byte, now int64) {
	var request wire.SASLRequest
	in := wire.NewReader(body)
	if request.Decode(&in); in.Err() != nil || request.Token == nil {
		c.over(CauseBadFrame)
		return
	}
	reply, at := wire.BeginFrame(nil)
	header, answer := wire.ReplyHeader{Xid: q.Xid}, wire.SASLResponse{}
	reply = wire.EndFrame(answer.AppendTo(header.AppendTo(reply)), at)
	c.enqueue(item{kind: itemReply, op: q.Op, xid: q.Xid, at: now}, reply)
	c.advance(l)
}

// refuse answers with an error in its turn and ends the connection after it.
func (c *Conn) refuse(l *Local, q wire.RequestHeader, now int64, zxid Zxid,
	code wire.ErrorCode, cause Cause) {
	c.phase, c.cause = phaseLast, cause
	reply, at := wire.BeginFrame(nil)
	header := wire.ReplyHeader{Xid: q.Xid, Zxid: int64(zxid), Err: code}
	reply = wire.EndFrame(header.AppendTo(reply), at)
	c.enqueue(item{kind: itemReply, last: true, op: q.Op, xid: q.Xid, at: now}, reply)
	c.advance(l)
}

// enqueue adds one request to the queue, with a copy of its bytes.
func (c *Conn) enqueue(it item, bytes []byte) {
	if c.head == len(c.queue) {
		c.queue, c.head, c.stash = c.queue[:0], 0, c.stash[:0]
	}
	it.offset, it.length = len(c.stash), len(bytes)
	c.stash = append(c.stash, bytes...)
	c.queue = append(c.queue, it)
}

func (c *Conn) body(it item) []byte { return c.stash[it.offset : it.offset+it.length] }

// pop takes the head off the queue. Its bytes stay valid until the next enqueue.
func (c *Conn) pop() item {
	it := c.queue[c.head]
	c.head++
	if c.head == len(c.queue) {
		// The memory of a burst is not kept for a connection that has become idle.
		c.stash = c.stash[:0]
		if cap(c.stash) > 16<<10 {
			c.stash = nil
		}
		if cap(c.queue) > 256 {
			c.queue, c.head = nil, 0
		}
	} else if c.head >= 1024 && 2*c.head >= len(c.queue) {
		c.compact()
	}
	return it
}

// compact moves what is left of a queue that never runs empty to the front.
func (c *Conn) compact() {
	from := c.queue[c.head].offset
	stash := append(make([]byte, 0, len(c.stash)-from), c.stash[from:]...)
	c.queue = append(c.queue[:0], c.queue[c.head:]...)
	c.head, c.stash = 0, stash
	for i := range c.queue {
		c.queue[i].offset -= from
	}
}

// advance answers what stands at the head of the queue and waits for nothing any more.
func (c *Conn) advance(l *Local) {
	for c.head < len(c.queue) {
		it := c.queue[c.head]
		switch it.kind {
		case itemRead:
			body := c.body(it)
			if c.pop(); walks(it.op) {
				c.walks--
			}
			c.began(wire.RequestHeader{Xid: it.xid, Op: it.op})
			c.answer(l, it.xid, it.op, body)
			c.ended(it.at, l.now)
			if l.applying {
				l.reads.add(l.now - it.at)
				if c.Unsent() > l.Settings.HardUnsent {
					l.endSlow(c)
					return
				}
			}
		case itemReply:
			c.out = append(c.out, c.body(it)...)
			c.pop()
			c.sent()
			l.touch(c)
			if it.last {
				c.over(c.cause)
				return
			}
		case itemSync:
			if c.confirmed == 0 {
				return
			}
			c.answerSync(l, it)
		default:
			return
		}
	}
}

// overtake answers what stands before the first write in the queue, which has been applied.
// What was committed when a sync was asked stands in the log before any write that was given
// to the stream behind it: now all of that is applied, whether that was confirmed or not.
func (c *Conn) overtake(l *Local) {
	syncs := 0
	for _, it := range c.queue[c.head:] {
		if it.kind == itemWrite && !mutant.On("reads-sync-behind-overtaken") {
			break
		}
		if it.kind == itemSync {
			syncs++
		}
	}
	if !mutant.On("reads-overtaken-sync-answers-next") {
		c.overtaken += syncs - c.confirmed
	}
	c.confirmed = syncs
	c.advance(l)
}

// reconfigured answers a reconfig whose change has come to its end.
func (c *Conn) reconfigured(l *Local, out *Outcome) {
	it := c.pop()
	c.reconfigs--
	c.began(wire.RequestHeader{Xid: it.xid, Op: it.op})
	c.reply(l, it.xid, out.Zxid, out.Err, out.Body)
	c.ended(it.at, l.now)
	l.writes.add(l.now - it.at)
}

// answerSync echoes the path that the client sent, a null one as well.
func (c *Conn) answerSync(l *Local, it item) {
	c.confirmed--
	c.syncs--
	c.syncsThenRead = max(c.syncsThenRead-1, 0)
	body := c.body(it)
	in := wire.NewReader(body)
	in.NullableString()
	c.began(wire.RequestHeader{Xid: it.xid, Op: it.op})
	switch {
	case in.Err() != nil:
		c.reply(l, it.xid, l.State.LastZxid(), wire.CodeMarshallingError, nil)
	case mutant.On("reads-sync-of-absent-refused") &&
		l.State.lookup(readPathWatch(body).Path) == nil:
		c.reply(l, it.xid, l.State.LastZxid(), wire.CodeNoNode, nil)
	default:
		path := body[:len(body)-in.Len()]
		if mutant.On("reads-sync-path-lost") {
			path = wire.AppendString(nil, "")
		}
		c.reply(l, it.xid, l.State.LastZxid(), wire.CodeOk, path)
	}
	c.pop()
	c.ended(it.at, l.now)
}

// answer runs a read or a ping. ZooKeeper answers a ping with its own xid, whatever the
// client's was.
func (c *Conn) answer(l *Local, xid int32, op wire.OpCode, body []byte) {
	if op == wire.OpPing {
		zxid := l.State.LastZxid()
		if mutant.On("oracle-ping-zxid") {
			zxid = 0
		}
		c.reply(l, wire.XidPing, zxid, wire.CodeOk, nil)
		return
	}
	c.read(l, xid, op, body)
}

// reply appends one reply; body is only sent without an error.
func (c *Conn) reply(l *Local, xid int32, zxid Zxid, code wire.ErrorCode, body []byte) {
	out, at := wire.BeginFrame(c.out)
	header := wire.ReplyHeader{Xid: xid, Zxid: int64(zxid), Err: code}
	out = header.AppendTo(out)
	if code == wire.CodeOk {
		out = append(out, body...)
	}
	c.out = wire.EndFrame(out, at)
	c.replied(l, xid, zxid)
}

// replied notes that a reply was appended to out. That to an auth packet names no zxid.
func (c *Conn) replied(l *Local, xid int32, zxid Zxid) {
	c.sent()
	if zxid != 0 {
		c.stats.LastZxid = zxid
	}
	l.touch(c)
}

// appendOutput queues an event.
func (c *Conn) appendOutput(l *Local, frame []byte) {
	if c.phase == phaseOver {
		return
	}
	c.out = append(c.out, frame...)
	c.sent()
	l.touch(c)
}

// mayRead says whether the connection's session may read what acl protects.
func (c *Conn) mayRead(l *Local, acl *aclList) bool { return c.allowed(l, acl, wire.PermRead) }

func (c *Conn) allowed(l *Local, acl *aclList, perm wire.Perm) bool {
	return l.Settings.SkipACL || acl == nil || allowed(acl, c.identities(l), perm)
}

func (c *Conn) identities(*Local) []wire.ID { return c.state.identities }
