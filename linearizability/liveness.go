package linearizability

// judgeDigests: members that have applied the same log hold the same state, also when they have
// just loaded it; their logs are the same up to the same index, however late they are read; and
// at the end, when nothing happens any more, all are at one index.
func judgeDigests(x *index) {
	type kind struct {
		index uint64
		log   bool
	}
	first := map[kind]*Line{}
	var final *Line
	for i := range x.h.Lines {
		l := &x.h.Lines[i]
		if l.Kind != KindDigest {
			continue
		}
		x.checked[JudgeDigest]++
		at := kind{l.Index, l.Text == SourceLog}
		old := first[at]
		if old == nil {
			first[at] = l
		} else if old.Digest != l.Digest {
			judge, what := JudgeDigest, "digest"
			if at.log {
				judge, what = JudgeDurability, "a log of digest"
			}
			x.bad(judge, lines(l, old),
				"at index %d server %d (%s) has %s %s, server %d (%s) has %s",
				l.Index, l.Server, l.Text, what, l.Digest, old.Server, old.Text, old.Digest)
		}
		if l.Text != SourceFinal {
			continue
		}
		if final == nil {
			final = l
		} else if final.Index != l.Index {
			x.bad(JudgeDigest, lines(l, final),
				"at the end server %d is at index %d, server %d at %d", l.Server, l.Index,
				final.Server, final.Index)
		}
	}
}

// judgeLiveness: once the faults have stopped, whatever is asked is answered in time, unless its
// connection goes; who tries to connect again and again gets an answer in time; and a session
// without a connection is expired in the end. What happens too close to the end of the history to
// be due is not judged.
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
			x.checked[JudgeLiveness]++
			if late(k.point, k.ret, c.gone) {
				x.bad(JudgeLiveness, lines(k.line, k.ret.line), "%v is not answered within %d ms",
					k.line.Request.Op, within/1000)
				break // the ones behind it wait for it
			}
		}
	}
	x.judgeShutOut(calm, within)
	for _, life := range x.lives {
		x.judgeForgotten(life, calm, end)
	}
}

// judgeShutOut: a client that has tried for too long gets an answer to one of its tries.
func (x *index) judgeShutOut(calm, within int64) {
	since := map[int64]*Line{} // by client, its first try since the last that was answered
	for _, c := range x.order {
		l := c.connect.line
		if l.Client == 0 {
			continue
		}
		if c.connected.line != nil {
			delete(since, l.Client)
			continue
		}
		first := since[l.Client]
		if first == nil {
			since[l.Client] = l
			continue
		}
		if over := c.gone.line; over != nil && over.At-max(first.At, calm) > within {
			x.bad(JudgeLiveness, lines(l, first), "client %d gets no answer to any try to connect "+
				"within %d ms", l.Client, within/1000)
			since[l.Client] = nil
		}
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
	allowed := 2*int64(g.timeoutMs)*1000 + x.h.Header.AnswerWithin
	if end-alone > allowed {
		x.bad(JudgeLiveness, lines(life.created.line),
			"session %#x is alone for %d ms and never expired, its time-out is %d ms", life.id,
			(end-alone)/1000, g.timeoutMs)
	}
}
