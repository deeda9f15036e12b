package main

import (
	"fmt"
	"sync"

	"github.com/vivariumdb/vivarium/wire"
)

// A Difference is where two servers part.
type Difference struct {
	Step    int // len(Case.Steps) is the closing of what was left
	Session int
	What    string
	Frames  [2][]string // what came on the connection in this step
}

// player plays one case on a pair of servers.
type player struct {
	pair     *pair
	name     string // of the root
	sessions []*session
	m        *mapping
	cover    *coverage
	log      func(format string, args ...any) // nil is silence
}

// play plays a case below a root of its own. The error is one of the machinery; a nil
// difference is none.
func play(p *pair, c *Case, name string, cover *coverage, log func(string, ...any)) (
	*Difference, error) {
	y := &player{pair: p, name: name, m: newMapping(), cover: cover, log: log}
	for range c.Sessions {
		y.sessions = append(y.sessions, &session{})
	}
	defer y.abandon()
	if d, err := y.makeRoot(); d != nil || err != nil {
		return d, err
	}
	for i := range c.Steps {
		if d, err := y.step(&c.Steps[i]); d != nil || err != nil {
			if d != nil {
				d.Step = i
			}
			return d, err
		}
	}
	for i, s := range y.sessions {
		if s.ids[theirs] == 0 {
			continue
		}
		if d, err := y.closeSession(i); d != nil || err != nil {
			if d != nil {
				d.Step = len(c.Steps)
			}
			return d, err
		}
	}
	return nil, nil
}

// makeRoot creates the case's root, by a session of its own.
func (y *player) makeRoot() (*Difference, error) {
	y.sessions = append(y.sessions, &session{})
	last := len(y.sessions) - 1
	if d, err := y.handshake(&Step{Kind: connect, Session: last}); d != nil || err != nil {
		return d, err
	}
	q := wire.CreateRequest{Path: root, ACL: wire.OpenACL()}
	create := Request{Op: wire.OpCreate, Body: q.AppendTo(nil)}
	return y.burst(last, []Request{create})
}

// closeSession ends a session whose case is over. It comes back for that, if it has to: what is
// left would expire in the middle of another case.
func (y *player) closeSession(i int) (*Difference, error) {
	if !y.sessions[i].connected() {
		if d, err := y.handshake(&Step{Kind: resume, Session: i}); d != nil || err != nil {
			return d, err
		}
	}
	for _, op := range []wire.OpCode{wire.OpPing, wire.OpCloseSession} {
		if !y.sessions[i].connected() {
			return &Difference{Session: i, What: "both servers have lost the session"}, nil
		}
		if d, err := y.burst(i, []Request{{Op: op}}); d != nil || err != nil {
			return d, err
		}
	}
	return nil, nil
}

// abandon closes what a difference or an error has left behind, without comparing anything.
func (y *player) abandon() {
	for _, s := range y.sessions {
		for side := range 2 {
			if s.ids[side] == 0 {
				continue
			}
			if l := s.links[side]; l != nil {
				l.close()
			}
			endSession(y.pair.addrs[side], s.ids[side], s.password[side])
		}
	}
}

// endSession closes one session on one server, as well as it can.
func endSession(addr string, id int64, password []byte) {
	l, err := dial(addr)
	if err != nil {
		return
	}
	defer l.close()
	q := wire.ConnectRequest{SessionID: id, Password: password, TimeoutMs: 20000}
	b, at := wire.BeginFrame(nil)
	b = wire.EndFrame(q.AppendTo(b), at)
	goodbye := Request{Op: wire.OpCloseSession}
	if _, err := l.c.Write(goodbye.appendTo(b, 1, 0, "")); err != nil {
		return
	}
	for {
		if b, err := l.frame(); b == nil || err != nil {
			return
		}
	}
}

// step does one step. What makes no sense any more, because shrinking took its reason away, is
// passed over.
func (y *player) step(s *Step) (*Difference, error) {
	c := y.sessions[s.Session]
	switch s.Kind {
	case burst:
		if !c.connected() {
			return nil, nil
		}
		if s.Requests[0].Op == rawOp {
			// As below: what is under way may be lost with the connection.
			if d, err := y.burst(s.Session, []Request{{Op: wire.OpPing}}); d != nil || err != nil {
				return d, err
			}
		}
		return y.burst(s.Session, s.Requests)
	case drop:
		c.disconnect()
		return nil, nil
	case connect:
		if c.ids[theirs] != 0 {
			return nil, nil
		}
	case resume:
		if c.ids[theirs] == 0 {
			return nil, nil
		}
		if c.connected() {
			// All that is under way arrives first: what a server drops with a connection that
			// is taken over is a matter of timing.
			if d, err := y.burst(s.Session, []Request{{Op: wire.OpPing}}); d != nil || err != nil {
				return d, err
			}
		}
	case impostor, prophet:
		if c.ids[theirs] == 0 || c.connected() {
			return nil, nil
		}
	case revenant:
		if c.dead == (told{}) || c.ids[theirs] != 0 {
			return nil, nil
		}
	}
	return y.handshake(s)
}

// exchange is what came back from both servers.
type exchange struct {
	frames [2][][]byte
	ended  [2]bool
}

// both runs f for both sides at the same time.
func both(f func(side int) error) error {
	var other error
	var wait sync.WaitGroup
	wait.Add(1)
	go func() {
		defer wait.Done()
		other = f(ours)
	}()
	err := f(theirs)
	wait.Wait()
	for side, err := range []error{err, other} {
		if err != nil {
			return fmt.Errorf("%s: %w", sideNames[side], err)
		}
	}
	return nil
}

// burst sends requests in one piece and compares all that comes until the last reply.
func (y *player) burst(i int, requests []Request) (*Difference, error) {
	s := y.sessions[i]
	fatal, want := false, len(requests)
	first := s.xid
	for k := range requests {
		fatal = fatal || requests[k].fatal()
		if requests[k].Op == rawOp {
			want--
		}
	}
	s.xid += int32(len(requests))
	var x exchange
	missing := both(func(side int) error {
		var b []byte
		for k := range requests {
			r := &requests[k]
			b = r.appendTo(b, r.xidOf(first+int32(k)+1), s.zxid(side, r.Seen), y.name)
		}
		if _, err := s.links[side].c.Write(b); err != nil {
			return nil // it is closed; reading finds that out
		}
		var err error
		l := s.links[side]
		x.frames[side], x.ended[side], err = l.replies(want, fatal)
		if err == nil && !fatal && refusedAuth(requests, x.frames[side]) {
			_, x.ended[side], err = l.replies(0, true)
		}
		return err
	})
	what := y.compareBurst(s, requests, &x)
	if what == "" && missing != nil {
		what = missing.Error()
	}
	if y.log != nil {
		y.logBurst(i, requests, &x)
	}
	if what != "" {
		return y.difference(i, what, requests, &x), nil
	}
	if x.ended[theirs] {
		s.disconnect()
	}
	if requests[len(requests)-1].Op == wire.OpCloseSession && x.ended[theirs] {
		s.dead, s.ids, s.told = told(s.ids), told{}, nil
	}
	return nil, nil
}

// refusedAuth says whether the last reply refuses an auth packet, which ends the connection.
func refusedAuth(requests []Request, frames [][]byte) bool {
	if len(frames) == 0 || requests[len(requests)-1].Op != wire.OpAuth {
		return false
	}
	var h wire.ReplyHeader
	r := wire.NewReader(frames[len(frames)-1])
	h.Decode(&r)
	return h.Xid == wire.XidAuth && h.Err != wire.CodeOk
}

// compareBurst compares all frames of a burst, in their order.
func (y *player) compareBurst(s *session, requests []Request, x *exchange) string {
	y.findEnds(requests, x)
	ourEnds := map[int64]bool{}
	sortEnds(x.frames[theirs], y.m.ends)
	for zxid := range y.m.ends { //order-free: a set
		ourEnds[y.m.zxids[theirs][zxid]] = true
	}
	sortEnds(x.frames[ours], ourEnds)
	next := 0
	for k := range min(len(x.frames[theirs]), len(x.frames[ours])) {
		a, b := x.frames[theirs][k], x.frames[ours][k]
		what := ""
		switch {
		case isEvent(a) != isEvent(b):
			what = "an event meets a reply"
		case isEvent(a):
			what = y.m.compareEvent(a, b)
			y.cover.event(a, b)
		case next == len(requests):
			what = "more replies than requests"
		default:
			what = y.m.compareReply(requests[next].Op, a, b)
			y.cover.reply(&requests[next], a, b)
			next++
		}
		if what != "" {
			return what
		}
		s.hear(a, b)
	}
	if a, b := len(x.frames[theirs]), len(x.frames[ours]); a != b {
		return fmt.Sprintf("frames: %d, %d", a, b)
	}
	if x.ended[theirs] != x.ended[ours] {
		return fmt.Sprintf("connection ended: %v, %v", x.ended[theirs], x.ended[ours])
	}
	return ""
}

// findEnds notes the zxids under which this burst closes its session, before the events that
// tell others of it are compared.
func (y *player) findEnds(requests []Request, x *exchange) {
	for k := range requests {
		if requests[k].Op != wire.OpCloseSession {
			continue
		}
		var zxids [2]int64
		for side := range 2 {
			for _, frame := range x.frames[side] {
				if !isEvent(frame) {
					r := wire.NewReader(frame)
					r.Int()
					zxids[side] = r.Long() // the last reply is that of the close
				}
			}
		}
		if zxids[theirs] != 0 && y.m.zxid(zxids[theirs], zxids[ours]) == "" {
			y.m.ends[zxids[theirs]] = true
		}
	}
}

func (y *player) difference(i int, what string, requests []Request, x *exchange) *Difference {
	d := &Difference{Session: i, What: what}
	for side := range 2 {
		d.Frames[side] = renderFrames(requests, x.frames[side])
		if x.ended[side] {
			d.Frames[side] = append(d.Frames[side], "end of connection")
		}
	}
	return d
}
