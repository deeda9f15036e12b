package core

import (
	"encoding/binary"
	"math/bits"

	"github.com/zeebo/xxh3"
)

// digest is a sum modulo 2^128 of the keyed hashes of items. A sum forgets in which order items
// came and lets one be taken out again, so it costs as much as what changes.
//
// A znode is two items, its Stat and ACL and its data: creating a child of a znode with a
// megabyte does not hash the megabyte. Sessions and ACL lists are one item each, and so is the
// membership. The streams change with every command and are few: they are added when somebody asks.
type digest struct{ hi, lo uint64 }

// The keys of the hashes, one for each kind of item.
const (
	seedStat    = 0x56697661_72690001
	seedData    = 0x56697661_72690002
	seedBytes   = 0x56697661_72690003
	seedSession = 0x56697661_72690004
	seedACL     = 0x56697661_72690005
	seedStream  = 0x56697661_72690006
	seedMembers = 0x56697661_72690007
)

func (d *digest) add(h digest) {
	var carry uint64
	d.lo, carry = bits.Add64(d.lo, h.lo, 0)
	d.hi, _ = bits.Add64(d.hi, h.hi, carry)
}

func (d *digest) sub(h digest) {
	var borrow uint64
	d.lo, borrow = bits.Sub64(d.lo, h.lo, 0)
	d.hi, _ = bits.Sub64(d.hi, h.hi, borrow)
}

func (d digest) bytes() (b [16]byte) {
	binary.BigEndian.PutUint64(b[:8], d.hi)
	binary.BigEndian.PutUint64(b[8:], d.lo)
	return b
}

func hashOf(b []byte, seed uint64) digest {
	h := xxh3.Hash128Seed(b, seed)
	return digest{h.Hi, h.Lo}
}

// Digest returns the digest of the State. Two members with the same entries applied have the
// same; index, clock and zxid are compared by themselves.
func (s *State) Digest() [16]byte {
	d := s.sum
	for _, st := range s.streams { //order-free: a sum
		d.add(s.streamItem(st))
	}
	return d.bytes()
}

func (s *State) addNodeItems(n *node) {
	s.addStatItem(n)
	s.addDataItem(n)
}

func (s *State) dropNodeItems(n *node) {
	s.dropStatItem(n)
	s.dropDataItem(n)
	s.work.itemOf = nil // its path will be another's
}

func (s *State) addStatItem(n *node)  { s.sum.add(s.statItem(n)) }
func (s *State) dropStatItem(n *node) { s.sum.sub(s.statItem(n)) }
func (s *State) dropDataItem(n *node) { s.sum.sub(s.dataItem(n)) }

// addDataItem takes n's data in, which is new.
func (s *State) addDataItem(n *node) {
	n.dataHash = hashOf(n.data, seedBytes)
	s.sum.add(s.dataItem(n))
}

// itemPath returns the start of an item of n: its path and a NUL. Most often it is there from
// the item before.
func (s *State) itemPath(n *node) []byte {
	w := &s.work
	if w.itemOf != n {
		w.item = append(n.appendPath(w.item[:0]), 0)
		w.itemOf = n
	}
	return w.item
}

func (s *State) statItem(n *node) digest {
	b := s.itemPath(n)
	at := len(b)
	b = binary.BigEndian.AppendUint64(b, uint64(n.czxid))
	b = binary.BigEndian.AppendUint64(b, uint64(n.mzxid))
	b = binary.BigEndian.AppendUint64(b, uint64(n.pzxid))
	b = binary.BigEndian.AppendUint64(b, uint64(n.ctime))
	b = binary.BigEndian.AppendUint64(b, uint64(n.mtime))
	b = binary.BigEndian.AppendUint64(b, uint64(n.owner))
	b = binary.BigEndian.AppendUint32(b, uint32(n.version))
	b = binary.BigEndian.AppendUint32(b, uint32(n.created))
	b = binary.BigEndian.AppendUint32(b, uint32(n.aversion))
	b = binary.BigEndian.AppendUint64(b, n.acl.id)
	h := hashOf(b, seedStat)
	s.work.item = b[:at]
	return h
}

func (s *State) dataItem(n *node) digest {
	b := s.itemPath(n)
	at := len(b)
	b = binary.BigEndian.AppendUint64(b, n.dataHash.hi)
	b = binary.BigEndian.AppendUint64(b, n.dataHash.lo)
	if n.data == nil {
		b = append(b, 0)
	} else {
		b = append(b, 1)
	}
	h := hashOf(b, seedData)
	s.work.item = b[:at]
	return h
}

func (s *State) sessionItem(ss *session) digest {
	s.work.hash = appendSession(s.work.hash[:0], ss)
	return hashOf(s.work.hash, seedSession)
}

func (s *State) aclItem(l *aclList) digest {
	s.work.hash = binary.BigEndian.AppendUint64(s.work.hash[:0], l.id)
	s.work.hash = append(s.work.hash, l.key...)
	return hashOf(s.work.hash, seedACL)
}

func (s *State) streamItem(st *stream) digest {
	var b [40]byte
	binary.BigEndian.PutUint64(b[0:], uint64(st.id))
	binary.BigEndian.PutUint64(b[8:], uint64(st.registration))
	binary.BigEndian.PutUint64(b[16:], st.seq)
	copy(b[24:], st.nonce[:])
	return hashOf(b[:], seedStream)
}

// digestFromScratch computes the digest from what is there. It is for checks: it costs the
// whole tree.
func (s *State) digestFromScratch() [16]byte {
	kept := s.sum
	s.sum = digest{}
	s.addSubtree(s.root)
	for _, ss := range s.sessions { //order-free: a sum
		s.sum.add(s.sessionItem(ss))
	}
	for _, l := range s.acls.byKey { //order-free: a sum
		s.sum.add(s.aclItem(l))
	}
	if s.members != nil {
		s.sum.add(s.memberItem())
	}
	d := s.Digest()
	s.sum = kept
	return d
}

func (s *State) addSubtree(n *node) {
	s.addNodeItems(n)
	for _, c := range n.children { //order-free: a sum
		s.addSubtree(c)
	}
}
