package core

import (
	"encoding/binary"

	"github.com/vivariumdb/vivarium/wire"
)

// mutation is what the known bugs of ordered delivery need to go wrong with. It is empty
// unless a mutant is on (package mutant); the simulator's single goroutine is the only one
// that ever uses it.
type mutation struct {
	reads   []*Conn      // to be answered at the end of the batch
	headers []lateHeader // to get the zxid of the end of the batch
	watches []lateWatch  // to be armed after the next command
	armed   int          // of watches, how many were there before the last command
}

type lateHeader struct {
	conn *Conn
	at   int // of the zxid in conn.out
}

type lateWatch struct {
	conn  *Conn
	path  string
	modes watchModes
}

// endMutation does at the end of a batch what should have been done in it.
func (l *Local) endMutation() {
	m := &l.mutation
	for _, c := range m.reads {
		if c.phase != phaseOver {
			c.advance(l)
		}
	}
	for _, h := range m.headers {
		if h.at+8 <= len(h.conn.out) {
			binary.BigEndian.PutUint64(h.conn.out[h.at:], uint64(l.State.LastZxid()))
		}
	}
	m.reads, m.headers = m.reads[:0], m.headers[:0]
}

// armLate arms the watches of reads one command too late.
func (l *Local) armLate() {
	m := &l.mutation
	for _, w := range m.watches[:m.armed] {
		if w.conn.phase != phaseOver {
			l.Watches.add(w.conn, w.path, w.modes)
		}
	}
	m.watches = append(m.watches[:0], m.watches[m.armed:]...)
	m.armed = len(m.watches)
}

// prepare answers too early and sends the answer in its turn: a known bug, for the mutants.
func (c *Conn) prepare(l *Local, q wire.RequestHeader, body []byte, now int64) {
	out := c.out
	c.out = nil
	c.answer(l, q.Xid, q.Op, body)
	reply := c.out
	c.out = out
	c.enqueue(item{kind: itemReply, op: q.Op, xid: q.Xid, at: now}, reply)
}
