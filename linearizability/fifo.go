package linearizability

// judgeOrder: the commands of a session take effect in the order in which they were sent. (Those
// of a server that the session has left may reach the log late; they are skipped.) That answers
// come in the order of calls is seen when the index pairs them.
func judgeOrder(x *index) {
	latest := map[int64]*call{} // by session
	for _, c := range x.commits {
		if c.call == nil || c.line.Commit.Skipped {
			continue
		}
		last := latest[c.line.Session]
		if last != nil && c.call.at < last.at {
			x.bad(JudgeFIFO, lines(c.line, c.call.line, last.line),
				"%v with xid %d is committed after %v with xid %d, which was sent later",
				c.call.line.Request.Op, c.call.line.Xid, last.line.Request.Op, last.line.Xid)
			continue
		}
		latest[c.line.Session] = c.call
	}
}

// judgeStreams: a stream's commands take effect in its order, each once: what is executed has the
// number that is its turn, whatever else comes by (a repetition, what is behind a gap) is skipped.
// A command that is skipped for another reason has had its turn.
func judgeStreams(x *index) {
	done := map[uint64]*commit{} // by stream, the last one that had its turn
	for _, c := range x.commits {
		k := c.line.Commit
		if k.Stream == 0 {
			continue
		}
		turn, last := uint64(1), done[k.Stream]
		var lastLine *Line
		if last != nil {
			turn, lastLine = last.line.Commit.Seq+1, last.line
		}
		switch {
		case k.Seq == turn:
			done[k.Stream] = c
		case !k.Skipped && k.Seq < turn:
			x.bad(JudgeExactlyOnce, lines(c.line, lastLine),
				"command %d of stream %d takes effect after command %d", k.Seq, k.Stream, turn-1)
		case !k.Skipped:
			x.bad(JudgeExactlyOnce, lines(c.line, lastLine),
				"command %d of stream %d takes effect before command %d", k.Seq, k.Stream, turn)
			done[k.Stream] = c
		}
	}
}
