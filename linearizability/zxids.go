package linearizability

// judgeZxids: the zxids of the answers that a session gets never fall, on whatever connections;
// each is one that a commit took; and a connection is never behind the attach that made it.
func judgeZxids(x *index) {
	before := map[int64][]*connection{} // by session, its connections so far
	for _, c := range x.order {
		least := int64(0)
		if c.gen != nil && !c.ambiguous {
			least = max(c.gen.begin.before, c.gen.begin.line.Zxid)
		}
		var high point // the answer or event with the highest zxid that the client had seen
		for _, old := range before[c.session] {
			high = x.highest(high, old, c.connect.at)
		}
		before[c.session] = append(before[c.session], c)
		for _, it := range c.stream {
			if it.line.Kind == KindReturn && it.judged() {
				x.judgeZxid(c, it, high, least)
			}
			high = x.higher(high, it)
		}
	}
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
	if !it.judged() || x.blamed[it.line.No] || !x.zxids[z] || z > x.committed(it.at) ||
		high.line != nil && z <= high.line.Zxid {
		return high
	}
	return it.point
}

// judged says whether an item's zxid means anything: answers to auths have none, nor have events
// that setWatches makes up and answers to what is no request.
func (it item) judged() bool {
	return it.line.Zxid > 0 && (it.call == nil || !exempt(it.call.line.Request.Op))
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
		x.bad(JudgeZxids, lines(it.line, c.gen.begin.line),
			"an answer at zxid %#x on a connection that was accepted at %#x", z, least)
	case z >= x.stop:
	case !x.zxids[z]:
		x.bad(JudgeZxids, lines(it.line), "an answer at zxid %#x, which no commit took", z)
	case z > x.committed(it.at):
		x.bad(JudgeZxids, lines(it.line), "an answer at zxid %#x, only %#x is committed", z,
			x.committed(it.at))
	}
}
