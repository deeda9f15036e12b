package core

import (
	"github.com/vivariumdb/vivarium/internal/mutant"
	"github.com/vivariumdb/vivarium/wire"
)

// ownerKind says what an ephemeralOwner, as ZooKeeper stores it, means.
type ownerKind uint8

const (
	ownerNone ownerKind = iota
	ownerSession
	ownerContainer
	ownerTTL
)

// Marks in the stored ephemeralOwner (PROTOCOL 1.7).
const (
	containerOwner = int64(-1 << 63)
	ttlOwner       = int64(-1 << 56) // highest byte 0xFF; the time to live is in the low 40 bits
	maxTTL         = int64(1)<<40 - 1
)

func kindOf(owner int64) ownerKind {
	switch {
	case owner == 0:
		return ownerNone
	case owner == containerOwner:
		return ownerContainer
	case owner&ttlOwner == ttlOwner:
		return ownerTTL
	}
	return ownerSession
}

// ttl returns the time to live of a TTL node in ms.
func (n *node) ttl() int64 { return n.owner & maxTTL }

// stat returns the node's Stat as a client sees it.
func (n *node) stat() wire.Stat {
	st := wire.Stat{
		Czxid: int64(n.czxid), Mzxid: int64(n.mzxid), Ctime: n.ctime, Mtime: n.mtime,
		Version: n.version, Cversion: n.cversion(), Aversion: n.aversion,
		DataLength: int32(len(n.data)), NumChildren: int32(len(n.children)), Pzxid: int64(n.pzxid),
	}
	if kindOf(n.owner) == ownerSession {
		st.EphemeralOwner = n.owner
	}
	return st
}

// cversion returns the number of changes of the children: for every create there is a delete,
// except for the children still there.
func (n *node) cversion() int32 {
	if mutant.On("oracle-cversion") {
		return n.created
	}
	return 2*n.created - int32(len(n.children))
}

// appendStat appends the 68 bytes of the node's Stat as a client sees it.
func (s *State) appendStat(b []byte, n *node) []byte {
	st := n.stat()
	return st.AppendTo(b)
}
