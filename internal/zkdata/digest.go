package zkdata

import (
	"encoding/binary"
	"hash/crc32"
	"strings"
)

// digestVersion is that of DigestCalculator since 3.6.
const digestVersion = 2

// digestOf returns what a znode adds to the digest of a tree. The root's path is "".
func digestOf(path string, n *Node) int64 {
	if strings.HasPrefix(path, "/zookeeper/") {
		return 0
	}
	var b [60]byte
	s := &n.Stat
	for i, v := range []int64{s.Czxid, s.Mzxid, s.Pzxid, s.Ctime, s.Mtime} {
		binary.BigEndian.PutUint64(b[8*i:], uint64(v))
	}
	for i, v := range []int32{s.Version, s.Created, s.Aversion} {
		binary.BigEndian.PutUint32(b[40+4*i:], uint32(v))
	}
	binary.BigEndian.PutUint64(b[52:], uint64(s.Owner))
	crc := crc32.ChecksumIEEE([]byte(path))
	crc = crc32.Update(crc, crc32.IEEETable, n.Data)
	return int64(crc32.Update(crc, crc32.IEEETable, b[:]))
}

// Digest returns the digest by which ZooKeeper's servers compare their trees.
func (t *Tree) Digest() int64 {
	sum := int64(0)
	for path, n := range t.nodes {
		sum += digestOf(path, n)
	}
	return sum
}
