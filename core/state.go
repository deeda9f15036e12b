package core

import (
	"fmt"

	"github.com/vivariumdb/vivarium/wire"
)

// SessionID names a session: the zxid of its creation, so never given twice.
type SessionID int64

func (id SessionID) String() string { return fmt.Sprintf("0x%x", uint64(id)) }

// Zxid numbers the writes. Its high half reads as an epoch (raft's term).
type Zxid int64

func (z Zxid) String() string { return fmt.Sprintf("0x%x", uint64(z)) }

// RaftID is the identity that the log gave to a member. 0 is nobody: the leader's housekeeping.
type RaftID uint64

func (id RaftID) String() string { return fmt.Sprintf("0x%x", uint64(id)) }

// Registration names one start of one member: the index of the entry that accepted its hello.
type Registration uint64

func (r Registration) String() string { return fmt.Sprintf("0x%x", uint64(r)) }

// Generation counts the connections of a session: 1 at its creation, one more at each attach.
type Generation uint64

func (g Generation) String() string { return fmt.Sprintf("0x%x", uint64(g)) }

// Origin is a stream: the member and the start of it whose commands it carries.
type Origin struct {
	RaftID       RaftID
	Registration Registration
}

// MaxFeatureLevel is the highest feature level that this release follows, and the one that a
// founding State has. What apply does may only change behind a higher level, raised by an entry
// once every member can follow (DESIGN section 2). Level 2 knows batches without growth.
const MaxFeatureLevel = 2

// State is what all members agree on. It changes only by Begin and Next, and by nothing but the
// entry and itself: the same entries give the same State, digest and outcomes on every member.
//
// Readers may use it at the same time as each other, never at the same time as Begin, Next,
// Freeze or Capture: the caller holds what it takes (DESIGN section 7).
type State struct {
	// What the log says of itself.
	index    uint64
	term     uint64
	clock    int64 // ms; Invariant: never falls
	lastZxid Zxid  // Invariant: never falls
	level    uint32
	follows  uint32 // the highest level that this process follows; not replicated

	// The tree and what is known by it.
	root       *node
	quotaRoot  *node // /zookeeper/quota; Invariant: never deleted
	nodes      int
	ephemerals int
	dataSize   int64 // bytes of paths and data
	containers map[*node]struct{}
	ttls       map[*node]struct{}

	acls     aclTable
	sessions map[SessionID]*session
	streams  map[RaftID]*stream
	members  *Membership // nil: a server of its own

	sum   digest // Invariant: over nodes, sessions, ACL lists, members (streams: see Digest)
	track tracker

	cursor  cursor
	work    workspace
	undoing bool // a multi runs: what changes is written to work.undo

	planted planted // for mutants
}

// workspace is memory that Next uses again and again, so that a command allocates only what
// the State keeps.
type workspace struct {
	command Command
	body    []byte
	changes []Change
	facts   []Fact
	paths   []byte
	item    []byte // a digest item being built
	itemOf  *node  // whose path stands in item; nil if none
	hash    []byte // what a digest item of another kind is hashed from
	op      wire.MultiOp
	multi   wire.MultiRequest
	setACL  wire.SetACLRequest
	stats   []quotaValue
	limits  []quotaValue
	acl     []wire.ACL
	aclKey  []byte
	undo    []undo
	nodes   []*node

	expanded int // bytes of what "auth" stood for in the lists of the request so far
}

// NewState returns the founding state: the system nodes as a fresh ZooKeeper 3.9.4 has them.
func NewState() *State {
	s := newEmptyState()
	s.level = MaxFeatureLevel
	s.root = s.found(nil, "", wire.OpenACL(), 0, 0)
	zk := s.found(s.root, "zookeeper", wire.OpenACL(), 0, 0)
	s.quotaRoot = s.found(zk, "quota", wire.OpenACL(), 0, 0)
	s.found(zk, "config", []wire.ACL{{Perms: wire.PermRead, ID: worldAnyone}}, 0, -1)
	return s
}

func newEmptyState() *State {
	s := &State{
		follows:    MaxFeatureLevel,
		containers: make(map[*node]struct{}),
		ttls:       make(map[*node]struct{}),
		sessions:   make(map[SessionID]*session),
		streams:    make(map[RaftID]*stream),
	}
	s.acls.init()
	s.track.init()
	return s
}

// found makes a system node. ZooKeeper's own are older than all zxids and were not created by
// requests: they count neither as creates of their parent nor in its pzxid.
func (s *State) found(parent *node, name string, acl []wire.ACL, created, aversion int32) *node {
	n := &node{name: name, data: []byte{}, created: created, aversion: aversion}
	n.acl = s.internACL(acl)
	s.insert(parent, n)
	return n
}

// LastZxid returns the zxid of the last write executed.
func (s *State) LastZxid() Zxid { return s.lastZxid }

// Clock returns the state's time in milliseconds since the Unix epoch. It never falls.
func (s *State) Clock() int64 { return s.clock }

// Index returns the index of the last entry applied whole.
func (s *State) Index() uint64 { return s.index }

// Term returns the term of the last entry begun.
func (s *State) Term() uint64 { return s.term }

// FeatureLevel returns the level of behaviour that every member follows.
func (s *State) FeatureLevel() uint32 { return s.level }

// Follow makes the State refuse feature levels above level, as an older release would. A State
// that is above it already cannot be followed.
func (s *State) Follow(level uint32) error {
	if level < s.level || level > MaxFeatureLevel {
		return fmt.Errorf("follow state: its feature level is %d, this release's is %d", s.level,
			level)
	}
	s.follows = level
	return nil
}

// NodeCount returns the number of znodes as ZooKeeper's mntr counts them: its table holds the
// root under two names.
func (s *State) NodeCount() int { return s.nodes + 1 }

// EphemeralCount returns the number of ephemeral znodes.
func (s *State) EphemeralCount() int { return s.ephemerals }

// DataSize returns the bytes of all paths and data, as ZooKeeper's mntr approximates them.
func (s *State) DataSize() int64 { return s.dataSize }

// SessionCount returns the number of live sessions.
func (s *State) SessionCount() int { return len(s.sessions) }

// ContainerCount returns the number of container znodes.
func (s *State) ContainerCount() int { return len(s.containers) }

// TTLCount returns the number of znodes with a time to live.
func (s *State) TTLCount() int { return len(s.ttls) }

// ACLCount returns the number of distinct access control lists in use.
func (s *State) ACLCount() int { return len(s.acls.byKey) }

// nextZxid takes the zxid of a write. Also one that fails takes one (DESIGN section 2).
func (s *State) nextZxid() Zxid {
	s.lastZxid = max(s.lastZxid+1, Zxid(s.term<<32|1))
	return s.lastZxid
}
