package linearizability

import (
	"slices"
	"strings"
)

// gather makes operations of what clients asked for and of what the service did by itself.
func (p *confirmer) gather() {
	for _, c := range p.order {
		if c.readOnly() {
			continue // a read-only server promises nothing
		}
		var sync *call
		since := 0
		for _, k := range c.calls {
			switch op := k.line.Request.Op; {
			case op.Write():
				p.gatherWrite(k)
			case op == OpSync && k.ret.line != nil && k.ret.line.Result.Err == CodeOk:
				sync, since = k, 0
				continue
			case readOp(op) && k.ret.line != nil:
				p.gatherRead(k, sync)
			}
			// A sync covers what comes soon after it: the operation begins with it, and long ones
			// cost much.
			if since++; since >= 4 {
				sync = nil
			}
		}
	}
	if p.logged {
		for _, c := range p.commits {
			p.gatherCommit(c)
		}
	}
	slices.SortStableFunc(p.ops, func(a, b *operation) int { return a.call - b.call })
}

// never is the place of what never came.
func (p *confirmer) never() int { return len(p.h.Lines) + 1 }

func (p *confirmer) gatherWrite(k *call) {
	op := k.line.Request.Op
	if op == OpCloseSession || op == OpReconfig || k.line.Request.Malformed {
		return
	}
	o := &operation{call: k.at, ret: k.ret.at, sent: k.at, at: -1,
		generation: k.conn.turn, line: k.line, by: k.ret.line,
		session: k.conn.session}
	if o.session == 0 {
		o.session, o.generation, o.stray = -k.conn.id, 1, true
	}
	if k.commit != nil {
		o.at, o.zxid = k.commit.at, k.commit.line.Zxid
	}
	var res *Result
	switch {
	case k.ret.line != nil:
		res = k.ret.line.Result
	case !p.logged:
		o.unknown, o.blind = true, k.conn.session == 0
		o.ret = p.resolved(k)
	case k.commit == nil:
		return // it never took effect
	default:
		res, o.ret = k.commit.result(), k.commit.at
	}
	o.ret = max(o.ret, o.call) // its session may have gone on elsewhere before it was sent
	p.take(o, k.line.Request, res)
}

// result is what a commit's line says, or the model where the line does not know.
func (c *commit) result() *Result {
	if c.line.Commit.Bare && c.want != nil {
		return c.want
	}
	return c.line.Result
}

// resolved is where a call that was never answered has surely taken effect, or never will: its
// session went on by another connection. Without that it may take effect at any time.
func (p *confirmer) resolved(k *call) int {
	if k.conn.turn == 0 {
		return p.never()
	}
	if next := k.conn.next; next != nil {
		return next.connected.at
	}
	return p.never()
}

// take adds an operation if it says anything.
func (p *confirmer) take(o *operation, r *Request, res *Result) {
	if res != nil && (notExecuted(res.Err) || !modelled(res.Err)) {
		return // it had no effect
	}
	if r.Op == OpMulti {
		for i := range r.Ops {
			req, ok := multiPart(r.Ops[i])
			if !ok {
				return
			}
			var part *Result
			if res != nil {
				if i >= len(res.Parts) {
					return
				}
				part = &res.Parts[i]
			}
			if o.addPart(req, part); part != nil && part.Err != CodeOk {
				o.failed = true
				break // what is behind the culprit says nothing
			}
		}
	} else {
		o.addPart(*r, res)
	}
	if len(o.parts) > 0 {
		p.ops = append(p.ops, o)
	}
}

// addPart adds a request of an operation.
func (o *operation) addPart(r Request, res *Result) {
	q := part{req: &r, res: res, path: r.Path}
	if res != nil {
		q.code = res.Err
	}
	if q.path == "" {
		q.path = "/"
	}
	if r.Op.tied() {
		if !strings.HasPrefix(r.Path, "/") {
			return
		}
		if r.Op != OpDelete && r.Op != OpDeleteContainer {
			o.addCreate(&q)
		}
	}
	if systemTree(q.path) || q.path == "" && systemTree(r.Path) && r.Path != "/zookeeper" {
		return
	}
	o.parts = append(o.parts, q)
}

func (o *operation) addCreate(q *part) {
	q.mode, _ = modeOf(q.req.Flags)
	if q.req.Op == OpCreateContainer || q.req.Op == OpCreateTTL {
		q.mode.ephemeral = false
	}
	if q.mode.sequential {
		q.path = ""
		if q.res != nil && q.code == CodeOk && strings.HasPrefix(q.res.Path, q.req.Path) {
			q.path = q.res.Path // any other is the business of those who judge the number
		}
	}
}

// systemTree says whether a path belongs to the service itself, which changes it as it likes.
func systemTree(path string) bool {
	return path == "/zookeeper" || strings.HasPrefix(path, "/zookeeper/")
}

func (p *confirmer) gatherRead(k *call, sync *call) {
	r, res := k.line.Request, k.ret.line.Result
	if sync == nil && p.h.Header.Members > 1 || r.Malformed || !modelled(res.Err) {
		return
	}
	o := &operation{call: k.at, ret: k.ret.at, sent: k.at, at: -1,
		generation: k.conn.turn, line: k.line, by: k.ret.line, read: true,
		session: k.conn.session, zxid: k.ret.line.Zxid}
	if p.h.Header.Members > 1 {
		o.call = sync.at
	}
	add := func(r *Request, res *Result) {
		switch r.Op {
		case OpExists, OpGetData, OpGetACL, OpGetChildren, OpGetChildren2:
		default:
			return
		}
		q := part{req: r, res: res, path: r.Path, code: res.Err}
		if q.path == "" {
			q.path = "/"
		}
		if !systemTree(q.path) {
			o.parts = append(o.parts, q)
		}
	}
	if r.Op == OpMultiRead {
		for i := range min(len(r.Ops), len(res.Parts)) {
			add(&r.Ops[i], &res.Parts[i])
		}
	} else {
		add(r, res)
	}
	if len(o.parts) > 0 {
		p.ops = append(p.ops, o)
	}
}

// gatherCommit adds what took effect and nobody in the history has asked for.
func (p *confirmer) gatherCommit(c *commit) {
	l := c.line
	if l.Commit.Skipped || c.call != nil {
		return
	}
	o := &operation{call: c.at, ret: c.at, sent: c.at, at: c.at, line: l, zxid: l.Zxid}
	switch {
	case l.Commit.Kind == CommitRequest && !l.Request.Malformed && l.Request.Op != OpReconfig:
		o.session, o.generation = l.Session, l.Commit.Generation
		p.take(o, l.Request, c.result())
	case l.Commit.Kind == CommitReap && l.Result.Err == CodeOk:
		p.take(o, &Request{Op: OpDelete, Path: l.Path, Version: -1}, &Result{})
	}
}

// addEnds adds to a group the ends of the sessions that own any of it, and the attaches that
// say when a call without an answer is over. An end has no place among the calls of its session:
// what was sent last may take effect before it or never.
func (p *confirmer) addEnds(g *group) {
	var owners []int64
	known := map[int64]bool{}
	attached := map[*connection]bool{}
	for _, o := range g.ops {
		for i := range o.parts {
			if o.parts[i].mode.ephemeral && o.owned() && !known[o.session] {
				known[o.session] = true
				owners = append(owners, o.session)
			}
		}
		if !o.unknown || o.blind {
			continue
		}
		if c := p.conns[o.line.Conn].next; c != nil && !attached[c] {
			attached[c] = true
			g.ops = append(g.ops, &operation{call: c.connect.at, ret: c.connected.at,
				sent: c.connect.at, at: -1, generation: c.turn,
				attach: true, session: c.session})
		}
	}
	for _, id := range owners {
		if o := p.endOf(id); o != nil {
			g.ops = append(g.ops, o)
		}
	}
}

// owned says whether the session of an operation is known.
func (o *operation) owned() bool { return o.session != 0 && !o.stray }

// endOf is the end of a session; nil if the log has none.
func (p *confirmer) endOf(id int64) *operation {
	if p.logged {
		if life := p.life[id]; life != nil && life.ended != nil {
			at := life.ended.at
			return &operation{call: at, ret: at, at: at, line: life.ended.line, ends: id,
				zxid: life.ended.line.Zxid}
		}
		return nil
	}
	if p.ends == nil {
		p.ends = p.findEnds()
	}
	o := p.ends[id]
	return &o
}

// findEnds are the ends of all sessions, without commit lines. They are found once: there may be as
// many groups with ephemerals as there are lines.
func (p *confirmer) findEnds() map[int64]operation {
	ends := map[int64]operation{}
	told := map[int64]point{}
	for i := range p.h.Lines {
		if l := &p.h.Lines[i]; l.Kind == KindEnd && told[l.Session].line == nil {
			told[l.Session] = point{l, i}
		}
	}
	for _, id := range p.sessions {
		o := operation{ret: p.never(), at: -1, ends: id}
		for _, k := range p.ownCalls[id] {
			if k.ret.line == nil {
				continue
			}
			o.call = max(o.call, k.at)
			if k.line.Request.Op == OpCloseSession && k.ret.line.Result.Err == CodeOk {
				o.ret, o.line, o.by = k.ret.at, k.line, k.ret.line
			}
		}
		if end := told[id]; end.line != nil && o.ret == p.never() {
			o.ret, o.line = end.at, end.line
		}
		o.ret = max(o.ret, o.call)
		ends[id] = o
	}
	return ends
}
