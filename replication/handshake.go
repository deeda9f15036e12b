package replication

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/internal/invariant"
	"github.com/vivariumdb/vivarium/internal/mutant"
	"github.com/vivariumdb/vivarium/internal/varint"
	"go.etcd.io/raft/v3/raftpb"
)

// Identity is who a member is (DESIGN section 5).
type Identity struct {
	Cluster core.ClusterID // zero: this disk belongs to no ensemble yet
	Server  core.ServerID
	Disk    core.DiskID
	RaftID  core.RaftID // 0: it has not been given one
	Level   uint32      // the highest feature level that its release follows
}

// Empty says whether the disk belongs to no ensemble yet.
func (id *Identity) Empty() bool { return id.Cluster == core.ClusterID{} }

// Mark is how much of a log a disk has for certain: the term that it has promised to serve, and
// its last entry. They are compared in that order, for a new leader may lawfully shorten a log.
type Mark struct {
	Term, Index uint64
}

// Less says whether a disk with m lacks something that one with o has.
func (m Mark) Less(o Mark) bool {
	return m.Term < o.Term || m.Term == o.Term && m.Index < o.Index
}

func (m Mark) String() string { return fmt.Sprintf("%d/%d", m.Term, m.Index) }

// Who is what one end of a handshake knows of itself and of others. Of an empty disk only
// Identity is set.
type Who struct {
	Identity
	// StateLevel is the State's feature level.
	StateLevel uint32
	Membership *core.Membership
	// Settled says that this member votes and will know Membership after a crash, too. Only then
	// it may send home who was removed: until one such voter knows, the others may need the vote
	// of who has left.
	Settled bool
	// Known says what others have acknowledged, as far as this process has heard.
	Known []KnownMark
}

// KnownMark is what a member has acknowledged.
type KnownMark struct {
	ID   core.RaftID
	Mark Mark
}

// Who is what this member says of itself in a handshake. Only the loop may ask.
func (m *Member) Who(self Identity) Who {
	r := &m.replica
	w := Who{Identity: self, StateLevel: r.level, Membership: r.members.now,
		Settled: r.settledMembers()}
	w.RaftID = m.cfg.RaftID
	w.Known = slices.Clone(r.known)
	return w
}

// settledMembers says whether this member votes, and its disk knows of the newest membership that
// it is committed.
func (r *replica) settledMembers() bool {
	m := &r.members
	if m.now == nil || m.at > max(r.certain, r.checkpointed) &&
		!mutant.On("replication-removal-told-early") {
		return false
	}
	e := m.now.Member(r.cfg.RaftID)
	return e != nil && e.Role == core.RoleVoter
}

// LostDisk is a disk that has less than this member has acknowledged, as a peer knows. Its data
// may not be trusted: the driver stops the process, keeps the data aside, and lets the server come
// back with a new disk id.
type LostDisk struct {
	Has, Acknowledged Mark
}

// judgeDisk compares what peers say that this member has acknowledged with what it has, and says
// whether its disk is lost. It is done here, and not where the handshake was, for acknowledgements
// may have gone out since that began; and before anything that peers have sent is taken in, for
// they count on what is lost.
func (r *replica) judgeDisk(turn *Turn, work *Work) bool {
	has := Mark{max(r.log.hard.GetTerm(), r.stable), r.log.last()}
	for _, a := range turn.Applicants {
		if has.Less(a.Acknowledged) && !mutant.On("replication-lost-disk-unnoticed") {
			work.Lost = &LostDisk{has, a.Acknowledged}
		}
	}
	return work.Lost != nil
}

// acknowledged notes what a message shows to be on its sender's disk: the term of one who answers,
// asks for a vote or leads, and what he says to have stored. What a leader sends of its log may not
// be on its disk yet: it tells with its ticks what is.
func (r *replica) acknowledged(m *raftpb.Message) {
	mark := Mark{Term: m.GetTerm()}
	switch m.GetType() {
	case raftpb.MsgVote, raftpb.MsgVoteResp, raftpb.MsgApp, raftpb.MsgHeartbeat:
	case raftpb.MsgAppResp:
		if !m.GetReject() {
			mark.Index = m.GetIndex()
		}
	default:
		return // it may leave before the disk has the term
	}
	r.note(core.RaftID(m.GetFrom()), mark)
}

// note keeps the most that a member has acknowledged.
func (r *replica) note(id core.RaftID, mark Mark) {
	for i := range r.known {
		if k := &r.known[i]; k.ID == id {
			if k.Mark.Less(mark) {
				k.Mark = mark
			}
			return
		}
	}
	if len(r.known) < maxKnown {
		r.known = append(r.known, KnownMark{id, mark})
	}
}

// maxKnown bounds the members, removed ones too, of whom a process keeps what they acknowledged.
const maxKnown = 1024

// Reason says why a handshake ended in vain.
type Reason uint8

// The reasons. The numbers are part of the format.
const (
	ReasonNone     Reason = iota
	ReasonVersion         // the other end speaks another version
	ReasonServer          // it is another server than the one that was called
	ReasonTwin            // it claims the server id of this member
	ReasonCluster         // it belongs to another ensemble
	ReasonIdentity        // the log gave its disk another raft id
	ReasonRemoved         // it was removed from the ensemble
	ReasonLevel           // its release cannot follow the State
	ReasonLost            // its disk has lost what it acknowledged
	ReasonLeaving         // it was removed, but must not end yet
)

var reasonTexts = [...]string{"none", "it speaks another version", "it is another server",
	"it has the same server id", "it belongs to another ensemble",
	"the log gave its disk another identity", "it was removed from the ensemble",
	"its release cannot follow the State's feature level",
	"its disk has lost what it had acknowledged", "it is being removed from the ensemble"}

func (r Reason) String() string {
	if int(r) < len(reasonTexts) {
		return reasonTexts[r]
	}
	return fmt.Sprintf("Reason(%d)", uint8(r))
}

// Refusal is the end of a handshake in vain. Self says that it is this member that was refused:
// one that was removed ends for good, an emptied one whose disk id was in use before takes a new
// one, and with anything else an operator has to help.
type Refusal struct {
	Reason Reason
	Self   bool
	Other  Identity
}

func (e *Refusal) Error() string {
	if e.Self {
		return fmt.Sprintf("handshake: %v refuses this member: %v", e.Other.Server, e.Reason)
	}
	return fmt.Sprintf("handshake: %v is refused: %v", e.Other.Server, e.Reason)
}

// errHandshake is what is no handshake at all.
var errHandshake = errors.New("handshake: malformed")

// Handshake is the first thing that is said on a connection between members, as a machine without
// the connection: both ends say who they are, and then what they think of the other. The driver
// sends what Take gives, feeds what comes, and closes the connection when Feed or Judge returns an
// error, after sending what there is. Once the other end is Heard the driver lets Judge say what
// this one thinks of it. Once Done, the rest belongs to the members' messages, and the driver
// hands the peer to its member as an Applicant, in any case. Handshakes that were begun as an empty
// disk end when it is one no more: nothing that is said to them counts then.
type Handshake struct {
	self   Identity
	called core.ServerID // whom this end has called; -1 if it was called
	out    []byte
	in     []byte
	heard  bool
	judged bool
	done   bool
	peer   Peer
}

// Peer is who is at the other end.
type Peer struct {
	Identity
	// Word is the founder's, if the peer knows it: from it a new member makes its first State.
	Word []byte
	// Self is the raft id that this end has, as far as the peer knows, 0 if it knows of none, and
	// Acknowledged what this end has acknowledged: see Applicant.
	Self         core.RaftID
	Acknowledged Mark
}

const (
	handshakeVersion = 1
	maxHandshake     = 64 << 10
)

// AnyServer is for the end of a connection that was called.
const AnyServer core.ServerID = -1

// NewHandshake begins a handshake. called is the server that this end wants to reach.
func NewHandshake(who Who, called core.ServerID) *Handshake {
	h := &Handshake{self: who.Identity, called: called}
	b := append([]byte{handshakeVersion}, who.Cluster[:]...)
	b = binary.AppendVarint(b, int64(who.Server))
	b = append(b, who.Disk[:]...)
	b = binary.AppendUvarint(b, uint64(who.RaftID))
	b = binary.AppendUvarint(b, uint64(who.Level))
	if who.Membership != nil {
		b = append(b, who.Membership.Founded...)
	}
	h.say(b)
	return h
}

func (h *Handshake) say(b []byte) {
	h.out = append(binary.BigEndian.AppendUint32(h.out, uint32(len(b))), b...)
}

// Take returns what is to be sent.
func (h *Handshake) Take() []byte {
	b := h.out
	h.out = nil
	return b
}

// Heard says whether the other end has said who it is, and waits for what Judge says of it. What
// is fed in the meantime is kept, without a bound: a driver that cannot judge at once reads no
// more from the connection.
func (h *Handshake) Heard() bool { return h.heard && !h.judged }

// Done says whether both ends have accepted each other. Rest may be asked then.
func (h *Handshake) Done() bool { return h.done }

// Peer is who the other end is, as far as it has said.
func (h *Handshake) Peer() Peer { return h.peer }

// Rest is what came behind the handshake.
func (h *Handshake) Rest() []byte { return h.in }

// Feed takes in what has come. An error ends the connection: a *Refusal says who is refused.
func (h *Handshake) Feed(b []byte) error {
	h.in = append(h.in, b...)
	return h.read()
}

// read reads what is whole of what has come, and may be read yet.
func (h *Handshake) read() error {
	for !h.done && !h.Heard() && len(h.in) >= 4 {
		n := int(binary.BigEndian.Uint32(h.in))
		if n > maxHandshake {
			return errHandshake
		}
		if len(h.in) < 4+n {
			return nil
		}
		body := h.in[4 : 4+n]
		h.in = h.in[4+n:]
		var err error
		if !h.heard {
			err = h.takeGreeting(body)
		} else {
			err = h.takeVerdict(body)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// takeGreeting hears who the other end is.
func (h *Handshake) takeGreeting(b []byte) error {
	p := &h.peer
	if len(b) == 0 || b[0] != handshakeVersion {
		return h.refuse(ReasonVersion)
	}
	r := varint.NewReader(b[1:])
	r.Fill(p.Cluster[:])
	p.Server = core.ServerID(r.Varint())
	r.Fill(p.Disk[:])
	p.RaftID = core.RaftID(r.Uvarint())
	p.Level = r.Uint32()
	if r.Bad() || p.Empty() != (p.RaftID == 0) {
		return errHandshake
	}
	p.Word = append([]byte(nil), r.Rest()...)
	h.heard = true
	return nil
}

// Judge says what this end, of which who is true now, thinks of the other, which is Heard. An error
// is a *Refusal. What that end is told of its disk is all that it will be told before it takes part
// again: see the package's comment for what the driver owes with this call.
func (h *Handshake) Judge(who Who) error {
	invariant.Check(h.Heard() && who.Identity == h.self,
		"a handshake is judged once, by who began it")
	h.judged = true
	p := &h.peer
	reason, id := who.judge(&p.Identity, h.called)
	if reason != ReasonNone {
		return h.refuse(reason)
	}
	mark := who.known(p.RaftID)
	v := binary.AppendUvarint([]byte{byte(ReasonNone)}, uint64(id))
	v = binary.AppendUvarint(v, mark.Term)
	h.say(binary.AppendUvarint(v, mark.Index))
	return h.read()
}

func (h *Handshake) refuse(reason Reason) error {
	h.say([]byte{byte(reason), 0, 0, 0})
	return &Refusal{Reason: reason, Other: h.peer.Identity}
}

// takeVerdict hears what the other end thinks of this one.
func (h *Handshake) takeVerdict(b []byte) error {
	r := varint.NewReader(b)
	reason := Reason(r.Byte())
	h.peer.Self = core.RaftID(r.Uvarint())
	h.peer.Acknowledged = Mark{r.Uvarint(), r.Uvarint()}
	if !r.Done() {
		return errHandshake
	}
	if reason != ReasonNone {
		return &Refusal{Reason: reason, Self: true, Other: h.peer.Identity}
	}
	h.done = true
	return nil
}

// judge says what this end thinks of the other, and which raft id that one has.
func (w *Who) judge(p *Identity, called core.ServerID) (Reason, core.RaftID) {
	switch {
	case called != AnyServer && p.Server != called:
		return ReasonServer, 0
	case p.Server == w.Server:
		return ReasonTwin, 0
	case w.Empty():
		return ReasonNone, 0
	case !p.Empty() && p.Cluster != w.Cluster:
		return ReasonCluster, 0
	case p.Level < w.StateLevel:
		return ReasonLevel, 0
	case w.Membership == nil:
		return ReasonNone, p.RaftID
	}
	e := w.Membership.Disk(p.Server, p.Disk)
	switch {
	case e == nil && p.RaftID != 0:
		// Of one that it has not heard of: this end lags behind. But who was removed, or is
		// another disk, is known by its raft id.
		if o := w.Membership.Member(p.RaftID); o != nil {
			return ReasonIdentity, 0
		}
		return ReasonNone, p.RaftID
	case e == nil:
		return ReasonNone, 0 // it asks to be admitted
	case e.Role == core.RoleRemoved && !w.Settled:
		return ReasonLeaving, 0
	case e.Role == core.RoleRemoved:
		return ReasonRemoved, 0
	case p.RaftID != 0 && p.RaftID != e.RaftID:
		return ReasonIdentity, 0
	case p.RaftID == 0 && w.known(e.RaftID) != Mark{} &&
		!mutant.On("replication-empty-disk-old-id"):
		// It has no data, and has said something about data before.
		return ReasonLost, 0
	}
	return ReasonNone, e.RaftID
}

// known is what a member has acknowledged as far as this end knows.
func (w *Who) known(id core.RaftID) Mark {
	for _, k := range w.Known {
		if k.ID == id && id != 0 {
			return k.Mark
		}
	}
	return Mark{}
}
