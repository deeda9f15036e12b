package zkdata

import (
	"io"

	"github.com/vivariumdb/vivarium/wire"
)

// openACL is the id of the list that gives everybody everything. Others have ids of a table.
const openACL = -1

// statSize is the length of a stored Stat with the id of the ACL before it.
const statSize = 68

// SnapshotInfo is what a snapshot says of itself besides its tree.
type SnapshotInfo struct {
	DigestZxid, Digest int64 // of the tree behind the transaction DigestZxid
	HasDigest          bool
	LastZxid           int64 // when it was finished
	HasLastZxid        bool
}

// ReadSnapshot reads a snapshot of that name, which says how it is packed. The tree is as it
// stands in the file, which a fuzzy snapshot's is not fit to be served.
func ReadSnapshot(name string, r io.Reader) (*Tree, SnapshotInfo, error) {
	var info SnapshotInfo
	raw, err := compressionOf(name).unpack(r)
	s := newStream(name, raw)
	if err != nil {
		s.broken(err)
		return nil, info, s.err
	}
	t := newTree()
	if magic, version := uint32(s.int()), s.int(); s.err == nil &&
		(magic != snapshotMagic || version != fileVersion) {
		s.offset = 0
		s.fail("it begins with %#x, version %d: no snapshot of version %d", magic, version,
			fileVersion)
	}
	s.long() // database id, always -1
	for n := s.int(); n > 0 && s.err == nil; n-- {
		id, timeoutMs := s.long(), s.int()
		t.sessions[id] = timeoutMs
	}
	lists := make(map[int64][]wire.ACL)
	for n := s.int(); n > 0 && s.err == nil; n-- {
		id, list := s.long(), s.acls()
		if s.err == nil {
			lists[id] = t.intern(list)
		}
	}
	t.readNodes(s, lists)
	s.seal()
	info.read(s)
	if s.err != nil {
		return nil, info, s.err
	}
	return t, info, nil
}

// readNodes reads znodes up to the path that ends them.
func (t *Tree) readNodes(s *stream, lists map[int64][]wire.ACL) {
	for s.err == nil {
		at := s.offset
		path := s.string()
		if path == "/" || s.err != nil {
			return
		}
		n := &Node{Data: s.buffer()}
		var b [statSize]byte
		if !s.full(b[:]) {
			return
		}
		acl := n.Stat.decode(b[:])
		if acl == openACL {
			n.ACL = t.intern(nil)
		} else if n.ACL = lists[acl]; n.ACL == nil {
			n.noACL = true
		}
		dir, _ := cut(path)
		switch {
		case t.nodes[path] != nil:
			s.offset = at
			s.fail("znode %q is there twice", path)
		case path != "" && (path[0] != '/' || t.nodes[dir] == nil):
			s.offset = at
			s.fail("znode %q has no parent", path)
		default:
			t.put(path, n)
			t.TimeMs = max(t.TimeMs, n.Stat.Mtime)
		}
	}
}

// decode reads the id of an ACL and a Stat.
func (st *Stat) decode(b []byte) (acl int64) {
	r := wire.NewReader(b)
	acl = r.Long()
	st.Czxid, st.Mzxid, st.Ctime, st.Mtime = r.Long(), r.Long(), r.Long(), r.Long()
	st.Version, st.Created, st.Aversion = r.Int(), r.Int(), r.Int()
	st.Owner, st.Pzxid = r.Long(), r.Long()
	return acl
}

func (st *Stat) appendTo(b []byte, acl int64) []byte {
	b = wire.AppendLong(b, acl)
	for _, v := range []int64{st.Czxid, st.Mzxid, st.Ctime, st.Mtime} {
		b = wire.AppendLong(b, v)
	}
	for _, v := range []int32{st.Version, st.Created, st.Aversion} {
		b = wire.AppendInt(b, v)
	}
	return wire.AppendLong(wire.AppendLong(b, st.Owner), st.Pzxid)
}

// The sections behind the tree, each with its seal of 13 bytes. Either may be missing.
const (
	sealSize          = 13
	digestSection     = 20 + sealSize
	lastZxidSection   = 8 + sealSize
	mostBehindTheTree = digestSection + lastZxidSection
)

// read reads the sections that releases from 3.6 and 3.9 on write. Which are there follows from
// how many bytes are left.
func (info *SnapshotInfo) read(s *stream) {
	if s.err != nil {
		return
	}
	rest, err := s.r.Peek(mostBehindTheTree + 1)
	if err != nil && err != io.EOF {
		s.broken(err)
		return
	}
	n := len(rest)
	switch n {
	case 0, digestSection, lastZxidSection, mostBehindTheTree:
	default:
		s.fail("%d bytes or more stand behind the tree", n)
		return
	}
	if n >= digestSection {
		info.DigestZxid, info.HasDigest = s.long(), s.int() == digestVersion
		info.Digest = s.long()
		s.seal()
	}
	if n == lastZxidSection || n == mostBehindTheTree {
		info.LastZxid, info.HasLastZxid = s.long(), true
		s.seal()
	}
}
