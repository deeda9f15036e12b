package zkdata

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/vivariumdb/vivarium/wire"
)

// Marks in ephemeralOwner (PROTOCOL 1.7).
const (
	containerOwner = int64(-1 << 63)
	extendedOwner  = int64(-1 << 56) // highest byte 0xFF
	reservedOwner  = int64(0xFFFF) << 40
	maxTTL         = int64(1)<<40 - 1
)

// Stat is a znode's, as it is stored.
type Stat struct {
	Czxid, Mzxid, Pzxid        int64
	Ctime, Mtime               int64
	Version, Created, Aversion int32 // Created is called cversion there; see PROTOCOL 1.3
	Owner                      int64
}

// ephemeral says whether a session owns the znode.
func (s *Stat) ephemeral() bool {
	return s.Owner != 0 && s.Owner != containerOwner && s.Owner&extendedOwner != extendedOwner
}

// Node is a znode.
type Node struct {
	Data []byte     // nil is null
	ACL  []wire.ACL // shared, never empty in what Load returns
	Stat Stat
	// noACL: the snapshot named a list that it does not hold, which a fuzzy one may.
	noACL bool
}

// Session is a client's.
type Session struct {
	ID        int64
	TimeoutMs int32
}

// Tree is everything that a ZooKeeper keeps.
type Tree struct {
	Zxid   int64 // of the last transaction
	TimeMs int64 // of the last transaction; the newest mtime if there is none

	nodes    map[string]*Node // by path; the root is ""
	sessions map[int64]int32  // time-outs
	owned    map[int64]map[string]struct{}
	acls     map[string][]wire.ACL // by their encoding
	key      []byte
	repeated int // changes that found what the snapshot had already
}

func newTree() *Tree {
	return &Tree{nodes: make(map[string]*Node), sessions: make(map[int64]int32),
		owned: make(map[int64]map[string]struct{}), acls: make(map[string][]wire.ACL)}
}

// Len returns the number of znodes.
func (t *Tree) Len() int { return len(t.nodes) }

// Sessions returns the sessions by id.
func (t *Tree) Sessions() []Session {
	list := make([]Session, 0, len(t.sessions))
	for id, timeoutMs := range t.sessions {
		list = append(list, Session{ID: id, TimeoutMs: timeoutMs})
	}
	slices.SortFunc(list, func(a, b Session) int {
		if a.ID < b.ID {
			return -1
		}
		return 1
	})
	return list
}

// Walk calls fn with every znode, parents before their children, until it returns an error. The
// path of the root is "/".
func (t *Tree) Walk(fn func(path string, n *Node) error) error {
	paths := make([]string, 0, len(t.nodes))
	for path := range t.nodes {
		paths = append(paths, path)
	}
	slices.SortFunc(paths, comparePaths)
	for _, path := range paths {
		n := t.nodes[path]
		if path == "" {
			path = "/"
		}
		if err := fn(path, n); err != nil {
			return err
		}
	}
	return nil
}

// comparePaths puts a subtree behind its root and before the next name: a slash sorts below
// every character of a name.
func comparePaths(a, b string) int {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	switch {
	case i == len(a) || i == len(b):
		return len(a) - len(b)
	case a[i] == '/':
		return -1
	case b[i] == '/':
		return 1
	}
	return int(a[i]) - int(b[i])
}

// intern returns the one list that is equal to list. An empty one protects nothing: it is that
// of everybody.
func (t *Tree) intern(list []wire.ACL) []wire.ACL {
	if len(list) == 0 {
		list = wire.OpenACL()
	}
	t.key = wire.AppendACLs(t.key[:0], list)
	if kept, ok := t.acls[string(t.key)]; ok {
		return kept
	}
	for i := range list {
		list[i].ID = wire.ID{Scheme: strings.Clone(list[i].ID.Scheme),
			ID: strings.Clone(list[i].ID.ID)}
	}
	t.acls[string(t.key)] = list
	return list
}

// put adds a znode.
func (t *Tree) put(path string, n *Node) {
	t.nodes[path] = n
	if n.Stat.ephemeral() {
		set := t.owned[n.Stat.Owner]
		if set == nil {
			set = make(map[string]struct{})
			t.owned[n.Stat.Owner] = set
		}
		set[path] = struct{}{}
	}
}

// drop removes a znode that is there.
func (t *Tree) drop(path string, n *Node) {
	delete(t.nodes, path)
	if n.Stat.ephemeral() {
		delete(t.owned[n.Stat.Owner], path)
		if len(t.owned[n.Stat.Owner]) == 0 {
			delete(t.owned, n.Stat.Owner)
		}
	}
}

// endOrphans removes the ephemerals of sessions that are not there, as a ZooKeeper does when it
// has loaded its data.
func (t *Tree) endOrphans() (removed int) {
	for id, paths := range t.owned {
		if _, live := t.sessions[id]; live {
			continue
		}
		for path := range paths {
			t.delete(path, t.Zxid)
			removed++
		}
	}
	return removed
}

// check says what makes this no tree that a ZooKeeper could serve, after everything that is known
// was taken in; nil if nothing.
func (t *Tree) check(acceptNewer bool) error {
	if t.nodes[""] == nil {
		return errors.New("there is no root")
	}
	newest, at := t.Zxid, ""
	err := t.Walk(func(path string, n *Node) error {
		parent, _ := cut(path)
		owner := n.Stat.Owner
		switch {
		case path != "/" && t.nodes[parent] == nil:
			return fmt.Errorf("znode %q has no parent", path)
		case n.noACL:
			return fmt.Errorf("the ACL of znode %q is missing", path)
		case owner&extendedOwner == extendedOwner && owner&reservedOwner != 0:
			return fmt.Errorf("znode %q is of an extended type that is not known: %#x", path,
				uint64(owner))
		}
		if z := max(n.Stat.Czxid, n.Stat.Mzxid, n.Stat.Pzxid); z > newest {
			newest, at = z, path
		}
		return nil
	})
	if err == nil && newest > t.Zxid && !acceptNewer {
		err = fmt.Errorf("znode %q was changed by transaction 0x%x, and the last one in the logs "+
			"is 0x%x: logs are missing", at, uint64(newest), uint64(t.Zxid))
	}
	t.Zxid = newest
	return err
}

// cut splits a path at its last slash.
func cut(path string) (parent, name string) {
	i := strings.LastIndexByte(path, '/')
	if i < 0 {
		return "", path
	}
	return path[:i], path[i+1:]
}
