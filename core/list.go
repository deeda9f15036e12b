package core

import (
	"encoding/binary"
	"slices"
	"strings"

	"github.com/vivariumdb/vivarium/internal/invariant"
	"github.com/vivariumdb/vivarium/internal/mutant"
	"github.com/vivariumdb/vivarium/wire"
)

// Lists of children are in byte order, so that two servers, and a server before and after a
// restart, give the same answer; ZooKeeper promises no order. Sorting thousands of names costs
// more than all else of such an answer, so long ones are kept, as they are sent, until they are
// out of date.

const (
	// longList is the number of children from which on a list is kept. Who asks for one holds
	// the watch lock, or S exclusively.
	longList = 128
	// maxListed bounds the bytes of all that are kept; at the bound all are forgotten.
	maxListed = 32 << 20
)

// lists are the answers that are kept. A connection's requests use it under S shared and W,
// apply under S exclusive.
type lists struct {
	of    map[*node]listed
	bytes int
}

// listed is one of them. It holds for its node as long as the counts do: created never falls,
// and while it stands still children can only go.
type listed struct {
	created  int32
	children int
	names    []byte // the vector
}

// longListed says whether the answer to a request is a list that is kept. multiRead, which lists
// without the watch lock, never keeps any.
func (s *State) longListed(op wire.OpCode, body []byte) bool {
	if op != wire.OpGetChildren && op != wire.OpGetChildren2 {
		return false
	}
	n := s.lookup(readPathWatch(body).Path)
	return n != nil && len(n.children) >= longList
}

// appendTo appends the list of n's children, from what is kept if it is a long one.
func (k *lists) appendTo(b []byte, n *node) []byte {
	if len(n.children) < longList {
		return appendChildren(b, n)
	}
	have, ok := k.of[n]
	if !ok || have.created != n.created ||
		have.children != len(n.children) && !mutant.On("reads-list-with-deleted-children") {
		k.bytes -= len(have.names)
		have = listed{n.created, len(n.children), appendChildren(nil, n)}
		if k.of == nil || k.bytes+len(have.names) > maxListed {
			k.of, k.bytes = make(map[*node]listed), 0
		}
		k.of[n] = have
		k.bytes += len(have.names)
	}
	if invariant.Enabled {
		fresh := appendChildren(nil, n)
		invariant.Check(string(fresh) == string(have.names), "a list that is out of date was kept")
	}
	return append(b, have.names...)
}

// appendChildren lists the names in byte order.
func appendChildren(b []byte, n *node) []byte {
	names := make([]string, 0, len(n.children))
	size := 4
	for name := range n.children { //order-free: sorted below
		names = append(names, name)
		size += 4 + len(name)
	}
	b = slices.Grow(b, size)
	if len(names) < longList {
		slices.Sort(names)
		return wire.AppendStrings(b, names)
	}
	b = wire.AppendInt(b, int32(len(names)))
	for _, k := range sorted(names) {
		b = wire.AppendString(b, names[k.at])
	}
	return b
}

// nameKey stands for the name at at: the first eight bytes behind what all names have in common.
// It has no pointers, which would have to be told to the collector with each move.
type nameKey struct {
	key uint64
	at  uint32
}

// sorted returns the names' order: by the keys, byte by byte from the last to the first, and
// then by the whole names where keys are equal. For thousands that takes a fraction of the time
// of comparing names.
func sorted(names []string) []nameKey {
	same := names[0]
	for _, name := range names {
		same = same[:common(same, name)]
	}
	from, to := make([]nameKey, len(names)), make([]nameKey, len(names))
	differ := uint64(0)
	for i, name := range names {
		var key [8]byte
		copy(key[:], name[len(same):])
		from[i] = nameKey{binary.BigEndian.Uint64(key[:]), uint32(i)}
		differ |= from[i].key ^ from[0].key
	}
	for shift := 0; shift < 64; shift += 8 {
		if differ>>shift&0xff != 0 {
			sortByte(to, from, shift)
			from, to = to, from
		}
	}
	for i := 0; i < len(from); {
		k := i + 1
		for k < len(from) && from[k].key == from[i].key {
			k++
		}
		slices.SortFunc(from[i:k], func(a, b nameKey) int {
			return strings.Compare(names[a.at], names[b.at])
		})
		i = k
	}
	return from
}

// sortByte moves from to to in the order of one byte, and of from where it is the same.
func sortByte(to, from []nameKey, shift int) {
	var next [257]int
	for i := range from {
		next[from[i].key>>shift&0xff+1]++
	}
	for i := range 256 {
		next[i+1] += next[i]
	}
	for i := range from {
		at := &next[from[i].key>>shift&0xff]
		to[*at] = from[i]
		*at++
	}
}

// common is the length of what a and b begin with alike.
func common(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}
