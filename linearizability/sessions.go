package linearizability

import (
	"slices"
	"sort"
)

// judgeSessions: what clients are told of their sessions agrees with the log; a session that has
// ended or moved is not served any more; and none is ended by the service that was not silent.
// That commands of ended sessions and of older generations have no effect is the replay's matter.
func judgeSessions(x *index) {
	servers := map[uint64]*Line{} // by origin, a connect line to its server
	for _, c := range x.order {
		if c.connected.line == nil {
			continue
		}
		x.checked[JudgeSessions]++
		x.judgeGranted(c)
		switch {
		case c.readOnly():
			x.judgeReadOnly(c)
		case !x.logged:
			x.judgeMoved(c)
		case !c.accepted():
			x.judgeRefused(c)
		default:
			x.judgeAccepted(c)
			x.judgeFence(c)
			x.judgeOrigin(c, servers)
		}
	}
	if !x.logged {
		return
	}
	for i := range x.h.Lines {
		if l := &x.h.Lines[i]; l.Kind == KindEnd {
			x.judgeEnd(point{l, i})
		}
	}
	for _, life := range x.lives {
		if life.ended != nil && life.ended.line.Commit.Kind == CommitExpire {
			x.checked[JudgeSessions]++
			x.judgeExpiry(life)
		}
	}
}

// judgeReadOnly: a session of a read-only server is given only to who asked for one, is unknown
// to the log, and writes nothing.
func (x *index) judgeReadOnly(c *connection) {
	l := c.connected.line
	switch {
	case !c.connect.line.Connect.ReadOnly:
		x.bad(JudgeSessions, lines(l, c.connect.line),
			"a read-only session is given to a client that did not ask for one")
	case x.life[c.session] != nil:
		x.bad(JudgeSessions, lines(l, x.life[c.session].created.line),
			"session %#x is served read-only, but the log knows it", c.session)
	}
	for _, k := range c.calls {
		op := k.line.Request.Op
		if k.ret.line != nil && op.Write() && op != OpCloseSession &&
			k.ret.line.Result.Err == CodeOk {
			x.bad(JudgeSessions, lines(k.ret.line, k.line),
				"%v succeeds in the read-only session %#x", op, c.session)
		}
	}
}

// judgeMoved: without the log, a session has moved when another connection of it is accepted. A
// write that is sent on the old one later is not acknowledged.
func (x *index) judgeMoved(c *connection) {
	next := c.next
	if next == nil {
		return
	}
	for _, k := range c.calls {
		if z, ok := x.wrote(k); ok && k.at > next.connected.at {
			x.bad(JudgeSessions, lines(k.ret.line, next.connected.line),
				"session %#x is served at %#x on a connection that it had left", c.session, z)
		}
	}
}

// judgeOrigin: what acts in the log by one name is one server.
func (x *index) judgeOrigin(c *connection, servers map[uint64]*Line) {
	if c.gen == nil || c.ambiguous {
		return
	}
	l, origin := c.connect.line, c.gen.begin.line.Commit.Origin
	if l.Server == 0 || origin == 0 {
		return
	}
	if old := servers[origin]; old == nil {
		servers[origin] = l
	} else if old.Server != l.Server {
		x.bad(JudgeSessions, lines(c.gen.begin.line, l, old),
			"origin %d acts for server %d, and for server %d before", origin, l.Server, old.Server)
	}
}

func (x *index) judgeAccepted(c *connection) {
	l := c.connected.line
	switch {
	case c.connect.line.Connect.WrongPassword:
		x.bad(JudgeSessions, lines(l, c.connect.line),
			"session %#x is given for a wrong password", c.session)
	case c.gen == nil:
		x.bad(JudgeSessions, lines(l, c.connect.line),
			"session %#x is acknowledged, but the log has no attach or creation of it", c.session)
	case c.gen.begin.at > c.connected.at:
		x.bad(JudgeSessions, lines(l, c.gen.begin.line),
			"session %#x is acknowledged before it is committed", c.session)
	case !x.isWho(c):
		x.bad(JudgeSessions, lines(l, c.gen.begin.line),
			"session %#x begins with the identities %v, its client's address is %s", c.session,
			c.gen.base, c.connect.line.Connect.Address)
	case l.Connect.TimeoutMs != c.gen.timeoutMs:
		x.bad(JudgeSessions, lines(l, c.gen.begin.line),
			"session %#x has a time-out of %d ms, not %d", c.session, l.Connect.TimeoutMs,
			c.gen.timeoutMs)
	}
}

// isWho says whether a session begins with what is known of who connects, and nothing else.
func (x *index) isWho(c *connection) bool {
	ids, ok := c.address()
	return !ok || c.ambiguous || slices.Equal(ids, c.gen.base)
}

func (x *index) judgeRefused(c *connection) {
	life := x.life[c.session]
	alive := life != nil && (life.ended == nil || life.ended.at > c.connected.at)
	if alive && !c.connect.line.Connect.WrongPassword {
		x.bad(JudgeSessions, lines(c.connected.line, c.connect.line),
			"session %#x is refused as expired, but it is alive", c.session)
	}
}

// judgeFence: a connection gets no answer from after the end of its session, other than the one
// to the request that ended it, and none from after its session has moved on.
func (x *index) judgeFence(c *connection) {
	if c.gen == nil || c.ambiguous {
		return
	}
	ended, next := c.gen.life.ended, c.gen.next
	for _, it := range c.stream {
		if ended != nil && it.line.Zxid >= ended.line.Zxid && !x.partOfEnd(it, ended) {
			x.bad(JudgeSessions, lines(it.line, ended.line),
				"session %#x is served at %#x, after its end", c.session, it.line.Zxid)
			return
		}
		if next != nil && it.line.Zxid > next.begin.before {
			x.bad(JudgeSessions, lines(it.line, next.begin.line),
				"session %#x is served at %#x on a connection that it has left at %#x", c.session,
				it.line.Zxid, next.begin.before)
			return
		}
	}
}

// partOfEnd says whether an item tells of the end itself. A sync that was sent before a close may
// be confirmed only when that is applied, and is answered with it.
func (x *index) partOfEnd(it item, ended *commit) bool {
	if it.line.Zxid != ended.line.Zxid {
		return false
	}
	if it.call != nil && it.call.line.Request.Op == OpSync && ended.call != nil {
		return it.call.conn == ended.call.conn && it.call.at < ended.call.at
	}
	return it.line.Kind == KindEvent || it.call != nil && it.call.commit == ended
}

func (x *index) judgeEnd(p point) {
	life := x.life[p.line.Session]
	if life == nil {
		return // it never was
	}
	if life.ended == nil || life.ended.at > p.at {
		x.bad(JudgeSessions, lines(p.line, life.created.line),
			"the client is told that session %#x is over (%s), but the log has no end of it",
			p.line.Session, p.line.Text)
	}
}

// judgeExpiry: a session that the service ended was silent for its time-out before. What the
// service can have known is not in the history, so only certain signs of life count:
//
//   - a command that was committed: it was heard after it was sent and before it was committed;
//   - a request that was answered by the server that leads in the term of the decision: it was
//     heard between the two. Any other server may be cut off from the leader, which then rightly
//     knows nothing of it. Once all faults are over, for as long as answers may take, every
//     server's answers count;
//   - with one member, bytes of its connection that have reached the server's host, read or not: a
//     connection that is not read for back-pressure counts as alive;
//   - the session's creation or last attach gives it a whole time-out, and so does the election of
//     the leader that decides its end: the one whose term the commit carries.
//
// If the commit says when it was decided, the silence must end there. If not, an end that is on
// disk may be committed much later, after a crash even, and until then the session is served: any
// silence since then and before the next election will do. Time in which the deciding server hung
// does not count as silence, and clocks may run faster by the drift that the header allows.
func (x *index) judgeExpiry(life *lifetime) {
	e := expiry{index: x, life: life, from: life.generations[len(life.generations)-1].begin.point,
		until: life.ended.point}
	g := life.generations[len(life.generations)-1]
	end := life.ended.line
	for _, p := range x.servers {
		switch term := end.Commit.Term; {
		case p.line.Kind != KindLeader:
		case p.line.Index == term:
			e.decider = p.line.Server
			if p.line.At > e.from.line.At {
				e.from = p
			}
		case p.line.Index > term && p.at < e.until.at:
			e.until = p
		}
	}
	e.end = e.until.line.At
	decided := end.Commit.DecidedAt
	if decided != 0 {
		e.end = min(e.end, decided)
	}
	e.certain = decided != 0
	longest := e.silence(e.signs())
	need := int64(g.timeoutMs) * 1000 * 1000 / (1000 + x.h.Header.DriftPerMille)
	need -= x.h.Header.ExpirySlackMs * 1000
	if longest < need {
		x.bad(JudgeSessions, lines(end, e.from.line),
			"session %#x is expired after %d ms of silence, its time-out is %d ms", life.id,
			longest/1000, g.timeoutMs)
	}
}

// expiry is the end of one session under judgement.
type expiry struct {
	*index
	life        *lifetime
	decider     int64 // the server that decided it, 0 if that is not known
	from, until point
	end         int64 // when the silence ends, at the latest,
	certain     bool  // and at the earliest
}

// sign is a sign of life: the service heard of the session at some time between two.
type sign struct{ after, before int64 }

// signs are those since from, in order.
func (e *expiry) signs() []sign {
	var out []sign
	for _, k := range e.ownCalls[e.life.id] {
		heard := sign{after: k.line.At}
		switch {
		case k.ret.line != nil && e.known(k):
			heard.before = k.ret.line.At
		case k.commit != nil:
			heard.before = k.commit.line.At
		default:
			continue
		}
		if heard.before > e.from.line.At && heard.after < e.end {
			out = append(out, heard)
		}
	}
	if e.h.Header.Members <= 1 {
		for _, c := range e.bySession[e.life.id] {
			for _, at := range c.heard {
				if at > e.from.line.At && at < e.end {
					heard := sign{at, at}
					if e.certain { // the process reads a little later what has reached its host
						heard.before += e.h.Header.ExpirySlackMs * 1000
					}
					out = append(out, heard)
				}
			}
		}
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].after < out[j].after })
	return out
}

// known says whether the deciding server knows of a call that was answered.
func (e *expiry) known(k *call) bool {
	if e.h.Header.Members <= 1 {
		return true
	}
	if within := e.h.Header.AnswerWithin; e.quiesce != nil && within != 0 &&
		k.line.At > e.quiesce.line.At+within {
		return true
	}
	server := k.conn.connect.line.Server
	return server != 0 && server == e.decider && k.line.At > e.from.line.At
}

// silence is the longest time that may have passed without a sign of life, or if the end is
// certain, that before it.
func (e *expiry) silence(signs []sign) int64 {
	if e.certain {
		// What may have been on its way still when the end was decided is no sign.
		signs = slices.DeleteFunc(signs, func(s sign) bool { return s.before > e.end })
	}
	signs = append(signs, sign{e.end, e.end})
	// A silence that ends with one sign must end before all later ones as well.
	for i := len(signs) - 2; i >= 0; i-- {
		signs[i].before = min(signs[i].before, signs[i+1].before)
	}
	longest, since := int64(0), e.from.line.At
	for i, s := range signs {
		if last := i == len(signs)-1; last || !e.certain {
			longest = max(longest, s.before-since-e.paused(since, s.before))
		}
		since = max(since, s.after)
	}
	return longest
}

// paused is how long the deciding server hung between two times. What others hung makes their
// sessions silent.
func (e *expiry) paused(from, to int64) int64 {
	total := int64(0)
	since := map[int64]int64{}
	for _, p := range e.servers {
		if e.h.Header.Members > 1 && p.line.Server != e.decider {
			continue
		}
		switch p.line.Kind {
		case KindPause:
			since[p.line.Server] = p.line.At
		case KindResume:
			if at, ok := since[p.line.Server]; ok {
				total += overlap(at, p.line.At, from, to)
				delete(since, p.line.Server)
			}
		}
	}
	return total
}

func overlap(a, b, from, to int64) int64 {
	return max(0, min(b, to)-max(a, from))
}
