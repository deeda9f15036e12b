package sim

import (
	"cmp"

	"github.com/vivariumdb/vivarium/wire"
)

// rearm sets the watches of the connection before, as clients do, or arbitrary ones.
func (conn *rawConn) rearm() {
	c, s := conn.c, conn.session
	lists := s.watches
	relative := s.lastZxid
	if c.r.chance(c.w.k.RandomWatches) && !c.finishing {
		c.w.count.add(faultRandomWatches)
		lists = c.gen.anyWatches()
		relative = c.r.between(0, s.lastZxid)
	}
	most := int(cmp.Or(c.w.k.MaxBuffer, wire.DefaultMaxBuffer))
	for _, set := range divide(lists, most) {
		conn.setWatches(relative, set)
	}
}

// setWatches sends one request for some watches, of the old kind if it can and the seed wants.
func (conn *rawConn) setWatches(relative int64, lists map[watchKind][]string) {
	if len(lists[watchPersistent])+len(lists[watchRecursive]) == 0 && conn.c.r.chance(500) {
		q := wire.SetWatchesRequest{RelativeZxid: relative, Data: lists[watchData],
			Exist: lists[watchExist], Child: lists[watchChild]}
		conn.request(wire.OpSetWatches, q.AppendTo(nil))
		return
	}
	q := wire.SetWatches2Request{RelativeZxid: relative, Data: lists[watchData],
		Exist: lists[watchExist], Child: lists[watchChild], Persistent: lists[watchPersistent],
		PersistentRecursive: lists[watchRecursive]}
	conn.request(wire.OpSetWatches2, q.AppendTo(nil))
}

// breakHalfway lets the connection of a client break, now and then, when only a part of what it
// watches has been set again: of the rest it has to say from where on it wants to be told.
func (c *protocolClient) breakHalfway() {
	if c.broken = c.halfway.r.chance(500); c.broken {
		c.w.count.add(faultHalfway)
	}
}

// divide spreads watches over requests of which none is longer than most bytes: a server closes
// the connection of a longer one, and would again after each reconnect. A path that is too long
// for a request of its own is left out.
func divide(lists map[watchKind][]string, most int) []map[watchKind][]string {
	const around = 8 + 8 + 5*4 // header, zxid and the lengths of five lists
	var parts []map[watchKind][]string
	size := 0
	for k := range watchKinds {
		for _, path := range lists[k] {
			length := 4 + len(path)
			if around+length > most {
				continue
			}
			if len(parts) == 0 || size+length > most {
				parts = append(parts, map[watchKind][]string{})
				size = around
			}
			size += length
			part := parts[len(parts)-1]
			part[k] = append(part[k], path)
		}
	}
	return parts
}
