package linearizability

// judgeAnswers: what neither reads the tree nor changes it is answered as it must be, whatever the
// tree holds: a sync names its path, a watch is refused for nothing but its mode, and nobody is
// told that he may be whom he cannot prove to be.
func judgeAnswers(x *index) {
	for _, k := range x.calls {
		if k.ret.line == nil || k.line.Request.Malformed || x.blamed[k.ret.line.No] {
			continue
		}
		req, res := k.line.Request, k.ret.line.Result
		if res.Err == CodeNotReadOnly && !k.conn.readOnly() {
			x.bad(JudgeSessions, lines(k.ret.line, k.line),
				"%v is refused as of a read-only session, which %#x is not", req.Op, k.conn.session)
			continue
		}
		switch req.Op {
		case OpSync:
			x.judgeSyncAnswer(k)
		case OpPing:
			x.judgeCode(JudgeReads, k, res.Err == CodeOk, "want ok")
		case OpSetWatches, OpSetWatches2:
			if w := req.Watches; w != nil && w.Data != nil && w.Exist != nil && w.Child != nil {
				x.judgeCode(JudgeWatches, k, res.Err == CodeOk, "want ok")
			}
		case OpAddWatch:
			known := req.Mode == modePersistent || req.Mode == modeRecursive
			x.judgeCode(JudgeWatches, k, known == (res.Err == CodeOk), "for its mode %d", req.Mode)
		case OpCheckWatches, OpRemoveWatches:
			known := req.Mode >= typeChildren && req.Mode <= typeRecursive
			x.judgeCode(JudgeWatches, k, known || res.Err != CodeOk, "for its type %d", req.Mode)
		case OpAuth:
			if x.logged {
				x.judgeAuth(k)
			}
		default:
			if _, known := opNames[req.Op]; x.logged && !known {
				x.judgeCode(JudgeReplay, k, res.Err == CodeUnimplemented, "want %v",
					CodeUnimplemented)
			}
		}
	}
}

// judgeCode objects to the code of an answer, unless it is as it must be.
func (x *index) judgeCode(judge string, k *call, ok bool, format string, args ...any) {
	if res := k.ret.line.Result; !ok && !notExecuted(res.Err) {
		x.bad(judge, lines(k.ret.line, k.line), "%v is answered %v, "+format,
			append([]any{k.line.Request.Op, res.Err}, args...)...)
	}
}

// judgeSyncAnswer: a sync names its path, be there a znode or not. Only who has a quorum can
// confirm one.
func (x *index) judgeSyncAnswer(k *call) {
	req, res := k.line.Request, k.ret.line.Result
	switch {
	case k.conn.readOnly():
		x.judgeCode(JudgeReads, k, false, "in a read-only session")
	case res.Err != CodeOk:
		x.judgeCode(JudgeReads, k, false, "want ok")
	case res.Path != req.Path:
		x.bad(JudgeReads, lines(k.ret.line, k.line), "sync of %q is answered with path %q",
			req.Path, res.Path)
	}
}

// fewAuthBytes is what a session may show of credentials without being refused for their number:
// that is a limit of the service's own.
const fewAuthBytes = 4 << 10

// judgeAuth: who shows credentials of a scheme that asks for none but these is told ok, and who
// names a scheme by which nobody can authenticate is not.
func (x *index) judgeAuth(k *call) {
	req, res := k.line.Request, k.ret.line.Result
	shown := 0
	for _, old := range k.conn.calls {
		if old.line.Request.Op == OpAuth {
			shown += len(old.line.Request.Auth)
		}
		if old == k {
			break
		}
	}
	switch req.Scheme {
	case "x509", "sasl":
	case "digest", "ip":
		known := req.Scheme == "ip" || req.Auth != nil
		x.judgeCode(JudgeSessions, k, res.Err == CodeOk || !known || shown > fewAuthBytes,
			"though there are no others than %q can give", req.Scheme)
	default:
		x.judgeCode(JudgeSessions, k, res.Err != CodeOk, "for scheme %q", req.Scheme)
	}
}

// judgeGranted: the time-out is the one asked for, within the bounds that the header names.
func (x *index) judgeGranted(c *connection) {
	h, l := &x.h.Header, c.connected.line
	want := c.connect.line.Connect.TimeoutMs
	if h.MaxTimeoutMs == 0 || !c.accepted() {
		return
	}
	if want = min(max(want, h.MinTimeoutMs), h.MaxTimeoutMs); l.Connect.TimeoutMs != want {
		x.bad(JudgeSessions, lines(l, c.connect.line),
			"session %#x is given a time-out of %d ms, want %d", c.session, l.Connect.TimeoutMs,
			want)
	}
}

// address is the identity that a connection has without showing any, if it is known.
func (c *connection) address() ([]ID, bool) {
	a := c.connect.line.Connect.Address
	return []ID{{"ip", a}}, a != ""
}

// ownIdentities are those of a read-only session, which no log knows, before a call of it.
func (y *replay) ownIdentities(k *call) ([]ID, bool) {
	ids, ok := k.conn.address()
	if !ok || !k.conn.readOnly() {
		return nil, false
	}
	for _, old := range k.conn.calls {
		if old == k {
			break
		}
		req := old.line.Request
		if req.Op == OpAuth && req.Scheme == "digest" && !req.Malformed &&
			old.ret.line != nil && old.ret.line.Result.Err == CodeOk {
			ids = addIdentities(ids, y.m.digestIdentities(req.Auth))
		}
	}
	return ids, true
}
