package linearizability

// Judge holds a whole history against all rules. It changes nothing of it.
//
// The judges run in the order below since one fault often offends several of them, and an answer
// that one has objected to is not held against the service by the next. Those that follow the log
// need commit lines.
func Judge(h *History) *Report {
	r := &Report{}
	if len(h.Lines) == 0 {
		return r
	}
	x := buildIndex(h, r)
	var y *replay
	if x.logged {
		judgeOrder(x)
		judgeStreams(x)
		y = runReplay(x)
	}
	judgeFreshness(x)
	judgeSessions(x)
	judgeAnswers(x)
	judgeZxids(x)
	if x.logged {
		judgeWatches(y)
	} else {
		judgeEventOrder(x)
		judgeSequences(x)
	}
	judgeDigests(x)
	judgeLiveness(x)
	if r.OK() {
		judgePorcupine(x)
	}
	r.sort()
	r.Judges = x.judges()
	return r
}
