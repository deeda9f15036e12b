package protocol

import (
	"bytes"

	"github.com/vivariumdb/vivarium/internal/invariant"
	"github.com/vivariumdb/vivarium/wire"
)

// phase is where a Session stands with its connections.
type phase uint8

const (
	phasePause     phase = iota // no connection; the next Dial is at redialAt
	phaseDial                   // Dial was given, the connection is not there yet
	phaseHandshake              // the ConnectRequest is on its way
	phaseOpen                   // requests may be sent
	phaseGoodbye                // as open, and a closeSession was sent: nothing may follow it
	phaseHungUp                 // HangUp was given, Lost is awaited
	phaseOver                   // the session has ended
)

// aroundPaths is what a setWatches2 has besides its paths, in bytes: header, zxid and the lengths
// of five lists.
const aroundPaths = 36

// A Session is one session with the service. The zero value is of no use: see New.
type Session struct {
	cfg   Config
	phase phase
	conn  ConnID // of the last Dial

	// What the server gave and has to be shown again.
	id        int64
	password  []byte
	timeoutMs int64 // granted
	state     wire.KeeperState

	// seen is the highest zxid in any reply or event: no server may show an older state.
	seen int64
	// relative is the highest zxid in replies to requests, up to which all watches are known to
	// have reported. It lies behind seen: an event of a transaction says nothing of the other
	// events of the same transaction, and while watches are being set again a reply says nothing
	// of those whose setWatches is still on its way.
	// Invariant: relative <= seen.
	relative int64
	// rearming counts the setWatches without an answer.
	rearming int
	chunk    int // most bytes of paths in one of them; less only in tests

	// Dialling.
	server   int   // index of the server dialled last
	failures int   // connections since the last that was of use
	proved   bool  // this connection has answered something after its handshake
	redialAt int64 // in phasePause
	dialled  int64 // when the last Dial was given

	// The connection's clocks.
	lastSend int64
	lastRecv int64

	xid     int32
	pending []call       // sent, in order. Invariant: empty unless open or goodbye
	head    int          // of pending: those before it are answered
	waiting []call       // not sent. Invariant: empty while open, and in the end
	again   []call       // for a mutant
	auths   []credential // all that were ever added, in order
	authing []call       // auth packets without an answer; their replies may overtake

	watches watches

	in      []byte // the beginning of a frame
	out     []byte
	effects []Effect
	taken   int // of effects
}

// New returns a session that wants to connect.
func New(cfg Config, now int64) (*Session, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := &Session{
		cfg:      cfg.withDefaults(),
		id:       cfg.SessionID,
		password: bytes.Clone(cfg.Password),
		seen:     cfg.LastZxid,
		relative: cfg.LastZxid,
		state:    wire.StateDisconnected,
		server:   -1,
		watches:  newWatches(),
	}
	s.chunk = max(min(wire.SetWatchesChunk, s.cfg.MaxRequest-aroundPaths), 1)
	s.dial(now)
	return s, nil
}

// Next returns the next thing to do; false if there is nothing.
func (s *Session) Next() (Effect, bool) {
	if s.taken == len(s.effects) {
		clear(s.effects)
		s.effects, s.taken = s.effects[:0], 0
		return nil, false
	}
	e := s.effects[s.taken]
	s.taken++
	return e, true
}

// Output returns the bytes to be written to the connection of the last Dial, and keeps spare for
// those to come. The driver owns what it got.
func (s *Session) Output(spare []byte) []byte {
	out := s.out
	s.out = spare[:0]
	return out
}

// HasOutput tells whether Output would return anything.
func (s *Session) HasOutput() bool { return len(s.out) > 0 }

// State tells where the session stands, as the last StateChange did.
func (s *Session) State() wire.KeeperState { return s.state }

// Over tells whether the session has ended. Nothing but empty queues is to be expected then.
func (s *Session) Over() bool { return s.phase == phaseOver }

// ID returns the id of the session, 0 before the first handshake.
func (s *Session) ID() int64 { return s.id }

// Password returns a copy of what proves to servers that the session is ours.
func (s *Session) Password() []byte { return bytes.Clone(s.password) }

// TimeoutMs returns the time-out that the server granted last, 0 before the first handshake.
func (s *Session) TimeoutMs() int64 { return s.timeoutMs }

// LastZxid returns the highest zxid this session has seen.
func (s *Session) LastZxid() int64 { return s.seen }

// Outstanding returns how many requests wait for an answer.
func (s *Session) Outstanding() int {
	return len(s.pending) - s.head + len(s.waiting) + len(s.authing)
}

// emit queues an effect.
func (s *Session) emit(e Effect) { s.effects = append(s.effects, e) }

// become changes the state and tells of it.
func (s *Session) become(state wire.KeeperState, cause Cause) {
	if s.state != state {
		s.state = state
		s.emit(StateChange{State: state, Cause: cause})
	}
}

// answer queues the reply to a request that gets none from a server.
func (s *Session) answer(c call, code wire.ErrorCode) {
	if !c.internal {
		s.emit(Reply{Tag: c.tag, Op: c.op, Err: code})
	}
}

// failAll answers everything that has no answer, in the order of submission.
func (s *Session) failAll(code wire.ErrorCode) {
	for _, c := range s.authing {
		s.answer(c, code)
	}
	for _, c := range s.pending[s.head:] {
		s.answer(c, code)
	}
	for _, c := range s.waiting {
		s.answer(c, code)
	}
	clear(s.authing)
	clear(s.pending)
	clear(s.waiting)
	s.authing, s.pending, s.head, s.waiting = s.authing[:0], s.pending[:0], 0, s.waiting[:0]
}

// end is the end of the session. The connection, if there is one, is hung up.
func (s *Session) end(state wire.KeeperState, code wire.ErrorCode, cause Cause) {
	if s.connected() {
		s.emit(HangUp{Conn: s.conn, Cause: cause})
	}
	s.phase = phaseOver
	s.in, s.out = nil, s.out[:0]
	s.become(state, cause)
	s.failAll(code)
	s.watches = newWatches()
}

// connected tells whether a Dial awaits its Lost.
func (s *Session) connected() bool {
	switch s.phase {
	case phaseDial, phaseHandshake, phaseOpen, phaseGoodbye:
		return true
	}
	return false
}

// check looks at what must hold between two calls.
func (s *Session) check() {
	invariant.Check(s.relative <= s.seen, "watches known beyond the last zxid seen")
	if !invariant.Enabled {
		return
	}
	open := s.phase == phaseOpen || s.phase == phaseGoodbye
	invariant.Check(open || len(s.pending) == 0, "requests sent without a connection")
	invariant.Check(!open || len(s.waiting) == 0, "requests held back on an open connection")
	invariant.Check(s.phase != phaseOver || s.Outstanding() == 0, "unanswered after the end")
	invariant.Check(s.rearming >= 0, "more setWatches answered than sent")
	s.watches.check()
}
