package linearizability

import "math"

// judgeRead holds an answered read against the model, which stands at the last zxid not above
// the answer's.
func (y *replay) judgeRead(k *call) {
	ret := k.ret.line
	if ret.Zxid != y.m.zxid {
		y.bad(JudgeReads, lines(ret), "%v is answered at zxid %#x, which no commit took",
			k.line.Request.Op, ret.Zxid)
		return
	}
	want, ok := y.wanted(k)
	if !ok {
		y.r.Unjudged++
		return
	}
	y.r.Reads++
	if d := differ(k.line.Request.Op, &want, ret.Result); d != "" {
		y.bad(y.blameRead(k, &want), lines(ret, k.line), "%s at zxid %#x: %s",
			describe(k.line.Request), ret.Zxid, d)
	}
}

// wanted is the answer that a read should have. Of a connection whose identities are unknown (its
// session is read-only and nobody says its address, or its attach is not known), only those answers
// are known that are the same for everybody.
func (y *replay) wanted(k *call) (Result, bool) {
	r := k.line.Request
	o := &origin{session: k.conn.session, skipACL: y.h.Header.SkipACL}
	if k.conn.gen != nil && !k.conn.ambiguous {
		o.identities = k.conn.gen.identities(k.auths)
		return y.m.read(r, o), true
	}
	if ids, ok := y.ownIdentities(k); ok {
		o.identities = ids
		return y.m.read(r, o), true
	}
	if r.Op == OpWhoAmI || r.Op == OpGetEphemerals {
		return Result{}, false
	}
	nobody := y.m.read(r, o)
	o.identities = []ID{{Scheme: "super"}}
	super := y.m.read(r, o)
	return nobody, differ(r.Op, &super, &nobody) == ""
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
// later; a sync, and what follows it on its connection, is not older than what was committed when
// the sync was called; nobody sees what is not yet committed.
func judgeFreshness(x *index) {
	for _, id := range x.sessions {
		judgeOwnWrites(x, x.ordered[id])
	}
	for _, c := range x.order {
		x.judgeSyncs(c)
	}
	if !x.logged {
		return
	}
	for _, k := range x.calls {
		if z, ok := x.readZxid(k); ok && z > x.committed(k.ret.at) {
			x.bad(JudgeReads, lines(k.ret.line, k.line),
				"%v is answered at zxid %#x, only %#x is committed", k.line.Request.Op, z,
				x.committed(k.ret.at))
		}
	}
}

// judgeSyncs follows the syncs of a connection. Whichever server it is to, a sync reaches what
// any server has applied, and so acknowledged, before.
func (x *index) judgeSyncs(c *connection) {
	least := int64(0)
	var sync *call
	for _, k := range c.calls {
		if k.ret.line == nil || k.ret.line.Zxid <= 0 || k.ret.line.Zxid >= x.stop {
			continue
		}
		z := k.ret.line.Zxid
		switch op := k.line.Request.Op; {
		case op == OpSync && k.ret.line.Result.Err == CodeOk && !c.readOnly():
			x.checked[JudgeReads]++
			if now := x.committed(k.at); now > least {
				least, sync = now, k
			}
			if z < least {
				x.bad(JudgeReads, lines(k.ret.line, k.line),
					"sync is answered at zxid %#x, %#x was committed when it was called", z, least)
			}
		case readOp(op) && z < least:
			x.bad(JudgeReads, lines(k.ret.line, k.line, sync.line),
				"%v is answered at zxid %#x, %#x was committed when the sync before it was called",
				op, z, least)
		}
	}
}

// judgeOwnWrites takes the calls of a session in their order. A server that the session has left
// may not know it yet and answer a client that still asks there: its generation is an earlier one.
func judgeOwnWrites(x *index, calls []*call) {
	// A reconfig that went on holds up what its connection sends behind it, but nothing that comes
	// on another one: there it may end later.
	var reconfig *call
	before := int64(0)
	for _, k := range calls {
		switch z, ok := x.wrote(k); {
		case ok && k.commit != nil && k.commit.line.Commit.Kind == CommitConfig:
			reconfig = k
		case ok:
			before = max(before, z)
		}
		earlier := before
		if reconfig != nil && reconfig.conn == k.conn {
			earlier = max(earlier, reconfig.commit.line.Zxid)
		}
		z, ok := x.readZxid(k)
		if !ok {
			continue
		}
		x.checked[JudgeReads]++
		if z < earlier {
			x.bad(JudgeReads, lines(k.ret.line, k.line),
				"%v at zxid %#x does not see its session's earlier write %#x",
				k.line.Request.Op, z, earlier)
		}
	}
	later := int64(math.MaxInt64)
	for i := len(calls) - 1; i >= 0; i-- {
		k := calls[i]
		if z, ok := x.readZxid(k); ok && z >= later {
			x.bad(JudgeReads, lines(k.ret.line, k.line),
				"%v at zxid %#x sees a write %#x that its session sent later",
				k.line.Request.Op, z, later)
		}
		if z, ok := x.wrote(k); ok {
			later = min(later, z)
		}
	}
}

func (x *index) readZxid(k *call) (int64, bool) {
	if k.ret.line == nil || !readOp(k.line.Request.Op) || k.ret.line.Zxid <= 0 ||
		k.ret.line.Zxid >= x.stop {
		return 0, false
	}
	return k.ret.line.Zxid, true
}
