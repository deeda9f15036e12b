package sim

import (
	"fmt"
	"strings"

	"github.com/vivariumdb/vivarium/wire"
)

// What is asked for in bulk: long paths, many children, many watches, long pipelines.

// deep works on one long branch: a few levels of it at a time.
func (g *generator) deep(*session) []asked {
	const root, levels = "/d0", 40
	at := func(depth int) string { return root + strings.Repeat("/x", depth) }
	depth := g.r.IntN(levels)
	switch g.r.IntN(6) {
	case 0: // from the bottom up
		var all []asked
		for d := depth; d >= max(0, depth-15); d-- {
			all = append(all, ask(wire.OpDelete, &wire.DeleteRequest{Path: at(d), Version: -1}))
		}
		return all
	case 1:
		return []asked{ask(wire.OpAddWatch, &wire.AddWatchRequest{Path: at(depth / 4),
			Mode: int32(g.r.IntN(2))})}
	case 2:
		return []asked{g.readOf(pick(g.r, pathReads), at(depth), g.r.chance(500)),
			ask(wire.OpGetAllChildrenNumber, &wire.PathRequest{Path: root})}
	case 3:
		return []asked{g.set(at(depth))}
	}
	var all []asked
	for d := max(0, depth-15); d <= depth; d++ {
		all = append(all, g.create(at(d), 0))
	}
	return all
}

// wide works on one znode with many children.
func (g *generator) wide(*session) []asked {
	const root = "/w0"
	child := func() string { return fmt.Sprintf("%s/child-%d", root, g.r.IntN(150)) }
	switch g.r.IntN(6) {
	case 0, 1:
		return []asked{g.readOf(pick(g.r, pathReads), root, g.r.chance(500))}
	case 2:
		all := []asked{g.remove(root)}
		for range g.r.IntN(30) {
			all = append(all, g.remove(child()))
		}
		return all
	case 3:
		return []asked{ask(wire.OpGetAllChildrenNumber, &wire.PathRequest{Path: root}),
			g.readOf(wire.OpGetData, child(), true)}
	}
	all := []asked{g.create(root, 0)}
	if g.r.chance(100) { // all of them: the list is so long that it is kept
		for i := range 150 {
			all = append(all, g.create(fmt.Sprintf("%s/child-%d", root, i), 0))
		}
		return append(all, g.readOf(wire.OpGetChildren2, root, false),
			g.readOf(wire.OpGetChildren, root, false), g.remove(child()),
			g.readOf(wire.OpGetChildren, root, false))
	}
	for range g.r.IntN(40) {
		all = append(all, g.create(child(), int32(g.r.IntN(2))))
	}
	return all
}

// syncRead pipelines syncs and the reads behind them: each such read is linearizable.
func (g *generator) syncRead(*session) []asked {
	path := g.path()
	var all []asked
	for range 1 + g.r.IntN(4) {
		for range 1 + g.r.IntN(2) {
			all = append(all, g.sync(path))
		}
		all = append(all, g.readOf(pick(g.r, pathReads), path, g.r.chance(200)))
		if g.r.chance(300) {
			all = append(all, g.set(path))
		}
	}
	return all
}

// flood sets hundreds of watches: one by one, or with one request as after a reconnect.
func (g *generator) flood(s *session) []asked {
	many := 20 + g.r.IntN(150)
	path := func() string { return fmt.Sprintf("%s/f%d", g.path(), g.r.IntN(200)) }
	if !g.raw || g.r.chance(400) {
		var all []asked
		for range many {
			all = append(all, g.readOf(pick(g.r, pathReads), path(), true))
		}
		return all
	}
	var lists [5][]string
	for range many {
		l := &lists[g.r.IntN(len(lists))]
		*l = append(*l, path())
	}
	for i := range lists {
		lists[i] = append(lists[i], g.path())
	}
	relative := g.r.between(0, s.lastZxid)
	if g.r.chance(500) {
		return []asked{ask(wire.OpSetWatches, &wire.SetWatchesRequest{RelativeZxid: relative,
			Data: lists[0], Exist: lists[1], Child: lists[2]})}
	}
	return []asked{ask(wire.OpSetWatches2, &wire.SetWatches2Request{RelativeZxid: relative,
		Data: lists[0], Exist: lists[1], Child: lists[2], Persistent: lists[3],
		PersistentRecursive: lists[4]})}
}

// config reads the configuration, and watches it.
func (g *generator) config(*session) []asked {
	const path = "/zookeeper/config"
	switch g.r.IntN(6) {
	case 0:
		return []asked{ask(wire.OpAddWatch, &wire.AddWatchRequest{Path: path,
			Mode: int32(g.r.IntN(2))})}
	case 1:
		return []asked{g.sync(path), g.readOf(wire.OpGetData, path, true)}
	case 2:
		return []asked{g.readOf(wire.OpExists, path, true)}
	}
	return []asked{g.readOf(wire.OpGetData, path, true)}
}
