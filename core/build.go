package core

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/vivariumdb/vivarium/wire"
)

// Image is a znode by itself, as it crosses from one kind of store to another.
type Image struct {
	Path string // "/" is the root
	Data []byte // nil is null
	ACL  []wire.ACL

	Czxid, Mzxid, Pzxid Zxid
	Ctime, Mtime        int64
	Version, Aversion   int32
	Created             int32 // children ever created, which is not Stat.Cversion (PROTOCOL 1.3)
	Owner               int64 // as ZooKeeper stores it: session, container mark or time to live
}

// Founding is what a State built from images knows besides them.
type Founding struct {
	Index, Term uint64
	LastZxid    Zxid
	ClockMs     int64
}

// Builder makes a founding State of znodes and sessions that come from elsewhere: ZooKeeper's
// files. The State is as good as one that was applied: digest, counts and ACL table are kept by
// the same code. The order of the calls decides the ids of ACLs: the same calls, the same State.
type Builder struct {
	s *State
}

// NewBuilder returns a builder of an empty State.
func NewBuilder() *Builder { return &Builder{s: newEmptyState()} }

// AddSession adds a session, before the ephemerals that it owns. Nobody speaks for it before its
// client attaches.
func (b *Builder) AddSession(id SessionID, timeoutMs int32, passwordHash [32]byte) error {
	switch {
	case kindOf(int64(id)) != ownerSession:
		return fmt.Errorf("build state: session %v has an id that marks a znode's kind", id)
	case b.s.sessions[id] != nil:
		return fmt.Errorf("build state: session %v is there twice", id)
	}
	ss := &session{id: id, generation: 1, timeoutMs: timeoutMs, passwordHash: passwordHash}
	b.s.addSession(ss)
	b.s.sessionCreated(ss)
	return nil
}

// AddNode adds a znode behind its parent; the first one is the root. The State keeps Data.
func (b *Builder) AddNode(img Image) error {
	s := b.s
	bad := func(what string) error {
		return fmt.Errorf("build state: znode %q: %s", img.Path, what)
	}
	if !validPath(img.Path) {
		return bad("no znode may have this path")
	}
	if kindOf(img.Owner) == ownerSession && s.sessions[SessionID(img.Owner)] == nil {
		return bad(fmt.Sprintf("its session %v is missing", SessionID(img.Owner)))
	}
	if len(img.ACL) == 0 {
		return bad("its ACL is empty")
	}
	n := &node{data: img.Data, czxid: img.Czxid, mzxid: img.Mzxid, pzxid: img.Pzxid,
		ctime: img.Ctime, mtime: img.Mtime, owner: img.Owner, version: img.Version,
		created: img.Created, aversion: img.Aversion}
	if img.Path == "/" {
		if s.root != nil {
			return bad("it is there twice")
		}
		s.root = n
		n.acl = s.internACL(img.ACL)
		s.insert(nil, n)
		return nil
	}
	if s.root == nil {
		return bad("the root comes first")
	}
	dir, name, _ := splitPath(img.Path)
	parent := s.lookup(dir)
	if parent == nil {
		return bad("its parent is missing")
	}
	if parent.children[name] != nil {
		return bad("it is there twice")
	}
	n.name = string([]byte(name)) // not the whole path
	n.acl = s.internACL(img.ACL)
	s.insert(parent, n)
	return nil
}

// Finish adds the system nodes that are missing and returns the State. The Builder is of no use
// afterwards.
func (b *Builder) Finish(f Founding) (*State, error) {
	s := b.s
	if s.root == nil {
		return nil, fmt.Errorf("build state: there is no root")
	}
	s.index, s.term, s.lastZxid, s.clock = f.Index, f.Term, f.LastZxid, f.ClockMs
	s.level = MaxFeatureLevel
	zk := s.supply(s.root, "zookeeper", wire.OpenACL(), 0)
	s.quotaRoot = s.supply(zk, "quota", wire.OpenACL(), 0)
	s.supply(zk, "config", []wire.ACL{{Perms: wire.PermRead, ID: worldAnyone}}, -1)
	return s, nil
}

// supply returns the child of that name, which is founded if it is missing.
func (s *State) supply(parent *node, name string, acl []wire.ACL, aversion int32) *node {
	if n := parent.children[name]; n != nil {
		return n
	}
	return s.found(parent, name, acl, 0, aversion)
}

// CountQuotas sets the statistics of every quota to what is there, as ZooKeeper does when it
// loads a snapshot.
func (b *Builder) CountQuotas() {
	s := b.s
	if q := s.lookup("/zookeeper/quota"); q != nil {
		s.quotaRoot = q
		s.countQuotas(q)
	}
}

func (s *State) countQuotas(n *node) {
	if stats := n.children[statsName]; stats != nil && n.children[limitsName] != nil {
		s.quotaCreated(stats)
	}
	for _, c := range n.sortedChildren() {
		s.countQuotas(c)
	}
}

func (n *node) sortedChildren() []*node {
	if len(n.children) == 0 {
		return nil
	}
	list := make([]*node, 0, len(n.children))
	for _, c := range n.children { //order-free: sorted below
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b *node) int { return cmp.Compare(a.name, b.name) })
	return list
}

// Walk calls fn with every znode, parents before their children and these by name, until it
// returns an error, which Walk returns. Data and ACL are the State's: good as long as it does not
// change, and not to be written into.
func (s *State) Walk(fn func(Image) error) error {
	return s.root.walk(func(n *node) error {
		return fn(Image{Path: n.path(), Data: n.data, ACL: n.acl.wire(), Czxid: n.czxid,
			Mzxid: n.mzxid, Pzxid: n.pzxid, Ctime: n.ctime, Mtime: n.mtime, Version: n.version,
			Aversion: n.aversion, Created: n.created, Owner: n.owner})
	})
}

func (n *node) walk(fn func(*node) error) error {
	if err := fn(n); err != nil {
		return err
	}
	for _, c := range n.sortedChildren() {
		if err := c.walk(fn); err != nil {
			return err
		}
	}
	return nil
}

// Dump calls fn with the records of a checkpoint of the whole State, in the order of their keys,
// and returns its header: what a Loader takes. It costs the whole tree and leaves no trace; the
// State must not change meanwhile.
func (s *State) Dump(fn func(Record) error) (header []byte, err error) {
	for _, l := range s.sortedACLs() {
		if err := fn(s.aclRecord(l)); err != nil {
			return nil, err
		}
	}
	for _, ss := range s.sortedSessions() {
		if err := fn(s.sessionRecord(ss)); err != nil {
			return nil, err
		}
	}
	err = s.root.walk(func(n *node) error { return fn(s.nodeRecord(n)) })
	return s.appendHeader(nil), err
}

func (s *State) sortedACLs() []*aclList {
	lists := make([]*aclList, 0, len(s.acls.byKey))
	for _, l := range s.acls.byKey { //order-free: sorted below
		lists = append(lists, l)
	}
	slices.SortFunc(lists, func(a, b *aclList) int { return cmp.Compare(a.id, b.id) })
	return lists
}

// AppendACLs appends every access control list in use, in the order of their first use. They are
// not to be written into.
func (s *State) AppendACLs(dst [][]wire.ACL) [][]wire.ACL {
	for _, l := range s.sortedACLs() {
		dst = append(dst, l.wire())
	}
	return dst
}

// Refound returns a copy of the State in which another ensemble can be founded: all znodes and
// sessions, but no streams, since members get new identities. The clients of its sessions can
// attach as before.
func (s *State) Refound(index, term uint64) (*State, error) {
	b := NewBuilder()
	for _, ss := range s.sortedSessions() {
		if err := b.AddSession(ss.id, ss.timeoutMs, ss.passwordHash); err != nil {
			return nil, err
		}
	}
	if err := s.Walk(b.AddNode); err != nil {
		return nil, err
	}
	return b.Finish(Founding{Index: index, Term: term, LastZxid: s.lastZxid, ClockMs: s.clock})
}

func (s *State) sortedSessions() []*session {
	list := make([]*session, 0, len(s.sessions))
	for _, ss := range s.sessions { //order-free: sorted below
		list = append(list, ss)
	}
	slices.SortFunc(list, func(a, b *session) int {
		return cmp.Compare(uint64(a.id), uint64(b.id))
	})
	return list
}
