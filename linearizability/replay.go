package linearizability

import (
	"fmt"
	"reflect"
	"slices"
	"sort"
	"strings"
)

// replay drives the model through the commits and lets it answer, at each zxid, what clients were
// answered there. The judges of writes are here; those of reads and watches use what it leaves.
//
// The first commit whose outcome is not the model's ends the replay: behind it the model and the
// service no longer hold the same state, and all that follows would be noise.
type replay struct {
	*index
	m *model

	pending []*call // answered reads and setWatches, by the zxid of their answers
	caught  map[*call][]catchup
}

// catchup is what a setWatches finds for one path of its lists.
type catchup struct {
	path  string
	event EventType // 0: nothing was missed, a watch is armed
	child bool
}

func runReplay(x *index) *replay {
	y := &replay{index: x, m: newModel(&x.h.Header), caught: map[*call][]catchup{}}
	for _, k := range x.calls {
		if k.ret.line == nil {
			continue
		}
		switch op := k.line.Request.Op; {
		case readOp(op), op == OpSetWatches, op == OpSetWatches2:
			y.pending = append(y.pending, k)
		}
	}
	sort.SliceStable(y.pending, func(i, j int) bool {
		return y.pending[i].ret.line.Zxid < y.pending[j].ret.line.Zxid
	})
	for _, c := range x.commits {
		if z := c.line.Zxid; z != 0 {
			y.observe(z)
		}
		if !y.apply(c) {
			y.stop = max(c.before+1, c.line.Zxid)
			break
		}
		y.r.Commits++
	}
	y.observe(y.stop)
	y.r.Unjudged += len(y.pending)
	y.pending = nil
	y.judgeReturns()
	return y
}

// observe judges what was answered at zxids below the given one.
func (y *replay) observe(below int64) {
	for len(y.pending) > 0 && y.pending[0].ret.line.Zxid < below {
		k := y.pending[0]
		y.pending = y.pending[1:]
		if readOp(k.line.Request.Op) {
			y.judgeRead(k)
		} else if k.ret.line.Zxid == y.m.zxid {
			y.caught[k] = y.m.catchUp(k.line.Request.Watches)
		}
	}
}

// apply lets the model execute a commit and compares. It reports false when they part.
func (y *replay) apply(c *commit) bool {
	l := c.line
	y.m.clockMs = max(y.m.clockMs, l.Commit.StampMs)
	if l.Commit.Skipped {
		if l.Zxid != 0 {
			y.bad(JudgeReplay, lines(l), "a skipped command took zxid %#x", l.Zxid)
		}
		return l.Zxid == 0
	}
	switch l.Commit.Kind {
	case CommitRequest:
		return y.applyRequest(c)
	case CommitCreateSession:
		return y.applyCreateSession(c)
	case CommitAttach:
		return y.applyAttach(c)
	case CommitClose, CommitExpire:
		return y.applyEnd(c)
	case CommitAuth:
		return y.applyAuth(c)
	case CommitReap:
		return y.applyReap(c)
	case CommitConfig:
		return y.applyConfig(c)
	}
	return y.noZxid(c)
}

// takeZxid checks that an executed write took the zxid that is its turn.
func (y *replay) takeZxid(c *commit) bool {
	l := c.line
	want := y.m.nextZxid(l.Commit.Term)
	if l.Zxid != want {
		y.bad(JudgeReplay, lines(l), "%v took zxid %#x, want %#x", commitName(l), l.Zxid, want)
		return false
	}
	y.m.zxid = want
	return true
}

func (y *replay) noZxid(c *commit) bool {
	if c.line.Zxid != 0 {
		y.bad(JudgeReplay, lines(c.line), "%v took zxid %#x, want none", commitName(c.line),
			c.line.Zxid)
	}
	return c.line.Zxid == 0
}

func commitName(l *Line) string {
	if l.Commit.Kind == CommitRequest {
		return l.Request.Op.String()
	}
	return l.Commit.Kind.String()
}

// origin is who a commit acts for; s is nil for the service's own.
func (y *replay) origin(c *commit, s *session) *origin {
	k := c.line.Commit
	o := &origin{session: c.line.Session, zxid: y.m.zxid, commit: c.n, skipACL: k.SkipACL,
		enforceQuota: k.EnforceQuota, extendedTypes: k.ExtendedTypes, noGrowth: k.NoGrowth}
	if s != nil {
		o.identities = s.identities
	}
	return o
}

// acting finds the session of a command that was executed, which must be alive and of the
// generation that the command claims.
func (y *replay) acting(c *commit) *session {
	l := c.line
	s := y.m.sessions[l.Session]
	switch {
	case s == nil:
		y.bad(JudgeSessions, lines(l), "%v of session %#x, which does not exist", commitName(l),
			l.Session)
	case !s.alive:
		y.bad(JudgeSessions, lines(l), "%v of session %#x, which ended with zxid %#x",
			commitName(l), l.Session, s.endZxid)
	case l.Commit.Generation != s.generation:
		y.bad(JudgeSessions, lines(l), "%v of session %#x by its generation %d, now it is %d",
			commitName(l), l.Session, l.Commit.Generation, s.generation)
	case l.Commit.Kind != CommitExpire && l.Commit.Origin != 0 && s.origin != 0 &&
		l.Commit.Origin != s.origin:
		y.bad(JudgeSessions, lines(l), "%v of session %#x by origin %d, its owner is origin %d",
			commitName(l), l.Session, l.Commit.Origin, s.origin)
	default:
		return s
	}
	return nil
}

func (y *replay) applyRequest(c *commit) bool {
	l := c.line
	s := y.acting(c)
	if s != nil && l.Request.Op == OpReconfig {
		return y.applyReconfig(c, s)
	}
	if s == nil || !y.takeZxid(c) {
		return false
	}
	ghost := y.m.ghosts[l.Request.Path] != 0
	want := y.m.write(l.Request, y.origin(c, s))
	var d string
	if !l.Commit.Bare {
		d = differ(l.Request.Op, &want, l.Result)
	} else if want.Err != l.Result.Err {
		d = fmt.Sprintf("err %v, want %v", l.Result.Err, want.Err)
	}
	if d == "" {
		c.want = &want
		return true
	}
	y.bad(y.blame(l, &want, ghost), lines(l), "%s: %s", describe(l.Request), d)
	return false
}

// blame finds the judge whose matter it is that a commit has another result than the model's;
// ghost says that an ephemeral was at its path, which went with its session.
func (y *replay) blame(l *Line, want *Result, ghost bool) string {
	if mode, _ := modeOf(l.Request.Flags); mode.sequential && want.Err == CodeOk &&
		l.Result.Err == CodeOk && want.Path != l.Result.Path {
		return JudgeSequence
	}
	// An ephemeral that lived on makes its path or its parent look otherwise than they should.
	if ghost && (want.Err == CodeNoNode || l.Result.Err == CodeNodeExists) {
		return JudgeEphemerals
	}
	if l.Result.Err == CodeNotEmpty {
		for p := range y.m.ghosts {
			if parent, _ := split(p); parent == l.Request.Path {
				return JudgeEphemerals
			}
		}
	}
	return JudgeReplay
}

func (y *replay) applyCreateSession(c *commit) bool {
	l := c.line
	if l.Result.Err != CodeOk {
		if l.Commit.LastZxidSeen <= y.m.zxid {
			y.bad(JudgeSessions, lines(l), "a new session is refused for no reason")
			return false
		}
		return y.noZxid(c)
	}
	if !y.takeZxid(c) {
		return false
	}
	if y.m.sessions[l.Session] != nil || l.Session == 0 {
		y.bad(JudgeSessions, lines(l), "session id %#x is given again", l.Session)
		return false
	}
	if old := y.m.secrets[l.Commit.Secret]; old != nil && l.Commit.Secret != "" {
		y.bad(JudgeSessions, lines(l, old), "session %#x has the password of session %#x",
			l.Session, old.Session)
		return false
	}
	y.m.secrets[l.Commit.Secret] = l
	y.m.sessions[l.Session] = &session{
		id: l.Session, alive: true, generation: l.Commit.Generation, origin: l.Commit.Origin,
		secret: l.Commit.Secret, timeoutMs: l.Commit.TimeoutMs, identities: l.Commit.Identities,
		ephemerals: map[string]bool{},
	}
	y.r.Sessions++
	return true
}

// applyAttach: a session is resumed when it is alive, the password is right, and the client has
// seen nothing that has not happened.
func (y *replay) applyAttach(c *commit) bool {
	l := c.line
	if !y.noZxid(c) {
		return false
	}
	s := y.m.sessions[l.Session]
	accepted := l.Result.Err == CodeOk
	switch {
	case s == nil || !s.alive:
		if accepted {
			y.bad(JudgeSessions, lines(l), "attach to session %#x, which is no more", l.Session)
		}
		return !accepted
	case s.secret != l.Commit.Secret:
		if accepted {
			y.bad(JudgeSessions, lines(l), "attach to session %#x with a wrong password", l.Session)
		}
		return !accepted
	case l.Commit.LastZxidSeen > y.m.zxid:
		if accepted {
			y.bad(JudgeSessions, lines(l), "attach of a client that has seen %#x at %#x",
				l.Commit.LastZxidSeen, y.m.zxid)
		}
		return !accepted
	case !accepted:
		y.bad(JudgeSessions, lines(l), "attach to session %#x is refused, which is alive",
			l.Session)
		return false
	case l.Commit.Generation != s.generation+1:
		y.bad(JudgeSessions, lines(l), "attach to session %#x gives generation %d after %d",
			l.Session, l.Commit.Generation, s.generation)
		return false
	}
	s.generation, s.origin = l.Commit.Generation, l.Commit.Origin
	s.identities = l.Commit.Identities
	return true
}

func (y *replay) applyEnd(c *commit) bool {
	l := c.line
	s := y.acting(c)
	if s == nil || !y.takeZxid(c) {
		return false
	}
	gone := y.m.end(s, y.origin(c, nil))
	if l.Result.Children != nil {
		if d := differChildren(gone, l.Result.Children); d != "" {
			y.bad(JudgeEphemerals, lines(l), "the end of session %#x deletes other nodes: %s",
				s.id, d)
			return false
		}
	}
	return true
}

func (y *replay) applyAuth(c *commit) bool {
	l := c.line
	s := y.acting(c)
	if s == nil || !y.noZxid(c) {
		return false
	}
	if l.Result.Err != CodeOk {
		return true // a limit of the service's own
	}
	if want, ok := y.proved(c.call); ok {
		if !slices.Equal(want, l.Commit.Identities) {
			y.bad(JudgeReplay, lines(l, c.call.line), "auth gives %v, want %v",
				l.Commit.Identities, want)
			return false
		}
	}
	s.identities = addIdentities(slices.Clip(s.identities), l.Commit.Identities)
	return true
}

// proved is what an auth packet proves, if that is known.
func (y *replay) proved(k *call) ([]ID, bool) {
	if k == nil {
		return nil, false
	}
	switch k.line.Request.Scheme {
	case "digest":
		return y.m.digestIdentities(k.line.Request.Auth), true
	case "ip": // be it what it says
		return k.conn.address()
	}
	return nil, false
}

// applyReap: a container goes when it is empty and was used, or was never used for as long as the
// header says; a TTL node when it is empty and untouched for
// its time. A reap that finds the node otherwise may take a zxid or not.
func (y *replay) applyReap(c *commit) bool {
	l := c.line
	if l.Result.Err != CodeOk {
		return l.Zxid == 0 || y.takeZxid(c)
	}
	n := y.m.nodes[l.Path]
	switch {
	case n == nil:
		y.bad(JudgeReplay, lines(l), "reap of %s, which does not exist", l.Path)
	case len(n.children) > 0:
		y.bad(JudgeReplay, lines(l), "reap of %s, which has children", l.Path)
	case !n.container && n.ttl == 0:
		y.bad(JudgeReplay, lines(l), "reap of %s, which is neither container nor TTL node", l.Path)
	case n.container && n.creates == 0 && y.unused(n):
		y.bad(JudgeReplay, lines(l), "reap of %s after %d ms, which never had a child", l.Path,
			y.m.clockMs-n.stat.Mtime)
	case n.ttl != 0 && y.m.clockMs-n.stat.Mtime <= n.ttl:
		y.bad(JudgeReplay, lines(l), "reap of %s after %d ms, its TTL is %d ms", l.Path,
			y.m.clockMs-n.stat.Mtime, n.ttl)
	default:
		if !y.takeZxid(c) {
			return false
		}
		y.m.remove(l.Path, y.origin(c, nil), false)
		return true
	}
	return false
}

// unused says that a container without a child must stay yet.
func (y *replay) unused(n *node) bool {
	most := y.h.Header.NeverUsedMs
	return most < 0 || most > 0 && y.m.clockMs-n.stat.Mtime <= most
}

// judgeReturns holds what clients were told against what was committed.
func (y *replay) judgeReturns() {
	for _, c := range y.commits {
		y.judgeOrigin(c)
	}
	for _, k := range y.calls {
		if k.ret.line != nil && k.line.Request.Op.Write() {
			y.r.Writes++
			y.judgeReturn(k)
		}
	}
}

// judgeOrigin: a command is what its client sent, and it was sent before it was committed.
func (y *replay) judgeOrigin(c *commit) {
	l := c.line
	kind := l.Commit.Kind
	if l.Commit.Skipped || kind != CommitRequest && kind != CommitClose {
		return
	}
	if c.call == nil {
		if y.connectedTo(l.Session) {
			y.bad(JudgeReplay, lines(l), "nobody asked for this %v with xid %d", commitName(l),
				l.Xid)
		}
		return
	}
	if c.at < c.call.at {
		y.bad(JudgeReplay, lines(l, c.call.line), "%v is committed before it was sent",
			commitName(l))
	}
	if kind == CommitRequest && !sameRequest(l.Request, c.call.line.Request) {
		y.bad(JudgeReplay, lines(l, c.call.line), "%s is committed, %s was sent",
			describe(l.Request), describe(c.call.line.Request))
	}
}

// connectedTo says whether any client of the history knows the session. When the answer to a
// connect request is lost, its requests cannot be told from nobody's.
func (y *replay) connectedTo(session int64) bool {
	for _, c := range y.order {
		if c.session == session {
			return true
		}
	}
	return false
}

func sameRequest(a, b *Request) bool {
	if a.Malformed || b.Malformed {
		return a.Op == b.Op && a.Malformed == b.Malformed
	}
	return reflect.DeepEqual(plain(*a), plain(*b))
}

// plain gives lists that are empty one form, since an encoding need not tell them from null.
func plain(r Request) Request {
	if len(r.ACL) == 0 {
		r.ACL = nil
	}
	ops := r.Ops
	r.Ops = nil
	for _, op := range ops {
		r.Ops = append(r.Ops, plain(op))
	}
	return r
}

func (y *replay) judgeReturn(k *call) {
	ret, res := k.ret.line, k.ret.line.Result
	op := k.line.Request.Op
	c := k.commit
	if notExecuted(res.Err) {
		if c != nil {
			y.bad(JudgeReplay, lines(ret, c.line), "%v is answered %v but was executed", op,
				res.Err)
		}
		return
	}
	if c == nil {
		if op == OpCloseSession && k.conn.readOnly() {
			return // the log has never heard of it
		}
		if res.Err == CodeMarshallingError && k.line.Request.Malformed {
			return // refused on receipt
		}
		what := "but is not in the log"
		if k.skipped != nil {
			what = "but the log has skipped it"
		}
		y.bad(JudgeDurability, lines(ret, k.line), "%s (xid %d) is answered %v, %s",
			describe(k.line.Request), ret.Xid, res.Err, what)
		return
	}
	if k.ret.at < c.at {
		y.bad(JudgeReplay, lines(ret, c.line), "%v is answered before it is committed", op)
		return
	}
	if ret.Zxid != c.line.Zxid {
		y.bad(JudgeReplay, lines(ret, c.line), "%v is answered with zxid %#x, its own is %#x", op,
			ret.Zxid, c.line.Zxid)
		return
	}
	want := c.want
	if want == nil {
		if want = c.line.Result; c.line.Commit.Bare {
			return
		}
	}
	if d := differ(op, want, res); d != "" {
		y.bad(JudgeReplay, lines(ret, c.line), "%s is answered otherwise than it was committed: %s",
			describe(k.line.Request), d)
	}
}

// notExecuted says which errors mean that the write never got to the log.
func notExecuted(c Code) bool {
	return c == CodeNotReadOnly || c == CodeThrottledOp || c == CodeSessionMoved ||
		c == CodeSessionExpired || c == CodeConnectionLoss
}

// Describe says a request in one line.
func Describe(r *Request) string { return describe(r) }

func describe(r *Request) string {
	switch {
	case r.Op == OpMulti || r.Op == OpMultiRead:
	case r.Path == "":
		return r.Op.String()
	default:
		return fmt.Sprintf("%v %s", r.Op, r.Path)
	}
	var parts []string
	for i := range r.Ops {
		parts = append(parts, describe(&r.Ops[i]))
	}
	return fmt.Sprintf("%v(%s)", r.Op, strings.Join(parts, "; "))
}
