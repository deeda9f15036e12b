package protocol

import (
	"bytes"

	"github.com/vivariumdb/vivarium/internal/invariant"
	"github.com/vivariumdb/vivarium/internal/mutant"
	"github.com/vivariumdb/vivarium/wire"
)

// keepInput is how much memory for a half frame is kept when it is not needed.
const keepInput = 1 << 20

// Feed takes bytes that were read from a connection. It keeps no reference to b.
func (s *Session) Feed(conn ConnID, b []byte, now int64) {
	if conn != s.conn || !s.listening() || len(b) == 0 {
		return
	}
	s.lastRecv = now
	s.in = append(s.in, b...)
	rest := s.in
	for s.listening() {
		n, err := wire.FrameLength(rest, s.cfg.MaxReply)
		if err != nil {
			s.hangUp(CauseViolation)
			break
		}
		if n == 0 || n > len(rest) {
			break
		}
		// What the frame holds goes to the caller, who keeps it as long as he likes.
		payload := bytes.Clone(rest[wire.FrameHeaderLen:n])
		rest = rest[n:]
		if s.phase == phaseHandshake {
			s.handshaken(payload, now)
		} else {
			s.received(payload)
		}
	}
	switch {
	case len(rest) == 0 && cap(s.in) > keepInput:
		s.in = nil
	case len(rest) < len(s.in):
		s.in = append(s.in[:0], rest...)
	}
	s.check()
}

// listening tells whether frames of the connection mean anything.
func (s *Session) listening() bool {
	return s.phase == phaseHandshake || s.phase == phaseOpen || s.phase == phaseGoodbye
}

// received takes a frame of an open connection.
func (s *Session) received(payload []byte) {
	r := wire.NewReader(payload)
	var header wire.ReplyHeader
	header.Decode(&r)
	if r.Err() != nil {
		s.hangUp(CauseViolation)
		return
	}
	s.seen = max(s.seen, header.Zxid)
	switch header.Xid {
	case wire.XidPing:
		s.proved = true
	case wire.XidNotification:
		var event wire.WatcherEvent
		event.Decode(&r)
		if r.Err() != nil {
			s.hangUp(CauseViolation)
			return
		}
		zxid := header.Zxid
		if mutant.On("client-event-of-last-zxid") {
			zxid = s.seen
		}
		s.emit(Event{Type: event.Type, Path: event.Path, Zxid: zxid,
			Watchers: s.watches.fire(event.Type, event.Path)})
	case wire.XidAuth:
		s.authenticated(header)
	default:
		s.replied(header, r.Rest())
	}
}

// authenticated takes the answer to an auth packet.
func (s *Session) authenticated(header wire.ReplyHeader) {
	if len(s.authing) == 0 {
		s.hangUp(CauseViolation)
		return
	}
	c := s.authing[0]
	s.authing = append(s.authing[:0], s.authing[1:]...)
	if !c.internal {
		s.emit(Reply{Tag: c.tag, Op: c.op, Zxid: header.Zxid, Err: header.Err})
	}
	if header.Err != wire.CodeOk && !mutant.On("client-refused-goes-on") {
		s.end(wire.StateAuthFailed, wire.CodeAuthFailed, CauseAuth)
	}
}

// replied takes the reply to the oldest request without one.
func (s *Session) replied(header wire.ReplyHeader, body []byte) {
	if s.head == len(s.pending) || s.pending[s.head].xid != header.Xid {
		s.hangUp(CauseViolation)
		return
	}
	c := s.pending[s.head]
	s.pending[s.head] = call{}
	s.head++
	if s.head == len(s.pending) {
		s.pending, s.head = s.pending[:0], 0
	}
	if c.xid == wire.XidSetWatches {
		s.rearming--
		if header.Err != wire.CodeOk {
			// The watches are not set. They may be on the next connection.
			s.hangUp(CauseViolation)
			return
		}
	}
	s.proved = true
	if s.rearming == 0 || mutant.On("client-rearmed-before-all-answered") {
		s.relative = max(s.relative, header.Zxid)
	}
	if !c.internal {
		s.emit(Reply{Tag: c.tag, Op: c.op, Zxid: header.Zxid, Err: header.Err, Body: body})
	}
	s.settle(&c, header)
	if c.op == wire.OpCloseSession {
		s.end(wire.StateClosed, wire.CodeSessionExpired, CauseClosed)
	}
}

// settle does what a reply means for the watches.
func (s *Session) settle(c *call, header wire.ReplyHeader) {
	if len(c.places) == 0 {
		return
	}
	if c.op == wire.OpRemoveWatches {
		if header.Err == wire.CodeOk && !mutant.On("client-removed-watch-kept") {
			s.removed(c.places, header.Zxid)
		}
		return
	}
	p, set := c.sets(header.Err)
	switch {
	case !set:
	case c.unwanted:
		// A persistent one would be told of to nobody for as long as the connection lives.
		s.disarm(p, s.lastRecv)
	default:
		s.watches.add(p, c.watcher)
	}
}

// sets returns which watch the server has set, by its answer to a request that asked for one.
func (c *call) sets(code wire.ErrorCode) (place, bool) {
	p := c.places[0]
	if c.op == wire.OpExists && code == wire.CodeNoNode {
		if !mutant.On("client-absent-watched-as-present") {
			p.kind = kindExist
		}
		return p, true
	}
	return p, code == wire.CodeOk
}

// removed drops watches that the server has dropped, and tells those who waited.
func (s *Session) removed(places []place, zxid int64) {
	for _, p := range places {
		if ids, had := s.watches.remove(p); had {
			s.emit(Event{Type: p.kind.removal(), Path: p.path, Zxid: zxid, Watchers: ids})
		}
	}
	invariant.Check(len(places) > 0, "removed watches of no kind")
}
