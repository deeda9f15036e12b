package core

import (
	"strings"

	"github.com/vivariumdb/vivarium/internal/invariant"
)

// node is one znode. It fills exactly 128 bytes, a size class of Go's allocator.
type node struct {
	parent   *node
	name     string
	children map[string]*node // nil for a leaf that never had any
	data     []byte           // nil is null; replaced, never written into
	dataHash digest           // of data: what is replaced is long out of the processor's caches
	acl      *aclList

	czxid, mzxid, pzxid Zxid
	ctime, mtime        int64
	owner               int64 // as ZooKeeper stores it: session, container mark or time to live

	version  int32
	created  int32 // children ever created: the source of sequence numbers
	aversion int32
	mark     uint32 // where it stands in the list of changed nodes; see tracker
}

// lookup returns the node at path, nil if there is none. "" and "/" are the root; a path that
// could not be created names nothing.
func (s *State) lookup(path string) *node {
	if path == "" || path == "/" {
		return s.root
	}
	if path[0] != '/' {
		return nil
	}
	n, rest := s.root, path[1:]
	for {
		i := strings.IndexByte(rest, '/')
		if i < 0 {
			return n.children[rest]
		}
		n = n.children[rest[:i]]
		if n == nil {
			return nil
		}
		rest = rest[i+1:]
	}
}

// appendPath appends the node's path.
func (n *node) appendPath(b []byte) []byte {
	if n.parent == nil {
		return append(b, '/')
	}
	size := n.pathLen()
	b = grow(b, size)
	end := len(b)
	for a := n; a.parent != nil; a = a.parent {
		end -= len(a.name)
		copy(b[end:], a.name)
		end--
		b[end] = '/'
	}
	return b
}

// pathLen returns the length of the node's path.
func (n *node) pathLen() int {
	if n.parent == nil {
		return 1
	}
	size := 0
	for a := n; a.parent != nil; a = a.parent {
		size += 1 + len(a.name)
	}
	return size
}

// path returns the node's path in memory of its own.
func (n *node) path() string { return string(n.appendPath(nil)) }

// insert links a new node below parent. Its fields are set and it holds a reference to its
// ACL. The parent's counters are the caller's business.
func (s *State) insert(parent, n *node) {
	s.link(parent, n)
	s.nodeCreated(n)
	if s.undoing {
		s.work.undo = append(s.work.undo, undo{kind: undoInsert, node: n})
	}
}

// link puts n below parent (nil: as the root) and counts it.
func (s *State) link(parent, n *node) {
	n.parent = parent
	if parent != nil {
		if parent.children == nil {
			parent.children = make(map[string]*node)
		}
		had := len(parent.children)
		parent.children[n.name] = n
		invariant.Check(len(parent.children) == had+1, "a znode inserted over one that exists")
	}
	s.count(n)
}

// count counts n in, which has its parent.
func (s *State) count(n *node) {
	s.nodes++
	s.dataSize += int64(n.pathLen() + len(n.data))
	switch kindOf(n.owner) {
	case ownerSession:
		s.own(n)
	case ownerContainer:
		s.containers[n] = struct{}{}
	case ownerTTL:
		s.ttls[n] = struct{}{}
	}
	s.addNodeItems(n)
}

// remove unlinks a childless node, counts it out and lets go of its ACL. n keeps its fields.
func (s *State) remove(n *node) {
	invariant.Check(n.parent != nil && len(n.children) == 0,
		"the root or a znode with children removed")
	s.nodeRemoving(n)
	s.dropNodeItems(n)
	s.nodes--
	s.dataSize -= int64(n.pathLen() + len(n.data))
	switch kindOf(n.owner) {
	case ownerSession:
		s.disown(n)
	case ownerContainer:
		delete(s.containers, n)
	case ownerTTL:
		delete(s.ttls, n)
	}
	delete(n.parent.children, n.name)
	if len(n.parent.children) == 0 {
		n.parent.children = nil
	}
	s.releaseACL(n.acl)
	if s.undoing {
		s.work.undo = append(s.work.undo, undo{kind: undoRemove, node: n})
	}
}

// change opens a node's counters and ACL for writing; changed closes them.
func (s *State) change(n *node) {
	s.nodeChanging(n)
	if s.undoing {
		s.work.undo = append(s.work.undo, undo{kind: undoChange, node: n, was: *n})
	}
	s.dropStatItem(n)
}

func (s *State) changed(n *node) { s.addStatItem(n) }

// replaceData gives a node other data. It goes between change and changed.
func (s *State) replaceData(n *node, data []byte) {
	s.dropDataItem(n)
	s.dataSize += int64(len(data) - len(n.data))
	n.data = data
	s.addDataItem(n)
}

// own lists an ephemeral node with its session.
func (s *State) own(n *node) {
	s.ephemerals++
	ss := s.sessions[SessionID(n.owner)]
	invariant.Check(ss != nil, "an ephemeral without its session")
	if ss.ephemerals == nil {
		ss.ephemerals = make(map[*node]struct{})
	}
	ss.ephemerals[n] = struct{}{}
}

func (s *State) disown(n *node) {
	s.ephemerals--
	delete(s.sessions[SessionID(n.owner)].ephemerals, n)
}

// grow lengthens b by n bytes whose content is to be written.
func grow(b []byte, n int) []byte {
	if cap(b)-len(b) >= n {
		return b[:len(b)+n]
	}
	return append(b, make([]byte, n)...)
}
