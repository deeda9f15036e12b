package linearizability

import "sort"

// roSessionBit marks the ids of sessions that live on one read-only server, outside the log.
const roSessionBit = 1 << 62

// judgeSessions: what clients are told of their sessions agrees with the log; a session that has
// ended or moved is not served any more; and none is ended by the service that was not silent.
// That commands of ended sessions and of older generations have no effect is the replay's matter.
func judgeSessions(x *index) {
	for _, c := range x.order {
		if c.connected.line == nil || c.session&roSessionBit != 0 {
			continue
		}
		if c.connected.line.Connect.TimeoutMs == 0 {
			x.judgeRefused(c)
		} else {
			x.judgeAccepted(c)
			x.judgeFence(c)
		}
	}
	for i := range x.h.Lines {
		if l := &x.h.Lines[i]; l.Kind == KindEnd {
			x.judgeEnd(point{l, i})
		}
	}
	for _, life := range x.lives {
		if life.ended != nil && life.ended.line.Commit.Kind == CommitExpire {
			x.judgeExpiry(life)
		}
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
	case l.Connect.TimeoutMs != c.gen.timeoutMs():
		x.bad(JudgeSessions, lines(l, c.gen.begin.line),
			"session %#x has a time-out of %d ms, not %d", c.session, l.Connect.TimeoutMs,
			c.gen.timeoutMs())
	}
}

// timeoutMs is the session's in this generation: an attach that names none keeps it.
func (g *generation) timeoutMs() int32 {
	t := int32(0)
	for _, h := range g.life.generations {
		if n := h.begin.line.Commit.TimeoutMs; n != 0 {
			t = n
		}
		if h == g {
			break
		}
	}
	return t
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

func (x *index) partOfEnd(it item, ended *commit) bool {
	if it.line.Zxid != ended.line.Zxid {
		return false
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
//   - a command that was committed, or a request that was answered, was heard after it was sent and
//     before it was committed or answered. With several members an answer may come from one that is
//     cut off from the leader, which then rightly knows nothing of it: of answers, only those to
//     syncs count then;
//   - with one member, bytes of its connection that have reached the server's host, read or not: a
//     connection that is not read for back-pressure counts as alive;
//   - the session's creation or last attach gives it a whole time-out, and so does the election of
//     the leader that decides its end: the one whose term the commit carries.
//
// When it was decided is not known either: an end that is on disk may be committed much later,
// after a crash even, and until then the session is served. So any silence since then and before
// the next election will do. Time in which the leader hung does not count as silence, and clocks
// may run faster by the drift that the header allows.
func (x *index) judgeExpiry(life *lifetime) {
	end := life.ended
	g := life.generations[len(life.generations)-1]
	from, until, leader := g.begin.point, end.point, int64(0)
	for _, p := range x.servers {
		term := end.line.Commit.Term
		if p.line.Kind == KindLeader && p.line.Index == term {
			leader = p.line.Server
		}
		switch {
		case p.line.Kind != KindLeader:
		case p.line.Index == term && p.line.At > from.line.At:
			from = p
		case p.line.Index > term && p.at < until.at:
			until = p
		}
	}
	longest := x.silence(from, life.signs(x, from, until), until, leader)
	need := int64(g.timeoutMs()) * 1000 * 1000 / (1000 + x.h.Header.DriftPerMille)
	need -= x.h.Header.ExpirySlackMs * 1000
	if longest < need {
		x.bad(JudgeSessions, lines(end.line, from.line),
			"session %#x is expired after %d ms of silence, its time-out is %d ms", life.id,
			longest/1000, g.timeoutMs())
	}
}

// sign is a sign of life: the service heard of the session at some time between two.
type sign struct{ after, before int64 }

// signs are those between two points, in order.
func (s *lifetime) signs(x *index, from, until point) []sign {
	var out []sign
	for _, k := range s.calls {
		heard := sign{after: k.line.At}
		switch {
		case k.ret.line != nil && (k.line.Request.Op == OpSync || x.h.Header.Members <= 1):
			heard.before = k.ret.line.At
		case k.commit != nil:
			heard.before = k.commit.line.At
		default:
			continue
		}
		if heard.before > from.line.At && heard.after < until.line.At {
			out = append(out, heard)
		}
	}
	if x.h.Header.Members > 1 {
		return out
	}
	for _, c := range x.order {
		for _, at := range c.heard {
			if c.session == s.id && at > from.line.At && at < until.line.At {
				out = append(out, sign{at, at})
			}
		}
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].after < out[j].after })
	return out
}

// silence is the longest time that may have passed on a leader that runs without a sign of life.
func (x *index) silence(from point, signs []sign, until point, leader int64) int64 {
	signs = append(signs, sign{until.line.At, until.line.At})
	// A silence that ends with one sign must end before all later ones as well.
	for i := len(signs) - 2; i >= 0; i-- {
		signs[i].before = min(signs[i].before, signs[i+1].before)
	}
	longest, since := int64(0), from.line.At
	for _, s := range signs {
		longest = max(longest, s.before-since-x.paused(since, s.before, leader))
		since = max(since, s.after)
	}
	return longest
}

// paused is how long a server hung between two times; 0 is any.
func (x *index) paused(from, to, server int64) int64 {
	total := int64(0)
	since := map[int64]int64{}
	for _, p := range x.servers {
		if server != 0 && p.line.Server != server {
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
