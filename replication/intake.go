package replication

import (
	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/internal/mutant"
)

// intake is what a leader has taken in of its peers' streams and not yet proposed.
//
// It accepts commands only when the State holds everything of former terms: then what is
// applied, and what it has proposed itself since, is all that the log can hold of a stream
// (DESIGN section 4). Until then early keeps them, for they come with the first word of a new
// leader's followers. Who finds no room, or leaves a gap, is told where to go on; a stream that
// waits for that word is refused.
//
// Exactly once does not rest on this: apply guarantees it. This is liveness and economy.
type intake struct {
	sources []source
	queue   []held // accepted, in the order of arrival
	early   []held // came before this leader may accept
	hellos  []hello
	heard   []core.SessionID // whose commands were accepted since it was asked
	bytes   int              // in queue and early
	term    uint64           // in which this leader accepts; another than raft's: not yet
}

// source is a peer's stream.
//
// Invariant: while the leader accepts, next is the seq behind everything of registration that
// is applied or that this leader has taken in; applied < next.
type source struct {
	id           core.RaftID
	registration core.Registration // the current one, as of what is applied here
	applied      uint64
	next         uint64
	bytes        int               // in queue and early
	refused      bool              // is to be told when and where to go on,
	ahead        core.Registration // once this one is applied here
	told         bool              // of a gap before next
	hello        hello
	helloTerm    uint64 // the term in which that hello was proposed
}

// held is a batch that waits.
type held struct {
	source       int
	registration core.Registration
	seq, count   uint64
	commands     []byte
}

type hello struct {
	id       core.RaftID
	nonce    [16]byte
	replaces core.Registration
}

func (in *intake) source(id core.RaftID) int {
	for i := range in.sources {
		if in.sources[i].id == id {
			return i
		}
	}
	return -1
}

// reset forgets everything that depends on the term.
func (in *intake) reset() {
	in.queue, in.early, in.hellos, in.bytes, in.term = nil, nil, nil, 0, 0
	in.heard = in.heard[:0]
	for i := range in.sources {
		s := &in.sources[i]
		s.bytes, s.refused, s.told, s.ahead = 0, false, false, 0
	}
}

// position takes in where a stream stands.
func (in *intake) position(p *core.StreamInfo) {
	i := in.source(p.Origin.RaftID)
	if i < 0 {
		return
	}
	s := &in.sources[i]
	if p.Origin.Registration != s.registration {
		s.registration, s.next, s.told = p.Origin.Registration, 1, false
	}
	s.applied = p.Seq
	s.next = max(s.next, s.applied+1)
}

// begin lets a leader accept: everything of former terms is applied.
func (in *intake) begin(term uint64) {
	in.term = term
	for i := range in.sources {
		in.sources[i].next = in.sources[i].applied + 1
	}
	early := in.early
	in.early = nil
	for _, h := range early {
		in.forget(&h)
	}
	for _, h := range early {
		in.accept(h)
	}
}

func (in *intake) forget(h *held) {
	in.bytes -= len(h.commands)
	in.sources[h.source].bytes -= len(h.commands)
}

// take takes in a batch, or what is new in it. most bounds the bytes that wait in all; a
// stream has an equal share of it, but one batch always.
func (in *intake) take(h held, term uint64, most int) {
	s := &in.sources[h.source]
	switch {
	case s.refused || s.bytes > 0 && s.bytes+len(h.commands) > in.share(most):
		s.refused = true
	case in.term == term || mutant.On("stream-early-batch-accepted"):
		in.accept(h)
	default:
		in.early = append(in.early, h)
		in.bytes += len(h.commands)
		s.bytes += len(h.commands)
	}
}

// share is what a stream may have of most bytes: one batch is always less than that.
func (in *intake) share(most int) int { return max(1, most/(len(in.sources)+1)) }

func (in *intake) accept(h held) {
	s := &in.sources[h.source]
	if h.registration < s.registration && mutant.On("stream-stale-registration") ||
		h.seq > s.next && (mutant.On("stream-gap-applied") ||
			s.next == 1 && mutant.On("stream-gap-at-start")) {
		in.queue = append(in.queue, h)
		in.bytes += len(h.commands)
		s.bytes += len(h.commands)
		return
	}
	switch {
	case h.registration > s.registration:
		s.refused, s.ahead = true, h.registration // it will be applied here, too
		return
	case h.registration < s.registration || h.seq+h.count <= s.next:
		return // of a dead process, or sent again
	case h.seq > s.next:
		s.refused, s.told = s.refused || !s.told, true
		return
	}
	if skip := s.next - h.seq; skip > 0 {
		h.commands = core.CutCommands(h.commands, skip)
		h.seq, h.count = h.seq+skip, h.count-skip
	}
	if !mutant.On("replication-proposed-forgotten") {
		s.next = h.seq + h.count
	}
	s.told = false
	if !mutant.On("replication-commands-no-life") {
		in.heard = core.AppendSpeakers(in.heard, h.commands)
	}
	in.queue = append(in.queue, h)
	in.bytes += len(h.commands)
	s.bytes += len(h.commands)
}

// speakers says whose commands were accepted, once: each is a sign of life, and the tick that would
// tell of it may be lost.
func (in *intake) speakers() []core.SessionID {
	ids := in.heard
	in.heard = in.heard[:0]
	return ids
}

// proposed takes the first n batches off the queue.
func (in *intake) proposed(n int) {
	for i := range in.queue[:n] {
		in.forget(&in.queue[i])
	}
	left := copy(in.queue, in.queue[n:])
	clear(in.queue[left:])
	in.queue = in.queue[:left]
}

// invite appends a word to each peer that was refused and may go on now.
func (in *intake) invite(term uint64, most int, send func(core.RaftID, *peerMessage)) {
	if in.term != term {
		return
	}
	for i := range in.sources {
		s := &in.sources[i]
		if s.refused && s.registration >= s.ahead && s.bytes <= in.share(most)/2 {
			s.refused = false
			send(s.id, &peerMessage{kind: peerDropped, registration: s.registration, seq: s.next})
		}
	}
}

// takeHello takes in the wish of a process to be registered, unless it lies in the log already
// or is out of date.
func (in *intake) takeHello(i int, h hello, term uint64) {
	s := &in.sources[i]
	switch {
	case in.term != term || h.replaces > s.registration:
		s.refused, s.ahead = true, max(s.ahead, h.replaces)
	case h.replaces < s.registration && !mutant.On("stream-delayed-hello-accepted") ||
		s.helloTerm == term && s.hello == h:
	default:
		s.hello, s.helloTerm = h, term
		in.hellos = append(in.hellos, h)
	}
}
