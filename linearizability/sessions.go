package linearizability

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

// judgeExpiry: a session that the service ended was silent for its time-out. What the service can
// have known is not in the history, so only certain signs of life count:
//
//   - the commit of its creation or last attach;
//   - the sending of each request that was committed: it was received later than that. When it
//     was received is not known, and its commit is no sign of life: a slow log may be long behind;
//   - with one member, that member's start, and the sending of any request that was answered, since
//     it was received later than that. With several members an answer may come from one that is
//     cut off from the leader, which then rightly knows nothing of it: only answered syncs count;
//   - the election of the leader whose term the end carries.
//
// All times are those of the history, not of any clock; time in which the deciding server hung
// does not count as silence, and clocks may run faster by the drift that the header allows.
func (x *index) judgeExpiry(life *lifetime) {
	end := life.ended
	last := life.lastSign(x, end)
	for _, p := range x.servers {
		if p.at > end.at {
			break
		}
		mine := p.line.Kind == KindLeader && p.line.Index == end.line.Commit.Term
		if mine || p.line.Kind == KindRestart && x.h.Header.Members <= 1 {
			if p.line.At > last.line.At {
				last = p
			}
		}
	}
	g := life.generations[len(life.generations)-1]
	silent := end.line.At - last.line.At - x.paused(last, end.point)
	need := int64(g.timeoutMs()) * 1000 * 1000 / (1000 + x.h.Header.DriftPerMille)
	need -= x.h.Header.ExpirySlackMs * 1000
	if silent < need {
		x.bad(JudgeSessions, lines(end.line, last.line),
			"session %#x is expired after %d ms of silence, its time-out is %d ms", life.id,
			silent/1000, g.timeoutMs())
	}
}

// lastSign is the last thing that shows that the service knew the session to be alive.
func (s *lifetime) lastSign(x *index, end *commit) point {
	last := s.generations[len(s.generations)-1].begin.point
	for _, k := range s.calls {
		heard := k.line.Request.Op == OpSync || x.h.Header.Members <= 1
		known := k.commit != nil && k.commit.at < end.at || heard && k.ret.line != nil
		if known && k.at < end.at && k.line.At > last.line.At {
			last = k.point
		}
	}
	return last
}

// paused is how long any server hung between two lines. With one member that is the one; with
// several it errs on the side of the service.
func (x *index) paused(from, to point) int64 {
	total := int64(0)
	since := map[int64]int64{}
	for _, p := range x.servers {
		switch p.line.Kind {
		case KindPause:
			since[p.line.Server] = p.line.At
		case KindResume:
			if at, ok := since[p.line.Server]; ok {
				total += overlap(at, p.line.At, from.line.At, to.line.At)
				delete(since, p.line.Server)
			}
		}
	}
	return total
}

func overlap(a, b, from, to int64) int64 {
	return max(0, min(b, to)-max(a, from))
}
