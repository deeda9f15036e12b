package linearizability

// judgeDigests: members that have applied the same log hold the same state, also when they have
// just loaded it.
func judgeDigests(x *index) {
	first := map[uint64]*Line{}
	for i := range x.h.Lines {
		l := &x.h.Lines[i]
		if l.Kind != KindDigest {
			continue
		}
		old := first[l.Index]
		if old == nil {
			first[l.Index] = l
		} else if old.Digest != l.Digest {
			x.bad(JudgeDigest, lines(l, old),
				"at index %d server %d (%s) has digest %s, server %d (%s) has %s",
				l.Index, l.Server, l.Text, l.Digest, old.Server, old.Text, old.Digest)
		}
	}
}

// judgeLiveness: once the faults have stopped, whatever is asked is answered in time, unless its
// connection goes; and a session without a connection is expired in the end. What happens too
// close to the end of the history to be due is not judged.
func judgeLiveness(x *index) {
	within := x.h.Header.AnswerWithin
	if x.quiesce == nil || within == 0 {
		return
	}
	calm, end := x.quiesce.line.At, x.h.Lines[len(x.h.Lines)-1].At
	late := func(asked, done point, gone point) bool {
		due := max(asked.line.At, calm) + within
		over := end
		if gone.line != nil {
			over = min(over, gone.line.At)
		}
		if done.line != nil {
			over = done.line.At
		}
		return over > due
	}
	for _, c := range x.order {
		if late(c.connect, c.connected, c.gone) {
			x.bad(JudgeLiveness, lines(c.connect.line, c.connected.line),
				"a connect request is not answered within %d ms", within/1000)
			continue
		}
		for _, k := range c.calls {
			if late(k.point, k.ret, c.gone) {
				x.bad(JudgeLiveness, lines(k.line, k.ret.line), "%v is not answered within %d ms",
					k.line.Request.Op, within/1000)
				break // the ones behind it wait for it
			}
		}
	}
	for _, life := range x.lives {
		x.judgeForgotten(life, calm, end)
	}
}

// judgeForgotten allows a session two time-outs: a new leader gives everybody a whole one anew.
func (x *index) judgeForgotten(life *lifetime, calm, end int64) {
	if life.ended != nil {
		return
	}
	alone := max(calm, life.created.line.At)
	for _, c := range x.order {
		if c.session != life.id {
			continue
		}
		if c.gone.line == nil {
			return
		}
		alone = max(alone, c.gone.line.At)
	}
	g := life.generations[len(life.generations)-1]
	allowed := 2*int64(g.timeoutMs())*1000 + x.h.Header.AnswerWithin
	if end-alone > allowed {
		x.bad(JudgeLiveness, lines(life.created.line),
			"session %#x is alone for %d ms and never expired, its time-out is %d ms", life.id,
			(end-alone)/1000, g.timeoutMs())
	}
}
