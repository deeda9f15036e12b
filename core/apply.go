package core

import (
	"fmt"

	"github.com/vivariumdb/vivarium/internal/invariant"
	"github.com/vivariumdb/vivarium/internal/mutant"
	"github.com/vivariumdb/vivarium/internal/varint"
	"github.com/vivariumdb/vivarium/wire"
)

// Reason says why a command changed nothing.
type Reason uint8

// The reasons to skip a command.
const (
	ReasonNone         Reason = iota
	ReasonDuplicate           // its stream had it before
	ReasonGap                 // its batch does not continue the stream
	ReasonRegistration        // its stream's registration is not the current one
	ReasonHello               // the registration that a hello replaces is not the current one
	ReasonTerm                // housekeeping decided in another term
	ReasonSession             // the session does not exist (any more)
	ReasonOwner               // another member owns the session
	ReasonGeneration          // the session has been attached to another connection since
	ReasonNotReapable         // the znode is gone, another one, or in use
	ReasonRemoved             // its member was removed, or never was one
	ReasonStandalone          // a server of its own has no members
	ReasonAdmitted            // the disk has its raft id, or gets none
	ReasonTarget              // the target has come to its end before
	ReasonLevel               // the feature level is there, or a member cannot follow
)

var reasonNames = [...]string{"", "duplicate", "gap", "registration", "hello", "term", "session",
	"owner", "generation", "not reapable", "removed", "standalone", "admitted", "target", "level"}

func (r Reason) String() string {
	if int(r) < len(reasonNames) {
		return reasonNames[r]
	}
	return fmt.Sprintf("Reason(%d)", uint8(r))
}

// AttachResult is what became of an attach, or of the creation of a session.
type AttachResult uint8

// The results of an attach.
const (
	AttachOK      AttachResult = iota
	AttachExpired              // there is no such session, or its password is another
	AttachFuture               // the client has seen writes that are not in this State
)

func (a AttachResult) String() string {
	switch a {
	case AttachOK:
		return "ok"
	case AttachExpired:
		return "expired"
	case AttachFuture:
		return "future"
	}
	return fmt.Sprintf("AttachResult(%d)", uint8(a))
}

// FactKind says what a Fact is about.
type FactKind uint8

// The kinds of facts.
const (
	FactRegistered      FactKind = 1 + iota // a hello was accepted
	FactSessionStarted                      // Session, Generation, TimeoutMs
	FactSessionAttached                     // Session, Generation, TimeoutMs
	FactSessionEnded                        // Session, Generation
	FactQuotaExceeded                       // Path has more than its soft quota allows
	FactMembership                          // it is another; RaftID is new, if set
)

// Fact tells the replica's loop, which never looks into State, what has changed in it.
type Fact struct {
	Kind         FactKind
	Session      SessionID
	Generation   Generation
	TimeoutMs    int32
	RaftID       RaftID
	Registration Registration
	Nonce        [16]byte
	Path         string // valid until the next call
}

// Change is one event, before anybody's watch is looked at. acl is the list by which READ
// filters its delivery: the znode's own, for EventNodeChildrenChanged the parent's.
type Change struct {
	Type wire.EventType
	Path string // valid until the next call
	Zxid Zxid
	acl  *aclList
}

// Outcome is what one command did. Slices and strings are valid until the next call of Next or
// Begin.
type Outcome struct {
	Kind   CommandKind
	Origin Origin // of a hello that was accepted: with its new registration
	Seq    uint64
	Own    bool // Origin is self and the command was not skipped
	// Skipped says that the command changed nothing and has no outcome, for Reason.
	Skipped bool
	Reason  Reason

	Session    SessionID
	Generation Generation
	Xid        int32
	Op         wire.OpCode
	Zxid       Zxid // 0 if it took none
	Err        wire.ErrorCode
	// Failed is the error of the operation that made a multi fail. Err stays 0 then: the
	// errors are in the body.
	Failed wire.ErrorCode
	Attach AttachResult
	// Pending says that a reconfig has begun: its outcome comes later, with Late.
	Pending bool
	// Late is whose reconfig has come to its end, with Zxid, Err and Body. Zero is nobody's.
	Late Waiter

	Body    []byte // of the reply; only if Own, or Late is, and Err is CodeOk
	Changes []Change
	Facts   []Fact
}

func (o *Outcome) skip(r Reason) { o.Skipped, o.Reason, o.Own = true, r, false }

// cursor is the place in the entry that was begun.
type cursor struct {
	active bool
	index  uint64
	term   uint64
	in     decoder
	batch  batchHeader
	done   uint64 // commands of batch behind us
	frugal bool   // nothing may make the State grow
	reason Reason // why all of batch is ignored
}

// Begin starts an entry of the log. Entries come in the order of the log, each once; what raft
// keeps for itself has no data. An error means that the entry cannot be decoded, and nothing
// has changed; since it is committed, the caller cannot go on.
//
// data must stay as it is until Next has returned false.
func (s *State) Begin(index, term uint64, data []byte) error {
	invariant.Check(!s.cursor.active, "an entry begun before the last was finished")
	invariant.Check(index > s.index, "an entry applied twice")
	invariant.Check(term >= s.term, "a term that falls")
	if len(data) > 0 {
		if err := validate(data, &s.work.command, s.level, s.follows); err != nil {
			return fmt.Errorf("apply entry %d: %w", index, err)
		}
	}
	s.cursor = cursor{active: true, index: index, term: term}
	s.term = term
	if len(data) > 0 {
		s.cursor.in = decoder{varint.NewReader(data)}
		stamp, frugal, err := s.cursor.in.header()
		invariant.Check(err == nil, "an entry that was validated has no header")
		s.clock, s.cursor.frugal = max(s.clock, stamp), frugal
	}
	return nil
}

// Next applies one command of the entry begun and tells what it did. It returns false, and
// leaves out alone, when there is none left: then the entry is applied, and Index says so.
func (s *State) Next(self Origin, out *Outcome) bool {
	k := &s.cursor
	invariant.Check(k.active, "Next without Begin")
	if k.done == k.batch.count {
		if k.in.Len() == 0 {
			s.finish()
			return false
		}
		h, err := k.in.batch()
		invariant.Check(err == nil, "a batch that was validated cannot be decoded")
		k.batch, k.done = h, 0
		k.reason = s.judgeBatch(&h)
	}
	c := &s.work.command
	err := k.in.command(&k.batch, c)
	invariant.Check(err == nil, "a command that was validated cannot be decoded")
	w := &s.work
	w.body, w.changes, w.facts, w.paths = w.body[:0], w.changes[:0], w.facts[:0], w.paths[:0]
	*out = Outcome{Kind: c.Kind, Origin: k.batch.origin, Session: c.Session,
		Generation: c.Generation, Xid: c.Xid, Op: c.Op}
	if !k.batch.housekeeping() && !k.batch.hello() {
		out.Seq = k.batch.firstSeq + k.done
		out.Own = k.batch.origin == self
	}
	k.done++
	if mutant.Enabled {
		s.planted.self = self.RaftID
	}
	s.command(c, out)
	out.Changes, out.Facts = w.changes, w.facts
	if (out.Own || out.Late.Origin == self && self != Origin{}) && out.Err == wire.CodeOk &&
		len(w.body) > 0 {
		out.Body = w.body
	}
	return true
}

// finish closes the entry.
func (s *State) finish() {
	s.index = s.cursor.index
	s.cursor = cursor{}
	s.work.trim()
	if invariant.Enabled && s.index%128 == 0 {
		invariant.Check(s.Digest() == s.digestFromScratch(), "the digest is not that of the State")
	}
}

// trim lets go of the entry's memory, and of what one huge command has made grow.
func (w *workspace) trim() {
	clear(w.command.Identities)
	clear(w.op.Create.ACL)
	clear(w.setACL.ACL)
	clear(w.acl)
	w.command = Command{Identities: w.command.Identities[:0]}
	w.op = wire.MultiOp{Create: wire.CreateTTLRequest{ACL: w.op.Create.ACL[:0]}}
	w.setACL = wire.SetACLRequest{ACL: w.setACL.ACL[:0]}
	const most = 64 << 10
	if cap(w.body) > most {
		w.body = nil
	}
	if cap(w.paths) > most {
		w.paths = nil
	}
	if cap(w.item) > most {
		w.item, w.itemOf = nil, nil
	}
	if cap(w.changes) > most/32 {
		w.changes = nil
	}
	if cap(w.undo) > most/128 {
		w.undo = nil
	}
	if cap(w.multi.Ops) > most/128 {
		w.multi.Ops = nil
	}
}

// command applies c, or skips it.
func (s *State) command(c *Command, out *Outcome) {
	k := &s.cursor
	if k.reason != ReasonNone {
		out.skip(k.reason)
		return
	}
	if out.Seq != 0 {
		st := s.streams[out.Origin.RaftID]
		if out.Seq <= st.seq {
			out.skip(ReasonDuplicate)
			return
		}
		st.seq = out.Seq
	}
	switch c.Kind {
	case KindHello:
		s.hello(c, out)
	case KindCreateSession:
		s.createSession(c, out)
	case KindAttach:
		s.attach(c, out)
	case KindRequest:
		s.request(c, out)
	case KindAuth:
		s.auth(c, out)
	case KindExpire:
		s.expire(c, out)
	case KindReap:
		s.reap(c, out)
	case KindAdmit:
		s.admit(c.Member, out)
	case KindConfigure:
		s.configure(c.Member, out)
	case KindGiveUp:
		s.giveUp(c.Member, out)
	case KindRaise:
		s.raise(c.Member, out)
	case KindAim:
		s.aim(c.Member, out)
	default:
		invariant.Unreachable("command of kind %d passed the decoder", c.Kind)
	}
}

func (s *State) fact(f Fact) { s.work.facts = append(s.work.facts, f) }

// event notes that something is to be told to those who watch path. path must live as long as
// the outcome.
func (s *State) event(t wire.EventType, path string, zxid Zxid, acl *aclList) {
	s.work.changes = append(s.work.changes, Change{Type: t, Path: path, Zxid: zxid, acl: acl})
}

// keepPath returns the node's path in memory that lives as long as the outcome.
func (s *State) keepPath(n *node) string {
	w := &s.work
	at := len(w.paths)
	w.paths = n.appendPath(w.paths)
	return viewOf(w.paths[at:])
}
