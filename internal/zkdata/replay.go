package zkdata

import (
	"github.com/vivariumdb/vivarium/wire"
)

// What the methods here do is what DataTree.processTxn does, including what it tolerates: a
// snapshot may hold later changes than the transactions that are replayed onto it.

// apply carries out one transaction. Those up to the snapshot's are the caller's to leave out.
func (t *Tree) apply(x *Txn) {
	switch x.Type {
	case wire.OpCreateSession:
		t.sessions[x.Session] = x.TimeoutMs
	case wire.OpCloseSession:
		delete(t.sessions, x.Session)
		t.close(x)
	case wire.OpMulti:
		for i := range x.Ops {
			if x.Ops[i].Type == wire.OpError {
				x.Ops = nil // none of it was done
				break
			}
		}
		for i := range x.Ops {
			t.change(x, &x.Ops[i])
		}
	default:
		t.change(x, &x.Op)
	}
	t.Zxid = max(t.Zxid, x.Zxid)
	t.TimeMs = x.TimeMs
}

// close removes the ephemerals of a session: those that its end names, and those that are there.
func (t *Tree) close(x *Txn) {
	for _, path := range x.Paths {
		t.delete(path, x.Zxid)
	}
	for path := range t.owned[x.Session] {
		t.delete(path, x.Zxid)
	}
}

// change carries out a transaction's operation.
func (t *Tree) change(x *Txn, op *Op) {
	switch op.Type {
	case wire.OpCreate, wire.OpCreate2, wire.OpCreateContainer, wire.OpCreateTTL:
		t.create(x, op)
	case wire.OpDelete, wire.OpDeleteContainer:
		t.delete(op.Path, x.Zxid)
	case wire.OpSetData, wire.OpReconfig:
		if n := t.nodes[key(op.Path)]; n != nil {
			n.Data, n.Stat.Version = op.Data, op.Version
			n.Stat.Mzxid, n.Stat.Mtime = x.Zxid, x.TimeMs
		}
	case wire.OpSetACL:
		if n := t.nodes[key(op.Path)]; n != nil {
			n.ACL, n.noACL, n.Stat.Aversion = t.intern(op.ACL), false, op.Version
		}
	}
}

// key is the path under which a znode is kept.
func key(path string) string {
	if path == "/" {
		return ""
	}
	return path
}

func (t *Tree) create(x *Txn, op *Op) {
	dir, _ := cut(op.Path)
	parent := t.nodes[dir]
	if parent == nil || op.Path == "/" {
		t.repeated++
		return
	}
	acl := t.intern(op.ACL)
	// The counter only goes up: the parent may have been written to the snapshot after later
	// creates. That holds for a child that exists as well; the real server forgets it there for
	// all but the plain create.
	created := op.ParentCreated
	if created == -1 {
		created = parent.Stat.Created + 1
	}
	if created > parent.Stat.Created {
		parent.Stat.Created, parent.Stat.Pzxid = created, x.Zxid
	}
	if n := t.nodes[op.Path]; n != nil {
		n.ACL, n.noACL = acl, false
		t.repeated++
		return
	}
	owner := int64(0)
	switch {
	case op.Type == wire.OpCreateContainer:
		owner = containerOwner
	case op.Type == wire.OpCreateTTL:
		owner = extendedOwner | op.TTLMs&maxTTL
	case op.Ephemeral:
		owner = x.Session
	}
	t.put(op.Path, &Node{Data: op.Data, ACL: acl, Stat: Stat{Czxid: x.Zxid, Mzxid: x.Zxid,
		Pzxid: x.Zxid, Ctime: x.TimeMs, Mtime: x.TimeMs, Owner: owner}})
}

func (t *Tree) delete(path string, zxid int64) {
	if path == "" || path == "/" {
		return
	}
	dir, _ := cut(path)
	parent := t.nodes[dir]
	if parent == nil {
		t.repeated++
		return
	}
	parent.Stat.Pzxid = max(parent.Stat.Pzxid, zxid)
	n := t.nodes[path]
	if n == nil {
		t.repeated++
		return
	}
	t.drop(path, n)
}
