package protocol

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/vivariumdb/vivarium/internal/invariant"
	"github.com/vivariumdb/vivarium/internal/mutant"
	"github.com/vivariumdb/vivarium/wire"
)

// The errors of Submit and AddAuth. Nothing was queued.
var (
	// ErrOver: the session has ended, or is about to.
	ErrOver = errors.New("submit request: the session is over")
	// ErrFull: Config.MaxRequests are unanswered.
	ErrFull = errors.New("submit request: too many are unanswered")
	// ErrTooLarge: longer than Config.MaxRequest, or a watch whose setWatches would be.
	ErrTooLarge = errors.New("submit request: longer than the server accepts (jute.maxbuffer)")
	// ErrMalformed: the body is not that of the operation.
	ErrMalformed = errors.New("submit request: malformed body")
)

// A Request is what the caller wants done.
type Request struct {
	// Tag comes back in the Reply.
	Tag uint64
	Op  wire.OpCode
	// Body is the encoded record of the operation. It is copied.
	Body []byte
	// Watcher is told of the events of the watches this request sets, if it sets any.
	Watcher WatcherID
}

// call is a request on its way.
type call struct {
	tag      uint64
	xid      int32
	op       wire.OpCode
	internal bool   // not the caller's: its reply is not shown
	body     []byte // only while it waits
	watcher  WatcherID
	places   []place // where watches are set, or removed, when it succeeds
	unwanted bool    // its watcher has gone: what it sets is to be removed
	credit   *credential
}

// credential is an identity that is shown to every server.
type credential struct {
	scheme string
	auth   []byte
}

// Submit sends a request, or keeps it until there is a connection.
func (s *Session) Submit(r Request, now int64) error {
	if err := s.room(len(r.Body)); err != nil {
		return err
	}
	c := call{tag: r.Tag, op: r.Op, watcher: r.Watcher}
	var err error
	if c.places, err = places(r.Op, r.Body); err != nil {
		return err
	}
	if r.Op != wire.OpRemoveWatches && len(c.places) > 0 &&
		len(c.places[0].path)+4+aroundPaths > s.cfg.MaxRequest {
		return ErrTooLarge // it could not be set again on the next connection
	}
	c.body = r.Body
	if s.phase == phaseOpen {
		s.send(c, now)
	} else {
		c.body = bytes.Clone(r.Body)
		if len(s.waiting) > 0 && mutant.On("client-reads-overtake-writes") &&
			(c.op == wire.OpGetData || c.op == wire.OpExists) {
			s.waiting = append([]call{c}, s.waiting...)
		} else {
			s.waiting = append(s.waiting, c)
		}
	}
	s.check()
	return nil
}

// room says why a request with that much of a body cannot be taken.
func (s *Session) room(body int) error {
	const header = 8
	switch {
	case s.phase == phaseOver || s.phase == phaseGoodbye:
		return ErrOver
	case s.Outstanding() >= s.cfg.MaxRequests:
		return ErrFull
	case body+header > s.cfg.MaxRequest:
		return ErrTooLarge
	}
	return nil
}

// Cancel takes back a request that waits for a connection. It is false if it was sent, or is not
// known: then its Reply is still to come, or has come.
func (s *Session) Cancel(tag uint64) bool {
	for i, c := range s.waiting {
		if c.tag == tag && !c.internal {
			s.waiting = append(s.waiting[:i], s.waiting[i+1:]...)
			return true
		}
	}
	return false
}

// AddAuth shows an identity to this server and all later ones. A server that refuses it ends the
// session with AuthFailed.
func (s *Session) AddAuth(tag uint64, scheme string, auth []byte, now int64) error {
	const around = 12 // the type, and the lengths of the other two
	if err := s.room(around + len(scheme) + len(auth)); err != nil {
		return err
	}
	credit := credential{scheme: strings.Clone(scheme), auth: bytes.Clone(auth)}
	c := call{tag: tag, op: wire.OpAuth, credit: &credit}
	if s.phase == phaseOpen {
		s.auths = append(s.auths, credit)
		s.sendAuth(c, &credit, now)
	} else {
		s.waiting = append(s.waiting, c)
	}
	s.check()
	return nil
}

// Close ends the session: what was submitted before is still answered, then the server removes
// its ephemerals. The Reply with this tag is followed by the state Closed. Without an open
// connection both come at once, and the server finds out by itself.
func (s *Session) Close(tag uint64, now int64) {
	switch s.phase {
	case phaseOver, phaseGoodbye:
		s.emit(Reply{Tag: tag, Op: wire.OpCloseSession, Err: wire.CodeSessionExpired})
	case phaseOpen:
		s.send(call{tag: tag, op: wire.OpCloseSession}, now)
		s.phase = phaseGoodbye
	default:
		s.emit(Reply{Tag: tag, Op: wire.OpCloseSession, Err: wire.CodeConnectionLoss})
		s.end(wire.StateClosed, wire.CodeSessionExpired, CauseClosed)
	}
	s.check()
}

// Unwatch forgets a watcher: no event names it any more. The server is told if nobody else waits
// for the same events.
func (s *Session) Unwatch(id WatcherID, now int64) {
	if id == 0 {
		return
	}
	for _, calls := range [][]call{s.pending[s.head:], s.waiting} {
		for i := range calls {
			if calls[i].watcher == id && calls[i].op != wire.OpRemoveWatches &&
				!mutant.On("client-unwatch-forgets-pending") {
				calls[i].unwanted = true
			}
		}
	}
	for _, p := range s.watches.forget(id) {
		s.disarm(p, now)
	}
	s.check()
}

// disarm tells the server that a watch has no watcher any more, unless somebody else waits for the
// same events.
func (s *Session) disarm(p place, now int64) {
	if s.phase != phaseOpen || s.arming(p) ||
		s.watches.wanted(p) && !mutant.On("client-unwatch-forgets-others") {
		return
	}
	request := wire.WatcherRequest{Path: p.path, Type: p.kind.watcherType()}
	s.send(call{internal: true, op: wire.OpRemoveWatches, body: request.AppendTo(nil)}, now)
}

// arming tells whether a request without an answer may set a watch that the server does not tell
// from p, for somebody who still wants it.
func (s *Session) arming(p place) bool {
	for _, c := range s.pending[s.head:] {
		if c.op == wire.OpRemoveWatches || c.unwanted {
			continue
		}
		for _, q := range c.places {
			if q.path == p.path && q.kind.watcherType() == p.kind.watcherType() {
				return true
			}
		}
	}
	return false
}

// send writes a request on the open connection and remembers it until its reply.
func (s *Session) send(c call, now int64) {
	invariant.Check(s.phase == phaseOpen, "a request sent on a connection that is not open")
	if c.credit != nil {
		s.auths = append(s.auths, *c.credit)
		s.sendAuth(c, c.credit, now)
		return
	}
	if c.xid == 0 {
		c.xid = s.nextXid()
	}
	s.frame(c.xid, c.op, c.body, now)
	if mutant.On("client-write-retried") {
		c.body = bytes.Clone(c.body)
	} else {
		c.body = nil
	}
	if s.head > len(s.pending)/2 && s.head > 64 {
		n := copy(s.pending, s.pending[s.head:])
		clear(s.pending[n:])
		s.pending, s.head = s.pending[:n], 0
	}
	s.pending = append(s.pending, c)
}

// sendAuth writes an auth packet.
func (s *Session) sendAuth(c call, credit *credential, now int64) {
	request := wire.AuthRequest{Scheme: credit.scheme, Auth: credit.auth}
	s.frame(wire.XidAuth, wire.OpAuth, request.AppendTo(nil), now)
	s.authing = append(s.authing, c)
}

// frame appends a frame to the output.
func (s *Session) frame(xid int32, op wire.OpCode, body []byte, now int64) {
	b, at := wire.BeginFrame(s.out)
	header := wire.RequestHeader{Xid: xid, Op: op}
	b = header.AppendTo(b)
	s.out = wire.EndFrame(append(b, body...), at)
	s.lastSend = now
}

// nextXid returns the next number of a request. It is never one of those below 1, which have a
// meaning.
func (s *Session) nextXid() int32 {
	if s.xid == math.MaxInt32 {
		s.xid = 0
	}
	s.xid++
	return s.xid
}

// places returns where a request sets watches, or removes them.
func places(op wire.OpCode, body []byte) ([]place, error) {
	r := wire.NewReader(body)
	switch op {
	case wire.OpExists, wire.OpGetData, wire.OpGetChildren, wire.OpGetChildren2:
		var m wire.PathWatchRequest
		m.Decode(&r)
		if r.Err() == nil && m.Watch {
			return []place{{readKind(op), strings.Clone(m.Path)}}, nil
		}
	case wire.OpAddWatch:
		var m wire.AddWatchRequest
		m.Decode(&r)
		kind := kindPersistent
		if m.Mode == wire.ModePersistentRecursive {
			kind = kindRecursive
		}
		return []place{{kind, strings.Clone(m.Path)}}, malformed(op, r.Err())
	case wire.OpRemoveWatches:
		var m wire.WatcherRequest
		m.Decode(&r)
		var all []place
		for _, kind := range kindsOf(m.Type) {
			all = append(all, place{kind, strings.Clone(m.Path)})
		}
		return all, malformed(op, r.Err())
	case wire.OpMultiRead:
		// Its reads set no watch, whatever their flags say: ZooKeeper's server ignores them.
		var m wire.MultiRequest
		m.Decode(&r)
	}
	return nil, malformed(op, r.Err())
}

// malformed wraps the error of a body.
func malformed(op wire.OpCode, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w of %v: %w", ErrMalformed, op, err)
}
