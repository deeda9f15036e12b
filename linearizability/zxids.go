package linearizability

// judgeZxids: the zxids of the answers that a session gets never fall, on whatever connections and
// servers; each is one that a commit took; and a connection is never behind the attach that made
// it, nor behind what its client said that it had seen.
func judgeZxids(x *index) {
	if !x.logged {
		judgeWriteOrder(x)
	}
	before := map[int64]*known{} // by session
	for _, c := range x.order {
		least := int64(0)
		if c.gen != nil && !c.ambiguous {
			least = max(c.gen.begin.before, c.gen.begin.line.Zxid)
		}
		if c.accepted() {
			least = max(least, c.connect.line.Connect.LastZxidSeen)
		}
		if before[c.session] == nil {
			before[c.session] = &known{}
		}
		high := before[c.session].at(x, c)
		for _, it := range c.stream {
			if x.logged && c.gen != nil && it.namesNone() {
				x.bad(JudgeZxids, lines(it.line, it.call.line), "the answer to %v names no zxid",
					it.call.line.Request.Op)
			}
			if it.line.Kind == KindReturn && it.judged() {
				x.checked[JudgeZxids]++
				x.judgeZxid(c, it, high, least)
			}
			high = x.higher(high, it)
		}
	}
}

// known is what the client of a session has seen on its connections so far.
type known struct {
	high point         // the answer or event with the highest zxid, of those that are over,
	open []*connection // and those on which more may have come
}

// at adds a connection, and returns the answer or event with the highest zxid that its client had
// seen when it opened it.
func (s *known) at(x *index, c *connection) point {
	open := s.open[:0]
	for _, old := range s.open {
		if old.gone.line != nil && old.gone.at < c.connect.at {
			s.high = x.highest(s.high, old, c.connect.at)
		} else {
			open = append(open, old)
		}
	}
	high := s.high
	for _, old := range open {
		high = x.highest(high, old, c.connect.at)
	}
	s.open = append(open, c)
	return high
}

// highest is the higher of high and what arrived on a connection before a place.
func (x *index) highest(high point, c *connection, at int) point {
	for _, it := range c.stream {
		if it.at < at {
			high = x.higher(high, it)
		}
	}
	return high
}

// higher leaves out what cannot be true, or one wrong zxid would make all later ones look wrong.
func (x *index) higher(high point, it item) point {
	z := it.line.Zxid
	if !it.judged() || x.blamed[it.line.No] || high.line != nil && z <= high.line.Zxid ||
		x.logged && (!x.zxids[z] || z > x.committed(it.at)) {
		return high
	}
	return it.point
}

// judged says whether an item's zxid means anything: answers to auths have none, nor have events
// that setWatches makes up and answers to what is no request.
func (it item) judged() bool {
	return it.line.Zxid > 0 && (it.call == nil || !exempt(it.call.line.Request.Op))
}

// namesNone says whether an item answers what no commit does and names no zxid, although one was
// taken when the session began.
func (it item) namesNone() bool {
	if it.call == nil || it.line.Zxid != 0 {
		return false
	}
	op := it.call.line.Request.Op
	return !exempt(op) && !op.Write()
}

// exempt ops are answered with zxid 0 at any time.
func exempt(op Op) bool { return op == OpAuth || op == OpSASL }

func (x *index) judgeZxid(c *connection, it item, high point, least int64) {
	z := it.line.Zxid
	switch {
	case high.line != nil && z < high.line.Zxid:
		x.bad(JudgeZxids, lines(it.line, high.line), "the zxid falls from %#x to %#x",
			high.line.Zxid, z)
	case z < least:
		x.bad(JudgeZxids, lines(it.line, c.connected.line),
			"an answer at zxid %#x on a connection that was accepted at %#x", z, least)
	case z >= x.stop, !x.logged:
	case !x.zxids[z]:
		x.bad(JudgeZxids, lines(it.line), "an answer at zxid %#x, which no commit took", z)
	case z > x.committed(it.at):
		x.bad(JudgeZxids, lines(it.line), "an answer at zxid %#x, only %#x is committed", z,
			x.committed(it.at))
	}
}

// judgeWriteOrder: without commit lines, the order of the zxids of writes is held against time: a
// write that was acknowledged before another one was sent has a lower zxid, and no two have one.
func judgeWriteOrder(x *index) {
	taken := map[int64]*call{}
	for _, k := range x.calls {
		z, ok := x.wrote(k)
		if !ok {
			continue
		}
		x.checked[JudgeZxids]++
		if old := taken[z]; old != nil {
			x.bad(JudgeZxids, lines(k.ret.line, old.ret.line), "zxid %#x is that of two writes", z)
		}
		taken[z] = k
		if known := x.committed(k.at); z <= known {
			x.bad(JudgeZxids, lines(k.ret.line, k.line),
				"%v took zxid %#x, although %#x was acknowledged before it was sent",
				k.line.Request.Op, z, known)
		}
	}
}
