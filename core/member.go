package core

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/vivariumdb/vivarium/internal/invariant"
	"github.com/vivariumdb/vivarium/internal/mutant"
	"github.com/vivariumdb/vivarium/internal/varint"
	"github.com/vivariumdb/vivarium/wire"
)

// ClusterID names an ensemble from its founding on: 16 unpredictable bytes.
type ClusterID [16]byte

// DiskID names a data directory: 16 unpredictable bytes, durable before its member's first word.
type DiskID [16]byte

// Role is what a member is to raft.
type Role uint8

// The roles of a member. The numbers are part of the format.
const (
	RoleAdmitted Role = 1 + iota // it has its raft id; raft does not know it yet
	RoleLearner                  // it receives the log and has no vote
	RoleVoter
	RoleRemoved // it was one; its raft id is never given again
)

var roleNames = [...]string{RoleAdmitted: "admitted", RoleLearner: "learner", RoleVoter: "voter",
	RoleRemoved: "removed"}

func (r Role) String() string {
	if int(r) < len(roleNames) && roleNames[r] != "" {
		return roleNames[r]
	}
	return fmt.Sprintf("Role(%d)", uint8(r))
}

// MemberInfo is one disk to which the log gave an identity (DESIGN section 5). A server whose
// disk was replaced is several of them, of which at most one is a voter.
type MemberInfo struct {
	RaftID RaftID
	Server ServerID
	Disk   DiskID
	Role   Role
	Level  uint32 // the highest feature level that its release follows
}

// Target is a configuration that somebody asked for and that the leader has to bring about.
// There is one at a time.
type Target struct {
	Index   uint64 // of the entry that recorded it; its name
	Servers []Server
	Waiter  Waiter
}

// Waiter is who waits for the end of a target.
type Waiter struct {
	Origin     Origin // the member where the asker's connection is, and its start; zero is nobody
	Seq        uint64
	Session    SessionID
	Generation Generation
	Xid        int32
}

// Membership is who belongs to an ensemble. It is never written into: what changes it makes
// another one, so it may be kept and read without a lock. A server of its own has none.
//
// Invariant: Members are by raft id, and every raft id ever given is below Next; Servers are by
// id; a server has at most one voter.
type Membership struct {
	Cluster ClusterID
	Next    RaftID
	Members []MemberInfo // the removed ones too
	Servers []Server     // the configuration
	Version Zxid         // of the configuration: the zxid that wrote it
	Target  *Target      // nil: nobody asked
	// Founded is the founder's word, if the ensemble began empty: who knows it can make the
	// founding State.
	Founded []byte
}

// MaxMembers bounds how many raft ids an ensemble gives, removed ones included: each is kept for
// ever. At the limit nobody is admitted any more.
const MaxMembers = 4096

// Member returns the member of that raft id, nil if it was never given.
func (m *Membership) Member(id RaftID) *MemberInfo {
	for i := range m.Members {
		if m.Members[i].RaftID == id {
			return &m.Members[i]
		}
	}
	return nil
}

// Disk returns the member that has that server id and that disk, nil if there is none.
func (m *Membership) Disk(server ServerID, disk DiskID) *MemberInfo {
	for i := range m.Members {
		if e := &m.Members[i]; e.Server == server && e.Disk == disk {
			return e
		}
	}
	return nil
}

// Server returns the line of the configuration with that id, nil if there is none.
func (m *Membership) Server(id ServerID) *Server { return findServer(m.Servers, id) }

// clone returns a copy whose members may be written into.
func (m *Membership) clone() *Membership {
	c := *m
	c.Members = slices.Clone(m.Members)
	return &c
}

// Membership returns who belongs to the ensemble, nil for a server of its own.
func (s *State) Membership() *Membership { return s.members }

// setMembership makes m the membership, which is not written into afterwards.
func (s *State) setMembership(m *Membership) {
	if s.members != nil {
		s.sum.sub(s.memberItem())
	}
	s.members = m
	s.sum.add(s.memberItem())
}

func (s *State) memberItem() digest {
	s.work.hash = appendMembership(s.work.hash[:0], s.members)
	return hashOf(s.work.hash, seedMembers)
}

// Word is what the founder of an ensemble says: whoever hears it makes the same State.
type Word struct {
	Cluster ClusterID
	Level   uint32 // the feature level to begin with; every member follows it
	Servers []Server
	// Members have the raft ids 1 and up, in order. Who is no observer is a voter.
	Members []MemberInfo
}

const wordVersion = 1

// AppendTo appends the encoding of the word.
func (w *Word) AppendTo(b []byte) []byte {
	b = append(append(b, wordVersion), w.Cluster[:]...)
	b = binary.AppendUvarint(b, uint64(w.Level))
	return appendMembers(appendServers(b, w.Servers), w.Members)
}

// DecodeWord reads a founder's word.
func DecodeWord(b []byte) (*Word, error) {
	d := decoder{varint.NewReader(b)}
	w := &Word{}
	if d.Byte() != wordVersion {
		return nil, malformed("a founder's word of an unknown version")
	}
	d.Fill(w.Cluster[:])
	w.Level = d.Uint32()
	w.Servers, w.Members = d.servers(), d.members()
	if !d.Done() {
		return nil, malformed("bad founder's word")
	}
	return w, w.check()
}

func (w *Word) check() error {
	if err := checkServers(w.Servers); err != nil {
		return err
	}
	if w.Level == 0 || w.Level > MaxFeatureLevel {
		return malformed("a founder's word with a feature level that this release has not")
	}
	seen := 0
	for i, m := range w.Members {
		s := findServer(w.Servers, m.Server)
		switch {
		case m.RaftID != RaftID(i+1), s == nil, m.Level < w.Level,
			(m.Role == RoleVoter) == s.Observer, m.Role != RoleVoter && m.Role != RoleLearner:
			return malformed("a founder's word with an impossible member")
		case m.Role == RoleVoter:
			seen++
		}
		for j := range i {
			if w.Members[j].Server == m.Server {
				return malformed("a founder's word that names a server twice")
			}
		}
	}
	if seen == 0 {
		return malformed("a founder's word without a voter")
	}
	return nil
}

// foundingVersion is the version of the first configuration, which no write has made. It is what
// the first leader of a new ZooKeeper ensemble writes.
const foundingVersion = Zxid(1) << 32

// NewEnsemble returns the State that an ensemble begins with: the founding state, which knows its
// members. Its place in the log is index and term.
func NewEnsemble(w *Word, index, term uint64) (*State, error) {
	if err := w.check(); err != nil {
		return nil, err
	}
	s := NewState()
	s.index, s.term, s.level, s.lastZxid = index, term, w.Level, foundingVersion
	m := &Membership{Cluster: w.Cluster, Next: RaftID(len(w.Members) + 1),
		Members: slices.Clone(w.Members), Servers: slices.Clone(w.Servers),
		Founded: w.AppendTo(nil)}
	s.members = &Membership{}
	s.sum.add(s.memberItem())
	s.configured(m, foundingVersion)
	s.work.changes = s.work.changes[:0]
	return s, nil
}

// admit gives a disk its raft id, once, and takes in which feature level its release follows.
func (s *State) admit(c *MemberCommand, out *Outcome) {
	m := s.members
	if m == nil {
		out.skip(ReasonStandalone)
		return
	}
	if e := m.Disk(c.Server, c.Disk); e != nil && !mutant.On("membership-admitted-twice") {
		if e.Level == c.Level || e.Role == RoleRemoved {
			out.skip(ReasonAdmitted)
			return
		}
		m = m.clone()
		m.Member(e.RaftID).Level = c.Level
		s.setMembership(m)
		s.fact(Fact{Kind: FactMembership})
		return
	}
	if len(m.Members) >= MaxMembers || c.Level < s.level {
		out.skip(ReasonAdmitted)
		return
	}
	m = m.clone()
	// A disk that raft has never heard of and that another takes the place of is given up.
	for i := range m.Members {
		if e := &m.Members[i]; e.Server == c.Server && e.Role == RoleAdmitted {
			e.Role = RoleRemoved
		}
	}
	id := m.Next
	if mutant.On("members-raft-id-again") {
		for i := range m.Members {
			if e := &m.Members[i]; e.Role == RoleRemoved {
				id = e.RaftID
				m.Members = slices.Delete(m.Members, i, i+1)
				m.Next--
				break
			}
		}
	}
	m.Next++
	m.Members = append(m.Members, MemberInfo{RaftID: id, Server: c.Server, Disk: c.Disk,
		Role: RoleAdmitted, Level: c.Level})
	s.setMembership(m)
	s.fact(Fact{Kind: FactMembership, RaftID: id})
}

// configure takes in what raft's configuration is from this entry on, and if that is the end of a
// change, what the ensemble's is.
func (s *State) configure(c *MemberCommand, out *Outcome) {
	if s.members == nil {
		out.skip(ReasonStandalone)
		return
	}
	m := s.members.clone()
	for i := range m.Members {
		e := &m.Members[i]
		switch {
		case slices.Contains(c.Voters, e.RaftID):
			e.Role = RoleVoter
		case slices.Contains(c.Learners, e.RaftID):
			e.Role = RoleLearner
		case e.Role == RoleVoter || e.Role == RoleLearner:
			e.Role = RoleRemoved
			delete(s.streams, e.RaftID)
		}
	}
	s.fact(Fact{Kind: FactMembership})
	t := m.Target
	if !c.Ends || t == nil || t.Index != c.Target && !mutant.On("membership-any-end-is-targets") {
		s.setMembership(m)
		return
	}
	m.Servers, m.Target = t.Servers, nil
	out.Late = t.Waiter
	out.Zxid = s.nextZxid()
	if mutant.On("members-config-not-written") {
		m.Version = out.Zxid
		s.setMembership(m)
		return
	}
	if mutant.On("membership-old-config-answered") && out.Late != (Waiter{}) {
		s.replyConfig()
		s.configured(m, out.Zxid)
		return
	}
	s.configured(m, out.Zxid)
	if out.Late != (Waiter{}) {
		s.replyConfig()
	}
}

// configured makes m the membership and writes /zookeeper/config.
func (s *State) configured(m *Membership, zxid Zxid) {
	if !mutant.On("membership-version-kept") || m.Version == 0 {
		m.Version = zxid
	}
	s.setMembership(m)
	n := s.lookup(configPath)
	if n == nil {
		return // somebody deleted it, who had the right
	}
	data := appendConfig(nil, m.Servers, m.Version)
	s.change(n)
	grows := len(data) - len(n.data)
	s.replaceData(n, data)
	n.version, n.mzxid, n.mtime = -1, zxid, s.clock
	s.changed(n)
	if len(s.quotaRoot.children) > 0 {
		s.countQuota(configPath, grows, 0)
	}
	if !mutant.On("membership-change-not-told") {
		s.event(wire.EventNodeDataChanged, configPath, zxid, n.acl)
	}
}

const configPath = "/zookeeper/config"

// replyConfig appends the answer to a reconfig: the new configuration.
func (s *State) replyConfig() {
	if n := s.lookup(configPath); n != nil {
		s.work.body = wire.AppendBuffer(s.work.body, n.data)
		s.work.body = s.appendStat(s.work.body, n)
	}
}

// aim sets a target for which nobody waits.
func (s *State) aim(c *MemberCommand, out *Outcome) {
	m := s.members
	if m == nil || m.Target != nil || m.Version != c.Version || checkServers(c.Servers) != nil {
		out.skip(ReasonTarget)
		return
	}
	m = m.clone()
	m.Target = &Target{Index: s.cursor.index, Servers: c.Servers}
	s.setMembership(m)
	s.fact(Fact{Kind: FactMembership})
}

// giveUp ends a target that the leader could not bring about.
func (s *State) giveUp(c *MemberCommand, out *Outcome) {
	if s.members == nil || s.members.Target == nil || s.members.Target.Index != c.Target {
		out.skip(ReasonTarget)
		return
	}
	m := s.members.clone()
	if mutant.On("membership-given-up-yet-kept") {
		m.Servers = m.Target.Servers
	}
	out.Late, m.Target = m.Target.Waiter, nil
	out.Zxid = s.nextZxid()
	out.Err = c.Code
	s.setMembership(m)
	s.fact(Fact{Kind: FactMembership})
}

// raise lets the State do what it does at a higher feature level, if every member can.
func (s *State) raise(c *MemberCommand, out *Outcome) {
	if c.Level <= s.level {
		out.skip(ReasonLevel)
		return
	}
	if m := s.members; m != nil {
		for i := range m.Members {
			if m.Members[i].Role != RoleRemoved && m.Members[i].Level < c.Level &&
				!mutant.On("members-level-too-early") {
				out.skip(ReasonLevel)
				return
			}
		}
	}
	invariant.Check(c.Level <= s.follows, "a feature level that Begin should have refused")
	s.level = c.Level
	s.fact(Fact{Kind: FactMembership})
}

// reconfig records the configuration that a client asks for. The order of the checks is
// ZooKeeper's; a server of its own refuses it as a standalone ZooKeeper does. Whether there is a
// quorum of the new configuration only the leader can know: it answers later.
func (s *State) reconfig(w *write, c *Command, out *Outcome) wire.ErrorCode {
	var q wire.ReconfigRequest
	in := wire.NewReader(c.Body)
	if q.Decode(&in); in.Err() != nil {
		return wire.CodeMarshallingError
	}
	m := s.members
	switch {
	case !w.flags.Reconfig:
		return wire.CodeReconfigDisabled
	case m == nil:
		return wire.CodeUnimplemented
	case m.Target != nil && !mutant.On("members-two-targets"):
		return wire.CodeReconfigInProgress
	case q.CurrentConfigID != wire.AnyVersion && Zxid(q.CurrentConfigID) != m.Version &&
		!mutant.On("membership-version-unchecked"):
		return wire.CodeBadVersion
	}
	var servers []Server
	var err error
	if q.HasNewMembers {
		servers, err = parseConfig(q.NewMembers)
	} else {
		servers, err = changeConfig(m.Servers, q.Joining, q.Leaving)
	}
	if err != nil || voters(servers) < 2 && !w.flags.MayStandAlone {
		return wire.CodeBadArguments
	}
	if n := s.lookup(configPath); n == nil || !w.may(n.acl, wire.PermWrite) &&
		!mutant.On("membership-anybody-reconfigures") {
		return wire.CodeNoAuth
	}
	m = m.clone()
	m.Target = &Target{Index: s.cursor.index, Servers: servers, Waiter: Waiter{
		Origin: out.Origin, Seq: out.Seq, Session: c.Session, Generation: c.Generation,
		Xid: c.Xid}}
	s.setMembership(m)
	s.fact(Fact{Kind: FactMembership})
	out.Pending = true
	return wire.CodeOk
}
