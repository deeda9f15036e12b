package main

import (
	"bytes"
	"fmt"

	"github.com/vivariumdb/vivarium/wire"
)

// rootMark stands in paths for the name of a case's own root, which has the same length: a case
// can be played again on the same servers, below a root that is not there yet.
const rootMark = "@@@@@@@"

// root is the path of a case's root.
const root = "/" + rootMark

// rootName returns the name of the nth root.
func rootName(n int) string { return fmt.Sprintf("c%06d", n%1e6) }

// A Request is one request of a burst.
type Request struct {
	Op   wire.OpCode
	Body []byte // with rootMark in paths
	// Seen chooses the relativeZxid that setWatches names; it stands before Body.
	Seen seen
	// Xid is what the request is sent with; 0 is what a client would send.
	Xid int32
}

// seen chooses a zxid among those that a session was told, counted back from the last; seenNone
// is 0, and seenFuture one that no server has given out.
type seen int

const (
	seenNone   seen = -1
	seenFuture seen = -2
)

// kind is what a step does.
type kind uint8

const (
	burst    kind = iota // send Requests, wait for all replies
	connect              // ask for a new session
	resume               // come back to the session; an open connection is taken over
	drop                 // close the connection, say nothing
	impostor             // ask for the session with a wrong password
	revenant             // ask for a session that was closed
	prophet              // come back with a zxid from the future
)

var kindNames = [...]string{"burst", "connect", "resume", "drop", "impostor", "revenant", "prophet"}

func (k kind) String() string { return kindNames[k] }

// A Step is one thing that one session does while all others wait.
type Step struct {
	Kind     kind
	Session  int
	Requests []Request
	// What a hand-shake says besides.
	TimeoutMs int32
	Seen      seen
	Old       bool // a client of 3.3, which says nothing of read-only servers
	ReadOnly  bool // the client would take a read-only server
}

// A Case is played from its beginning to its end on both servers. Sessions that are left are
// closed at the end.
type Case struct {
	Sessions int
	Steps    []Step
}

// requests counts the requests of the case.
func (c *Case) requests() int {
	n := 0
	for i := range c.Steps {
		n += max(len(c.Steps[i].Requests), 1)
	}
	return n
}

// xidOf returns the xid that a request is sent with: its number, or what names its kind.
func (r *Request) xidOf(next int32) int32 {
	if r.Xid != 0 {
		return r.Xid
	}
	switch r.Op {
	case wire.OpPing:
		return wire.XidPing
	case wire.OpAuth:
		return wire.XidAuth
	case wire.OpSetWatches, wire.OpSetWatches2:
		return wire.XidSetWatches
	}
	return next
}

// appendTo appends the request's frame for one side.
func (r *Request) appendTo(b []byte, xid int32, relative int64, name string) []byte {
	if r.Op == rawOp {
		return append(b, r.Body...)
	}
	b, at := wire.BeginFrame(b)
	header := wire.RequestHeader{Xid: xid, Op: r.Op}
	b = header.AppendTo(b)
	if r.setsWatches() {
		b = wire.AppendLong(b, relative)
	}
	b = append(b, bytes.ReplaceAll(r.Body, []byte(rootMark), []byte(name))...)
	return wire.EndFrame(b, at)
}

func (r *Request) setsWatches() bool {
	return r.Op == wire.OpSetWatches || r.Op == wire.OpSetWatches2
}

// isWrite says whether the request takes a zxid.
func (r *Request) isWrite() bool {
	switch r.Op {
	case wire.OpCreate, wire.OpCreate2, wire.OpCreateContainer, wire.OpCreateTTL, wire.OpDelete,
		wire.OpDeleteContainer, wire.OpSetData, wire.OpSetACL, wire.OpMulti, wire.OpReconfig,
		wire.OpCloseSession:
		return true
	}
	return false
}

// fatal says whether the server ends the connection after its reply, whatever that is.
func (r *Request) fatal() bool {
	switch r.Op {
	case wire.OpCloseSession, wire.OpCheck, wire.OpNotification, unknownOp, rawOp:
		return true
	}
	return false
}

const (
	// unknownOp is an opcode that nobody knows.
	unknownOp wire.OpCode = 99
	// rawOp stands for bytes that are no request: they are sent as they are, and the servers
	// close the connection.
	rawOp wire.OpCode = -99
)
