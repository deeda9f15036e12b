package sim

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/linearizability"
	"github.com/vivariumdb/vivarium/replication"
	"github.com/vivariumdb/vivarium/wire"
)

// shadow is a second State that is given each committed entry exactly once and never sees a disk.
// It follows what the members report command by command: the first to report one defines it. It
// writes the commit lines of the history, and knows the digest that any member must have at any
// index.
type shadow struct {
	w       *World
	state   *core.State
	slots   []slot     // by index
	digests [][16]byte // by index, of the entries applied whole
	prints  []print    // of each command, in the order of the log
	first   []int      // by index, where its commands begin in prints
	out     core.Outcome
	by      *host // whose report is followed
	// timeouts are those of the sessions, in milliseconds, and attached when that was said last;
	// stamp is that of the last entry, which was decided at stampedAt.
	timeouts         map[core.SessionID]int32
	attached         map[core.SessionID]int64
	fewest           int // voters that there ever were
	stamp, stampedAt int64
	finds            finds
	recent           [64][]byte // what the last entries held
	members          *core.Membership
	changed          uint64 // the index of the entry that made them what they are
	enforced         uint64 // that of the last one that ended a change of the configuration

	// The entry that is begun.
	begun   bool
	index   uint64
	from    *seen
	entry   core.Entry
	batch   int
	command int
	place   int // commands of it that were applied
}

// followed is how far a member's process has reported.
type followed struct {
	index uint64 // of the last entry applied whole
	at    uint64 // of the last command
	pos   int    // and its place there
}

// print is what of a commit must not change when it is applied again.
type print struct {
	kind       core.CommandKind
	skipped    bool
	err        wire.ErrorCode
	attach     core.AttachResult
	session    core.SessionID
	generation core.Generation
	zxid       core.Zxid
	xid        int32
}

func printOf(out *core.Outcome) print {
	return print{out.Kind, out.Skipped, out.Err, out.Attach, out.Session, out.Generation, out.Zxid,
		out.Xid}
}

func newShadow(w *World) *shadow {
	s := &shadow{w: w, timeouts: map[core.SessionID]int32{},
		attached: map[core.SessionID]int64{}}
	if !w.asks() {
		s.found(w.founding())
	}
	return s
}

// found begins with the State that the ensemble begins with.
func (s *shadow) found(state *core.State) {
	s.state, s.members, s.changed = state, state.Membership(), state.Index()
	s.voters()
	s.digests = append(s.digests, [16]byte{}, s.state.Digest()) // the founding index is 1
	s.first = append(s.first, 0, 0)
	s.slots = append(s.slots, slot{}, slot{committed: true, term: s.state.Term()})
	s.other(replication.FoundingIndex, s.state.Term())
}

// other writes the line of an entry without commands.
func (s *shadow) other(index, term uint64) {
	l := linearizability.Line{At: s.w.clock.now, Server: 1, Kind: linearizability.KindCommit,
		Commit: &linearizability.Commit{Kind: linearizability.CommitOther, Index: index,
			Term: term, StampMs: s.state.Clock()}}
	if s.by != nil {
		l.Server = s.by.id
	}
	s.w.history.Add(l)
}

// follow applies what a member has applied, and holds the outcomes against each other.
func (s *shadow) follow(h *host, r *replication.Report) {
	s.by = h
	for i := range r.Commits {
		s.commit(h, &r.Commits[i])
	}
	for s.state.Index() < r.Applied.Index {
		if !s.begun && !s.begin(h) {
			return
		}
		if s.step() {
			s.w.violate("shadow", fmt.Sprintf("index %d has a command that was not reported",
				s.index))
		}
	}
	for ; h.seen.index < r.Applied.Index; h.seen.index++ {
		index := h.seen.index + 1
		have, want := h.log.term(index), s.slots[index].term
		if have != want && index > h.log.base {
			s.w.violate("shadow", fmt.Sprintf("host %d applies index %d of term %d, "+
				"others that of term %d", h.id, index, have, want))
			return
		}
	}
	if r.Applied.Index > 0 && !r.More {
		s.compare(h, "running", h.member.Local.State)
	}
}

// commit follows one command that a member has applied.
func (s *shadow) commit(h *host, c *replication.Commit) {
	if c.Index == h.seen.at {
		h.seen.pos++
	} else {
		h.seen.at, h.seen.pos = c.Index, 0
	}
	pos := h.seen.pos
	for s.state.Index() < c.Index {
		if !s.begun && !s.begin(h) {
			return
		}
		if s.index == c.Index && pos < s.place {
			break // it was applied by a process that ended in the midst of the entry
		}
		if stepped := s.step(); stepped != (s.index == c.Index) {
			s.w.violate("shadow", fmt.Sprintf("host %d has reported index %d, place %d, "+
				"the shadow is at index %d, place %d", h.id, c.Index, pos, s.index, s.place))
			return
		}
	}
	at, end := s.first[c.Index]+pos, len(s.prints)
	if c.Index+1 < uint64(len(s.first)) {
		end = s.first[c.Index+1]
	}
	if at >= end {
		s.w.violate("shadow", fmt.Sprintf("index %d has no place %d, which host %d has reported",
			c.Index, pos, h.id))
		return
	}
	if have, want := printOf(&c.Outcome), s.prints[at]; have != want {
		s.w.violate("shadow", fmt.Sprintf("index %d, place %d: the outcome of host %d is %+v, "+
			"the shadow's %+v", c.Index, pos, h.id, have, want))
	}
}

// begin starts the next entry: the one that a member which applies it has in its log.
func (s *shadow) begin(h *host) bool {
	s.index = s.state.Index() + 1
	term := h.log.term(s.index)
	e := s.choose(h, s.index, term)
	if e == nil {
		s.w.violate("shadow", fmt.Sprintf("host %d has applied index %d of term %d, "+
			"which was never given to a log", h.id, s.index, term))
		return false
	}
	if err := s.state.Begin(s.index, e.term, e.data); err != nil {
		s.w.violate("shadow", err.Error())
		return false
	}
	s.entry, s.from = core.Entry{}, e
	s.recent[s.index%uint64(len(s.recent))] = e.data
	if len(e.data) > 0 {
		s.entry, _ = core.DecodeEntry(e.data) // Begin has judged it
		s.judgeStamp()
		s.judgeGrowth(&s.entry)
	}
	s.begun, s.batch, s.command, s.place = true, 0, 0, 0
	s.first = append(s.first, len(s.prints))
	s.w.count.add(countEntries)
	return true
}

// step applies the next command of the entry that is begun. It is false if there was none: then
// the entry is done.
func (s *shadow) step() bool {
	for s.batch < len(s.entry.Batches) &&
		s.command == len(s.entry.Batches[s.batch].Commands) {
		s.batch, s.command = s.batch+1, 0
	}
	var self core.Origin
	if s.batch < len(s.entry.Batches) {
		self = s.entry.Batches[s.batch].Origin // so that each outcome has its reply
	}
	reaped := s.reaped()
	if !s.state.Next(self, &s.out) {
		s.finish()
		return false
	}
	s.judgeReap(reaped)
	batch := &s.entry.Batches[s.batch]
	s.prints = append(s.prints, printOf(&s.out))
	for _, f := range s.out.Facts {
		if f.Kind == core.FactSessionStarted || f.Kind == core.FactSessionAttached {
			s.timeouts[f.Session], s.attached[f.Session] = f.TimeoutMs, s.w.clock.now
		}
	}
	s.line(batch, &batch.Commands[s.command])
	s.w.abstract.committed(s.index, s.place, batch, &batch.Commands[s.command], &s.out)
	s.command++
	s.place++
	return true
}

func (s *shadow) finish() {
	w := s.w
	if s.place == 0 {
		s.other(s.index, s.state.Term())
	}
	s.begun = false
	if m := s.state.Membership(); m != s.members {
		s.judgeServers(m)
		s.members, s.changed = m, s.index
		s.voters()
	}
	digest := s.state.Digest()
	s.digests = append(s.digests, digest)
	if s.index%100 == 0 {
		w.trace.add(w.clock.now, traceDigest, int64(s.index), digest[:])
	}
}

// line writes the commit line of the command that was just applied.
func (s *shadow) line(batch *core.Batch, c *core.Command) {
	w, out := s.w, &s.out
	w.count.add(countCommits)
	k := &linearizability.Commit{Kind: linearizability.CommitOther, Index: s.index,
		Pos: int32(s.place), Term: s.state.Term(), StampMs: s.entry.StampMs,
		Stream: streamOf(batch.Origin), Seq: out.Seq,
		Origin: uint64(batch.Origin.RaftID), Skipped: out.Skipped}
	l := linearizability.Line{At: w.clock.now, Server: s.by.id, Kind: linearizability.KindCommit,
		Session: int64(c.Session), Zxid: int64(out.Zxid), Commit: k}
	if out.Skipped {
		w.count.add(countSkipped)
		w.trace.add(w.clock.now, traceCommit, int64(s.index), []byte(out.Reason.String()))
	}
	if k.Stream != 0 && out.Seq != 0 {
		k.Turn = turnOf(out)
	}
	k.DecidedAt = s.from.decided
	switch c.Kind {
	case core.KindCreateSession, core.KindAttach:
		s.handshakeLine(&l, c)
	case core.KindRequest:
		s.requestLine(&l, batch, c)
	case core.KindAuth:
		k.Kind, k.Generation = linearizability.CommitAuth, uint64(c.Generation)
		k.Identities = identities(c.Identities)
		l.Xid = c.Xid
	case core.KindExpire:
		k.Kind, k.Generation = linearizability.CommitExpire, uint64(c.Generation)
		if !out.Skipped {
			w.count.add(countSessionsExpired)
			s.judgeExpiry(c)
			s.judgeSilence(c)
			s.judgeOutlived(c)
			l.Result = s.ended()
		}
	case core.KindAim:
		if !out.Skipped {
			k.Kind, k.Pending = linearizability.CommitConfig, true
			l.Request = &linearizability.Request{Op: linearizability.OpReconfig,
				Data: configText(c.Member.Servers)}
		}
	case core.KindConfigure, core.KindGiveUp:
		if out.Zxid != 0 {
			s.configLine(&l)
		}
	case core.KindReap:
		k.Kind = linearizability.CommitReap
		l.Path = string([]byte(c.Path))
		if !out.Skipped {
			w.count.add(countReaped)
		}
	}
	if l.Result == nil {
		l.Result = &linearizability.Result{Err: linearizability.Code(out.Err)}
	}
	w.history.Add(l)
	w.lineBuf = w.history.Lines[len(w.history.Lines)-1].AppendTo(w.lineBuf[:0])
	w.trace.add(w.clock.now, traceCommit, int64(s.index), w.lineBuf)
}

// configLine fills in the line of the end of a change of the configuration.
func (s *shadow) configLine(l *linearizability.Line) {
	s.w.count.add(countReconfigured)
	l.Commit.Kind = linearizability.CommitConfig
	l.Session, l.Xid = int64(s.out.Late.Session), s.out.Late.Xid
	if s.out.Err != wire.CodeOk {
		s.w.count.add(countGivenUp)
		return
	}
	m := s.state.Membership()
	s.enforced = s.index
	l.Request = &linearizability.Request{Op: linearizability.OpReconfig,
		Data: fmt.Appendf(configText(m.Servers), "version=%x", uint64(m.Version))}
}

func configText(servers []core.Server) (text []byte) {
	for i := range servers {
		text = fmt.Appendf(text, "%v=%s\n", servers[i].ID, servers[i].Text())
	}
	return text
}

// turnOf says whether a command's place in its stream was the next one.
func turnOf(out *core.Outcome) string {
	switch {
	case !out.Skipped:
		return linearizability.TurnTaken
	case out.Reason == core.ReasonDuplicate, out.Reason == core.ReasonGap,
		out.Reason == core.ReasonRegistration:
		return linearizability.TurnRefused
	}
	return linearizability.TurnTaken
}

// judgeExpiry: a session whose connection the server does not read, for reasons of its own, is
// alive as long as that connection is. It is touched at each tick, so that it cannot be found
// silent a few ticks later. (What a leader decides itself, it decides in the very turn that
// proposes it.) Of connections to others than the leader it may lawfully know nothing.
func (s *shadow) judgeExpiry(c *core.Command) {
	since, ok := s.from.host.unread(c.Session)
	if unread := s.from.decided - since; ok && unread > 200*millisecond {
		s.w.violate("sessions", fmt.Sprintf("%v expires, whose connection has not been read for "+
			"%d ms", c.Session, unread/millisecond))
	}
}

func (s *shadow) handshakeLine(l *linearizability.Line, c *core.Command) {
	out, k := &s.out, l.Commit
	k.TimeoutMs, k.LastZxidSeen = c.TimeoutMs, int64(c.LastZxidSeen)
	k.Secret = hex.EncodeToString(c.PasswordHash[:8])
	k.Identities = identities(c.Identities)
	k.Generation = uint64(out.Generation)
	code := linearizability.CodeOk
	if out.Attach != core.AttachOK {
		code = linearizability.CodeSessionExpired
	}
	l.Result = &linearizability.Result{Err: code}
	if c.Kind == core.KindAttach {
		k.Kind = linearizability.CommitAttach
		if code == linearizability.CodeOk {
			s.w.count.add(countSessionsResumed)
		} else {
			s.w.count.add(countSessionsRefused)
			s.w.trace.add(s.w.clock.now, traceCommit, int64(s.index), []byte(out.Attach.String()))
		}
		return
	}
	k.Kind = linearizability.CommitCreateSession
	l.Session = int64(out.Session)
	s.w.count.add(countSessionsCreated)
}

func (s *shadow) requestLine(l *linearizability.Line, batch *core.Batch, c *core.Command) {
	out, k := &s.out, l.Commit
	k.Kind, k.Generation = linearizability.CommitRequest, uint64(c.Generation)
	k.SkipACL, k.EnforceQuota = c.Flags.SkipACL, c.Flags.EnforceQuota
	k.ExtendedTypes, k.NoGrowth = c.Flags.ExtendedTypes, s.entry.NoGrowth
	l.Xid = c.Xid
	l.Request = requestOf(c.Op, c.Body)
	k.Pending = out.Pending
	if out.Skipped {
		return
	}
	s.judgeFlags(batch, c)
	if c.Op == wire.OpCloseSession {
		k.Kind = linearizability.CommitClose
		s.w.count.add(countSessionsClosed)
		l.Result = s.ended()
		return
	}
	l.Result = resultOf(c.Op, out.Err, bytes.Clone(out.Body))
	if l.Request != nil && l.Result != nil &&
		strings.HasPrefix(strings.TrimPrefix(l.Result.Path, l.Request.Path), "-") {
		s.w.count.add(countSequenceOver)
	}
}

// ended is the result of the end of a session: the ephemerals that went with it.
func (s *shadow) ended() *linearizability.Result {
	res := &linearizability.Result{Children: []string{}}
	for _, change := range s.out.Changes {
		if change.Type == wire.EventNodeDeleted {
			res.Children = append(res.Children, string([]byte(change.Path)))
		}
	}
	return res
}

// compare holds a State that stands between two entries against the shadow's of that index.
func (s *shadow) compare(h *host, source string, member *core.State) {
	index := member.Index()
	if index >= uint64(len(s.digests)) {
		s.w.violate("shadow", fmt.Sprintf("the %s state of host %d is at index %d, only %d was "+
			"applied", source, h.id, index, len(s.digests)-1))
		return
	}
	if have, want := member.Digest(), s.digests[index]; have != want {
		what := "others have gone on, so that nobody can say in what it differs"
		if index == s.state.Index() && !s.begun {
			what = difference(member, s.state)
		}
		s.w.violate("digest", fmt.Sprintf("the %s state of host %d at index %d has digest %x, "+
			"want %x: %s", source, h.id, index, have, want, what))
	}
	if index == s.state.Index() && !s.begun {
		if have, want := sizesOf(member), sizesOf(s.state); have != want {
			s.w.violate("shadow", fmt.Sprintf("the %s state of host %d at index %d has %+v, "+
				"want %+v", source, h.id, index, have, want))
		}
	}
}

// sizes are the counts that a State keeps beside what it counts.
type sizes struct {
	nodes, ephemerals, containers, ttls, acls, sessions int
	data, clock                                         int64
	zxid                                                core.Zxid
	level                                               uint32
}

func sizesOf(s *core.State) sizes {
	return sizes{s.NodeCount(), s.EphemeralCount(), s.ContainerCount(), s.TTLCount(), s.ACLCount(),
		s.SessionCount(), s.DataSize(), s.Clock(), s.LastZxid(), s.FeatureLevel()}
}

// The places that digests come from.
const (
	sourceRunning = linearizability.SourceRunning
	sourceLoaded  = linearizability.SourceLoaded
)

// froze notes a checkpoint that a member has captured.
func (s *shadow) froze(h *host, c *replication.Checkpoint) {
	if c.Index < uint64(len(s.digests)) && c.Digest != s.digests[c.Index] {
		s.w.violate("digest", fmt.Sprintf("the checkpoint of host %d at index %d has digest %x, "+
			"want %x", h.id, c.Index, c.Digest, s.digests[c.Index]))
	}
	s.digestLine(h, c.Index, c.Digest, sourceRunning)
}

func (s *shadow) digestLine(h *host, index uint64, digest [16]byte, source string) {
	s.w.history.Add(linearizability.Line{At: s.w.clock.now, Kind: linearizability.KindDigest,
		Server: h.id, Index: index, Digest: hex.EncodeToString(digest[:]), Text: source})
}

func identities(ids []wire.ID) []linearizability.ID {
	out := make([]linearizability.ID, 0, len(ids))
	for _, id := range ids {
		out = append(out, linearizability.ID{Scheme: clone(id.Scheme), ID: clone(id.ID)})
	}
	return out
}

func clone(s string) string { return string([]byte(s)) }

// streamOf is a number for a stream: processes that have registered with one entry share their
// registration.
func streamOf(o core.Origin) uint64 {
	if o.Registration == 0 {
		return 0 // a hello, or housekeeping
	}
	return uint64(o.Registration)<<8 | uint64(o.RaftID)
}
