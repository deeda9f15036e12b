package linearizability

// Checks says how much a judge has looked at.
type Checks struct {
	Judge string
	// Checked counts Of.
	Checked int
	Of      string
	// Why says why it did not judge, or what it could not.
	Why string
}

// scopes are what the judges count, in the order in which people read them.
var scopes = []struct {
	judge, of string
	logged    bool // it needs commit lines
}{
	{JudgeHistory, "lines", false},
	{JudgeReplay, "commits", true},
	{JudgeReads, "reads and syncs", false},
	{JudgeFIFO, "answers", false},
	{JudgeZxids, "answers and writes", false},
	{JudgeWatches, "events", false},
	{JudgeEphemerals, "ends of sessions", true},
	{JudgeSessions, "connections and expiries", false},
	{JudgeSequence, "sequential znodes", false},
	{JudgeExactlyOnce, "places in streams", true},
	{JudgeDurability, "acknowledged writes", true},
	{JudgeDigest, "digests", false},
	{JudgeLiveness, "calls", false},
	{JudgePorcupine, "operations", false},
}

// judges says which judges ran.
func (x *index) judges() []Checks {
	x.count()
	var list []Checks
	for _, s := range scopes {
		c := Checks{Judge: s.judge, Checked: x.checked[s.judge], Of: s.of}
		switch {
		case s.logged && !x.logged:
			c.Why = "not judged: the history has no commit lines"
		case s.judge == JudgeLiveness && x.quiesce == nil:
			c.Why = "not judged: the history has no quiesce line"
		case s.judge == JudgeLiveness && x.h.Header.AnswerWithin == 0:
			c.Why = "not judged: the header bounds no answer (answerWithin)"
		case s.judge == JudgePorcupine && !x.r.OK():
			c.Why = "not asked: others have objected"
		case s.judge == JudgeReplay && x.r.Unjudged > 0:
			c.Why = "behind its end, or of unknown sessions, nothing is known"
		}
		list = append(list, c)
	}
	return list
}

func (x *index) count() {
	x.checked[JudgeReplay] = x.r.Commits
	for _, c := range x.order {
		x.checked[JudgeFIFO] += len(c.calls) - len(c.waiting)
	}
	for _, life := range x.lives {
		if life.ended != nil {
			x.checked[JudgeEphemerals]++
		}
	}
	for _, k := range x.calls {
		if k.ret.line == nil || !k.line.Request.Op.Write() {
			continue
		}
		if !notExecuted(k.ret.line.Result.Err) {
			x.checked[JudgeDurability]++
		}
		if _, _, ok := k.sequential(); ok {
			x.checked[JudgeSequence]++
		}
	}
	x.checked[JudgePorcupine] = x.r.Porcupine.Operations
}
