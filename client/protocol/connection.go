package protocol

import (
	"bytes"

	"github.com/vivariumdb/vivarium/internal/invariant"
	"github.com/vivariumdb/vivarium/internal/mutant"
	"github.com/vivariumdb/vivarium/wire"
)

const (
	// maxPingMs is the longest pause between two signs of life, whatever the time-out.
	maxPingMs = 10_000
	// minConnectMs is the least time that a connection and its handshake get.
	minConnectMs = 250
	// firstRedialMs spreads the clients of a server that went away.
	firstRedialMs = 50
)

// dial asks for a connection to the next server.
func (s *Session) dial(now int64) {
	if s.server < 0 || !mutant.On("client-same-server") {
		s.server = (s.server + 1) % len(s.cfg.Servers)
	}
	s.conn++
	s.phase = phaseDial
	s.dialled = now
	s.emit(Dial{Conn: s.conn, Server: s.cfg.Servers[s.server]})
}

// Opened reports that the connection of a Dial is there.
func (s *Session) Opened(conn ConnID, now int64) {
	if conn != s.conn || s.phase != phaseDial {
		return
	}
	s.phase = phaseHandshake
	s.in = s.in[:0]
	s.lastSend, s.lastRecv = now, now
	b, at := wire.BeginFrame(s.out[:0])
	request := wire.ConnectRequest{
		LastZxidSeen: s.shownZxid(),
		TimeoutMs:    s.cfg.SessionTimeoutMs,
		SessionID:    s.id,
		Password:     s.password,
		ReadOnly:     s.cfg.ReadOnly,
		HasReadOnly:  true,
	}
	if request.Password == nil {
		request.Password = make([]byte, wire.PasswordLen)
	}
	s.out = wire.EndFrame(request.AppendTo(b), at)
	s.check()
}

// Lost reports that the connection of a Dial has ended, or never came to be. random is any number
// that other clients are unlikely to get as well.
func (s *Session) Lost(conn ConnID, now int64, random uint32) {
	if conn != s.conn || s.phase == phaseOver || s.phase == phasePause {
		return
	}
	if s.phase != phaseHungUp {
		s.disconnect(CauseLost)
	}
	if s.phase == phaseOver { // the goodbye was on its way
		return
	}
	s.phase = phasePause
	s.redialAt = now + s.pause(random)
	s.check()
}

// shownZxid is the last zxid that a server is told of.
func (s *Session) shownZxid() int64 {
	if mutant.On("client-shows-zxid-of-replies") {
		return s.relative
	}
	return s.seen
}

// retry keeps writes without an answer for the next connection: a known bug, for the mutants.
func (s *Session) retry() {
	for _, c := range s.pending[s.head:] {
		if !c.internal && (c.op == wire.OpCreate || c.op == wire.OpCreate2) {
			c.xid = 0
			s.again = append(s.again, c)
		}
	}
	kept := s.pending[:s.head]
	for _, c := range s.pending[s.head:] {
		if c.internal || c.op != wire.OpCreate && c.op != wire.OpCreate2 {
			kept = append(kept, c)
		}
	}
	s.pending = kept
}

// pause returns how long to wait before the next Dial.
func (s *Session) pause(random uint32) int64 {
	if mutant.On("client-no-pause") {
		return 0
	}
	rounds := s.failures / len(s.cfg.Servers)
	if s.failures%len(s.cfg.Servers) != 0 {
		return 0 // there is a server that was not tried in this round
	}
	if rounds == 0 {
		return int64(random % firstRedialMs)
	}
	base := s.cfg.BackoffMaxMs
	if shift := rounds - 1; shift < 16 {
		base = min(base, s.cfg.BackoffMinMs<<shift)
	}
	return base + int64(random)%(base/2+1)
}

// hangUp gives the connection up.
func (s *Session) hangUp(cause Cause) {
	s.emit(HangUp{Conn: s.conn, Cause: cause})
	s.disconnect(cause)
}

// disconnect takes leave of a connection that has ended or is of no use any more.
func (s *Session) disconnect(cause Cause) {
	goodbye := s.phase == phaseGoodbye
	established := goodbye || s.phase == phaseOpen
	s.phase = phaseHungUp
	s.out = s.out[:0]
	s.rearming = 0
	if goodbye {
		// The session may live on until its time-out; nobody uses it any more.
		s.end(wire.StateClosed, wire.CodeConnectionLoss, cause)
		return
	}
	if s.proved {
		s.failures = 0
	} else {
		s.failures++
	}
	if established {
		if !mutant.On("client-disconnect-untold") {
			s.become(wire.StateDisconnected, cause)
		}
		if mutant.On("client-write-retried") {
			s.retry()
		}
		s.failAll(wire.CodeConnectionLoss)
		if mutant.On("client-write-retried") {
			s.waiting, s.again = s.again, nil
		}
		if mutant.On("client-watches-dropped") {
			s.watches = newWatches()
		}
	}
	// Otherwise what waits was submitted while there was no connection: it waits for the next one.
	s.proved = false
}

// handshaken takes the server's first frame.
func (s *Session) handshaken(payload []byte, now int64) {
	r := wire.NewReader(payload)
	var response wire.ConnectResponse
	response.Decode(&r)
	switch {
	case r.Err() != nil:
		// A read-only server of ZooKeeper's answers with an error frame: not a server for us.
		s.hangUp(CauseViolation)
		return
	case response.TimeoutMs <= 0 || response.SessionID == 0:
		s.end(wire.StateExpired, wire.CodeSessionExpired, CauseRefused)
		return
	case response.ReadOnly && !s.cfg.ReadOnly:
		s.hangUp(CauseViolation)
		return
	}
	s.phase = phaseOpen
	s.timeoutMs = int64(response.TimeoutMs)
	state := wire.StateSyncConnected
	if response.ReadOnly {
		// The id is good on this server only: the next handshake shows the one we had before.
		state = wire.StateConnectedReadOnly
	} else {
		s.id = response.SessionID
		s.password = bytes.Clone(response.Password)
	}
	s.become(state, CauseNone)
	for i := range s.auths {
		if mutant.On("client-identities-not-shown") {
			break
		}
		s.sendAuth(call{internal: true, op: wire.OpAuth}, &s.auths[i], now)
	}
	s.rearm(now)
	for _, c := range s.waiting {
		s.send(c, now)
	}
	clear(s.waiting)
	s.waiting = s.waiting[:0]
}

// rearm sends the watches of the connection before.
func (s *Session) rearm(now int64) {
	invariant.Check(s.rearming == 0, "watches set again twice")
	relative := s.relative
	if mutant.On("client-rearms-with-last-zxid") {
		relative = s.seen
	}
	for _, set := range s.watches.sets(relative, s.chunk) {
		c := call{internal: true, op: wire.OpSetWatches, xid: wire.XidSetWatches}
		if len(set.Persistent)+len(set.PersistentRecursive) > 0 &&
			!mutant.On("client-persistent-not-rearmed") {
			c.op = wire.OpSetWatches2
			c.body = set.AppendTo(nil)
		} else {
			// Servers before 3.6 know this one only.
			old := wire.SetWatchesRequest{RelativeZxid: set.RelativeZxid,
				Data: set.Data, Exist: set.Exist, Child: set.Child}
			c.body = old.AppendTo(nil)
		}
		s.rearming++
		s.send(c, now)
	}
}

// Tick does what time asks for: pings, giving up, and dialling again.
func (s *Session) Tick(now int64) {
	switch s.phase {
	case phasePause:
		if now >= s.redialAt {
			s.dial(now)
		}
	case phaseDial, phaseHandshake:
		if now >= s.dialled+s.connectMs() {
			s.hangUp(CauseSlowConnect)
		}
	case phaseOpen, phaseGoodbye:
		switch {
		case now >= s.lastRecv+s.silenceMs() && mutant.On("client-silent-server-kept"):
			s.lastRecv = now
		case now >= s.lastSend+s.pingMs() && mutant.On("client-no-pings"):
			s.lastSend = now
		case now >= s.lastRecv+s.silenceMs():
			s.hangUp(CauseSilence)
		case now >= s.lastSend+s.pingMs():
			s.frame(wire.XidPing, wire.OpPing, nil, now)
		}
	}
	s.check()
}

// Deadline returns when Tick is to be called; false if there is nothing to wait for.
func (s *Session) Deadline() (at int64, ok bool) {
	switch s.phase {
	case phasePause:
		return s.redialAt, true
	case phaseDial, phaseHandshake:
		return s.dialled + s.connectMs(), true
	case phaseOpen, phaseGoodbye:
		return min(s.lastRecv+s.silenceMs(), s.lastSend+s.pingMs()), true
	}
	return 0, false
}

// connectMs is how long a connection and its handshake may take: all servers can be tried before
// the session expires.
func (s *Session) connectMs() int64 {
	timeout := s.timeoutMs
	if timeout == 0 {
		timeout = int64(s.cfg.SessionTimeoutMs)
	}
	return max(timeout/int64(len(s.cfg.Servers)), minConnectMs)
}

// silenceMs is how long the server may say nothing: there is a third of the time-out left to find
// another one.
func (s *Session) silenceMs() int64 { return max(s.timeoutMs*2/3, 1) }

// pingMs is how long we may say nothing.
func (s *Session) pingMs() int64 { return max(min(s.timeoutMs/3, maxPingMs), 1) }
