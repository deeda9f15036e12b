package linearizability

// judgeOrder: the commands of a session take effect in the order in which they were sent. (Those
// of a server that the session has left may reach the log late; they are skipped.) That answers
// come in the order of calls is seen when the index pairs them.
func judgeOrder(x *index) {
	type source struct {
		session    int64
		generation uint64
	}
	latest := map[source]*call{}
	for _, c := range x.commits {
		if c.call == nil || c.line.Commit.Skipped {
			continue
		}
		at := source{c.line.Session, c.line.Commit.Generation}
		last := latest[at]
		if last != nil && c.call.at < last.at {
			x.bad(JudgeFIFO, lines(c.line, c.call.line, last.line),
				"%v with xid %d is committed after %v with xid %d, which was sent later",
				c.call.line.Request.Op, c.call.line.Xid, last.line.Request.Op, last.line.Xid)
			continue
		}
		latest[at] = c.call
	}
}

// judgeStreams: a stream's commands have their turn in its order, each once, and take effect only
// then: whatever else comes by (a repetition, what is behind a gap) is refused. Where the writer
// says which commands had their turn, that is judged by itself: a command may be without effect
// for other reasons, above all an old generation, which would hide that its stream let it pass. A
// member has one stream at a time; the first command of a new one ends the one before.
func judgeStreams(x *index) {
	j := streams{index: x, done: map[uint64]*commit{}, current: map[uint64]uint64{}}
	for _, c := range x.commits {
		if k := c.line.Commit; k.Stream != 0 && k.Seq != 0 {
			x.checked[JudgeExactlyOnce]++
			j.command(c)
		}
	}
}

type streams struct {
	*index
	done    map[uint64]*commit // by stream, the last one that had its turn
	current map[uint64]uint64  // by origin, the stream that had a turn last
}

func (j *streams) command(c *commit) {
	k := c.line.Commit
	turn, last := uint64(1), j.done[k.Stream]
	var lastLine *Line
	if last != nil {
		turn, lastLine = last.line.Commit.Seq+1, last.line
	}
	took := k.Turn == TurnTaken || !k.Skipped
	now := j.current[k.Origin]
	if took && last != nil && k.Origin != 0 && now != 0 && now != k.Stream {
		j.bad(JudgeExactlyOnce, lines(c.line, lastLine),
			"command %d of stream %d has its turn, which stream %d has replaced", k.Seq, k.Stream,
			now)
		return
	}
	what := "takes effect"
	if k.Skipped {
		what = "has its turn"
	}
	switch {
	case k.Seq == turn && k.Turn != TurnRefused:
		j.had(c)
	case took && k.Seq < turn:
		j.bad(JudgeExactlyOnce, lines(c.line, lastLine),
			"command %d of stream %d %s after command %d", k.Seq, k.Stream, what, turn-1)
	case took:
		j.bad(JudgeExactlyOnce, lines(c.line, lastLine),
			"command %d of stream %d %s before command %d", k.Seq, k.Stream, what, turn)
		j.had(c)
	}
}

func (j *streams) had(c *commit) {
	j.done[c.line.Commit.Stream] = c
	j.current[c.line.Commit.Origin] = c.line.Commit.Stream
}
