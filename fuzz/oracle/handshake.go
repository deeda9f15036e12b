package main

import (
	"fmt"

	"github.com/vivariumdb/vivarium/wire"
)

// handshake opens a connection to both servers, for a new session or one that was there, and
// compares the answers. A connection that is taken over ends.
func (y *player) handshake(step *Step) (*Difference, error) {
	s := y.sessions[step.Session]
	var links [2]*link
	var x exchange
	err := both(func(side int) error {
		l, err := dial(y.pair.addrs[side])
		if err != nil {
			return err
		}
		links[side] = l
		q := s.hello(side, step)
		b, at := wire.BeginFrame(nil)
		if _, err := l.c.Write(wire.EndFrame(q.AppendTo(b), at)); err != nil {
			return err
		}
		frame, err := l.frame()
		if frame != nil {
			x.frames[side] = [][]byte{frame}
		}
		x.ended[side] = frame == nil
		return err
	})
	if err != nil {
		return nil, err
	}
	what, granted := y.compareHandshake(s, step, &x)
	if y.log != nil {
		y.log("%s", renderHandshake(step, &x))
	}
	if what != "" {
		d := &Difference{Session: step.Session, What: what}
		for side := range 2 {
			d.Frames[side] = []string{renderConnect(x.frames[side])}
		}
		return d, nil
	}
	if granted {
		return y.takeOver(step.Session, links)
	}
	return y.rejected(step.Session, links, x.ended[theirs])
}

// hello is what a client says first.
func (s *session) hello(side int, step *Step) wire.ConnectRequest {
	q := wire.ConnectRequest{TimeoutMs: step.TimeoutMs, HasReadOnly: !step.Old,
		ReadOnly: step.ReadOnly, ProtocolVersion: int32(step.Session % 2),
		Password: make([]byte, wire.PasswordLen), LastZxidSeen: s.zxid(side, step.Seen)}
	switch step.Kind {
	case connect:
		q.LastZxidSeen = 0
		switch step.Seen { // a new session needs no password
		case 1:
			q.Password = nil
		case 2:
			q.Password = make([]byte, 40)
		}
	case impostor:
		q.SessionID = s.ids[side]
		q.Password = []byte("not the password")
	case revenant:
		q.SessionID = s.dead[side]
		q.Password = s.password[side]
	default:
		q.SessionID, q.Password = s.ids[side], s.password[side]
		if step.Kind == prophet {
			q.LastZxidSeen = s.zxid(side, seenFuture)
		}
	}
	return q
}

// compareHandshake compares the answers and notes what they hand out.
func (y *player) compareHandshake(s *session, step *Step, x *exchange) (what string, granted bool) {
	y.cover.handshake(step)
	if x.ended[theirs] != x.ended[ours] {
		return fmt.Sprintf("refused: %v, %v", x.ended[theirs], x.ended[ours]), false
	}
	if x.ended[theirs] {
		return "", false
	}
	var answers [2]wire.ConnectResponse
	for side := range 2 {
		r := wire.NewReader(x.frames[side][0])
		answers[side].Decode(&r)
		if r.Err() != nil || r.Len() != 0 {
			return fmt.Sprintf("%s's answer is no ConnectResponse", sideNames[side]), false
		}
	}
	a, b := &answers[theirs], &answers[ours]
	switch {
	case (a.SessionID == 0) != (b.SessionID == 0):
		return fmt.Sprintf("session: %#x, %#x", a.SessionID, b.SessionID), false
	case a.TimeoutMs != b.TimeoutMs:
		return fmt.Sprintf("time-out: %d, %d", a.TimeoutMs, b.TimeoutMs), false
	case a.ProtocolVersion != b.ProtocolVersion, a.HasReadOnly != b.HasReadOnly,
		a.ReadOnly != b.ReadOnly, len(a.Password) != len(b.Password):
		return fmt.Sprintf("answer: %+v, %+v", *a, *b), false
	case a.SessionID == 0:
		return "", false
	}
	if step.Kind == connect {
		y.m.session(a.SessionID, b.SessionID)
		s.ids = told{a.SessionID, b.SessionID}
		s.password = [2][]byte{a.Password, b.Password}
		s.told, s.xid = nil, 0
	}
	for side, answer := range answers {
		if answer.SessionID != s.ids[side] {
			return fmt.Sprintf("%s gave another session", sideNames[side]), false
		}
		if string(answer.Password) != string(s.password[side]) {
			return fmt.Sprintf("%s changed the password", sideNames[side]), false
		}
	}
	return "", true
}

// takeOver makes links the session's. What was still under way on the old ones is compared.
func (y *player) takeOver(i int, links [2]*link) (*Difference, error) {
	s := y.sessions[i]
	old := s.links
	s.links = links
	if old[theirs] == nil {
		return nil, nil
	}
	var x exchange
	err := both(func(side int) error {
		var err error
		x.frames[side], x.ended[side], err = old[side].replies(0, true)
		old[side].close()
		return err
	})
	what := y.compareBurst(s, nil, &x)
	if what == "" && err != nil {
		what = err.Error()
	}
	if what != "" {
		return y.difference(i, "connection taken over: "+what, nil, &x), nil
	}
	return nil, nil
}

// rejected waits until both servers have closed connections that got no session.
func (y *player) rejected(i int, links [2]*link, ended bool) (*Difference, error) {
	var x exchange
	err := both(func(side int) error {
		defer links[side].close()
		if ended {
			return nil
		}
		var err error
		x.frames[side], x.ended[side], err = links[side].replies(0, true)
		return err
	})
	if err != nil {
		return y.difference(i, "connection without a session: "+err.Error(), nil, &x), nil
	}
	return nil, nil
}
