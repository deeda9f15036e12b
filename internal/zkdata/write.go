package zkdata

import (
	"bufio"
	"fmt"
	"hash"
	"hash/adler32"
	"io"

	"github.com/vivariumdb/vivarium/internal/invariant"
	"github.com/vivariumdb/vivarium/wire"
)

// SnapshotWriter writes a snapshot as ZooKeeper 3.9 does: NewSnapshotWriter, then Node for every
// znode, parents before their children, then Finish.
type SnapshotWriter struct {
	packed io.WriteCloser
	out    *bufio.Writer // into packed
	sum    hash.Hash32
	lists  map[string]int64 // ids of the ACLs by their encoding
	buf    []byte
	key    []byte
	digest int64
	err    error
}

// SnapshotName is what ZooKeeper calls a snapshot that was taken behind the transaction zxid.
func SnapshotName(zxid int64, c Compression) string {
	return fmt.Sprintf("snapshot.%x%s", uint64(zxid), c.extension())
}

// NewSnapshotWriter begins a snapshot in w with the sessions, and with every ACL that a znode
// will have.
func NewSnapshotWriter(w io.Writer, c Compression, sessions []Session,
	acls [][]wire.ACL) *SnapshotWriter {
	s := &SnapshotWriter{packed: c.pack(w), sum: adler32.New(), lists: make(map[string]int64)}
	s.out = bufio.NewWriterSize(s.packed, 256<<10)
	b := wire.AppendInt(nil, snapshotMagic)
	b = wire.AppendLong(wire.AppendInt(b, fileVersion), -1)
	b = wire.AppendInt(b, int32(len(sessions)))
	for _, ss := range sessions {
		b = wire.AppendInt(wire.AppendLong(b, ss.ID), ss.TimeoutMs)
	}
	var keys []string
	for _, list := range acls {
		key := string(wire.AppendACLs(nil, list))
		if _, known := s.lists[key]; !known {
			keys = append(keys, key)
			s.lists[key] = int64(len(keys))
		}
	}
	b = wire.AppendInt(b, int32(len(keys)))
	for i, key := range keys {
		b = append(wire.AppendLong(b, int64(i+1)), key...)
	}
	s.write(b)
	return s
}

func (s *SnapshotWriter) write(b []byte) {
	s.sum.Write(b)
	if s.err == nil {
		_, s.err = s.out.Write(b)
	}
	s.buf = b[:0]
}

// Node writes a znode. The path of the root is "/". An error shows in Finish.
func (s *SnapshotWriter) Node(path string, n *Node) {
	path = key(path)
	s.key = wire.AppendACLs(s.key[:0], n.ACL)
	acl, known := s.lists[string(s.key)]
	invariant.Check(known, "a znode has an ACL that the snapshot does not hold")
	b := wire.AppendBuffer(wire.AppendString(s.buf, path), n.Data)
	s.write(n.Stat.appendTo(b, acl))
	s.digest += digestOf(path, n)
}

// seal writes the checksum over all that was written.
func (s *SnapshotWriter) seal() {
	s.write(wire.AppendString(wire.AppendLong(s.buf, int64(s.sum.Sum32())), "/"))
}

// Finish ends a snapshot that was taken behind the transaction zxid. w is the caller's to sync
// and to close.
func (s *SnapshotWriter) Finish(zxid int64) error {
	s.write(wire.AppendString(s.buf, "/"))
	s.seal()
	b := wire.AppendInt(wire.AppendLong(s.buf, zxid), digestVersion)
	s.write(wire.AppendLong(b, s.digest))
	s.seal()
	s.write(wire.AppendLong(s.buf, zxid))
	s.seal()
	if s.err == nil {
		s.err = s.out.Flush()
	}
	if err := s.packed.Close(); s.err == nil {
		s.err = err
	}
	return s.err
}
