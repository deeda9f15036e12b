package linearizability

// judgeRead holds an answered read against the model, which stands at the last zxid not above
// the answer's.
func (y *replay) judgeRead(k *call) {
	if k.conn.gen == nil || k.conn.ambiguous {
		y.r.Unjudged++
		return
	}
	y.r.Reads++
	ret := k.ret.line
	if ret.Zxid != y.m.zxid {
		y.bad(JudgeReads, lines(ret), "%v is answered at zxid %#x, which no commit took",
			k.line.Request.Op, ret.Zxid)
		return
	}
	o := &origin{session: k.conn.session, identities: k.conn.gen.identities(k.auths),
		skipACL: y.h.Header.SkipACL}
	want := y.m.read(k.line.Request, o)
	if d := differ(k.line.Request.Op, &want, ret.Result); d != "" {
		y.bad(y.blameRead(k, &want), lines(ret, k.line), "%s at zxid %#x: %s",
			describe(k.line.Request), ret.Zxid, d)
	}
}

// blameRead: an ephemeral that is seen without its session, or missed with it, is the ephemerals'
// judge's.
func (y *replay) blameRead(k *call, want *Result) string {
	got, path := k.ret.line.Result, k.line.Request.Path
	if got.Err == CodeOk && want.Err == CodeNoNode && y.m.ghosts[path] != 0 {
		return JudgeEphemerals
	}
	if n := y.m.nodes[path]; got.Err == CodeNoNode && n != nil && n.stat.EphemeralOwner != 0 {
		return JudgeEphemerals
	}
	if want.Err == CodeOk && got.Err == CodeOk {
		missing, extra := childrenApart(want.Children, got.Children)
		for _, name := range extra {
			if y.m.ghosts[join(path, name)] != 0 {
				return JudgeEphemerals
			}
		}
		for _, name := range missing {
			if n := y.m.nodes[join(path, name)]; n != nil && n.stat.EphemeralOwner != 0 {
				return JudgeEphemerals
			}
		}
	}
	return JudgeReads
}

func join(path, name string) string {
	if path == "/" || path == "" {
		return "/" + name
	}
	return path + "/" + name
}

func childrenApart(want, got []string) (missing, extra []string) {
	in := map[string]bool{}
	for _, name := range want {
		in[name] = true
	}
	for _, name := range got {
		if !in[name] {
			extra = append(extra, name)
		}
		delete(in, name)
	}
	return sortedKeys(in), extra
}

// judgeFreshness: a read sees all writes that its session sent before it and none that it sent
// later; a sync is not older than what was committed when it was called; nobody sees what is not
// yet committed.
func judgeFreshness(x *index) {
	for _, life := range x.lives {
		judgeOwnWrites(x, life)
	}
	for _, k := range x.calls {
		if k.ret.line == nil || k.ret.line.Zxid <= 0 || k.ret.line.Zxid >= x.stop {
			continue
		}
		op, z := k.line.Request.Op, k.ret.line.Zxid
		if op == OpSync {
			if least := x.committed(k.at); z < least {
				x.bad(JudgeReads, lines(k.ret.line, k.line),
					"sync is answered at zxid %#x, %#x was committed when it was called", z, least)
			}
		}
		if most := x.committed(k.ret.at); readOp(op) && z > most {
			x.bad(JudgeReads, lines(k.ret.line, k.line),
				"%v is answered at zxid %#x, only %#x is committed", op, z, most)
		}
	}
}

// judgeOwnWrites looks at the reads and writes of a session. With several servers, one of which the
// session has left may not know it yet, and answer a client that still asks there: what was sent
// on a later connection than a read's is nothing to it then.
func judgeOwnWrites(x *index, life *lifetime) {
	bound := func(seen []ownWrites, k *call) *ownWrites {
		if x.h.Header.Members <= 1 && len(seen) > 0 {
			return &seen[0]
		}
		for i := range seen {
			if seen[i].conn == k.conn {
				return &seen[i]
			}
		}
		return nil
	}
	var seen []ownWrites
	note := func(k *call, z int64, worse func(a, b int64) int64) {
		w := bound(seen, k)
		if w == nil {
			seen = append(seen, ownWrites{conn: k.conn, zxid: z})
			return
		}
		w.zxid = worse(w.zxid, z)
	}
	each := func(k *call, do func(zxid int64)) {
		for i := range seen {
			if x.h.Header.Members <= 1 || seen[i].conn.connect.at <= k.conn.connect.at {
				do(seen[i].zxid)
			}
		}
	}
	for _, k := range life.calls {
		if k.commit != nil && k.line.Request.Op.Write() {
			note(k, k.commit.line.Zxid, func(a, b int64) int64 { return max(a, b) })
		}
		if z, ok := x.readZxid(k); ok {
			each(k, func(earlier int64) {
				if z < earlier {
					x.bad(JudgeReads, lines(k.ret.line, k.line),
						"%v at zxid %#x does not see its session's earlier write %#x",
						k.line.Request.Op, z, earlier)
				}
			})
		}
	}
	seen = seen[:0]
	for i := len(life.calls) - 1; i >= 0; i-- {
		k := life.calls[i]
		if z, ok := x.readZxid(k); ok {
			each(k, func(later int64) {
				if z >= later {
					x.bad(JudgeReads, lines(k.ret.line, k.line),
						"%v at zxid %#x sees a write %#x that its session sent later",
						k.line.Request.Op, z, later)
				}
			})
		}
		if k.commit != nil && k.commit.line.Zxid != 0 && k.line.Request.Op.Write() {
			note(k, k.commit.line.Zxid, func(a, b int64) int64 { return min(a, b) })
		}
	}
}

// ownWrites are the writes that a session sent on one connection before, or behind, some call: the
// highest zxid of them, or the lowest.
type ownWrites struct {
	conn *connection
	zxid int64
}

func (x *index) readZxid(k *call) (int64, bool) {
	if k.ret.line == nil || !readOp(k.line.Request.Op) || k.ret.line.Zxid <= 0 ||
		k.ret.line.Zxid >= x.stop {
		return 0, false
	}
	return k.ret.line.Zxid, true
}
