package sim

import (
	"slices"

	"github.com/vivariumdb/vivarium/wire"
)

// watch reads with a watch, and looks at or removes watches.
func (g *generator) watch(*session) []asked {
	path := g.path()
	if g.r.chance(150) {
		return []asked{g.watcher(path)}
	}
	return []asked{g.readOf(pick(g.r, pathReads), path, true)}
}

func (g *generator) watcher(path string) asked {
	op := pick(g.r, []wire.OpCode{wire.OpCheckWatches, wire.OpRemoveWatches})
	return ask(op, &wire.WatcherRequest{Path: path, Type: int32(g.r.IntN(7))})
}

// persistent sets watches that stay.
func (g *generator) persistent(*session) []asked {
	path := pick(g.r, []string{g.path(), g.parent(), "/"})
	if g.r.chance(300) {
		return []asked{g.watcher(path)}
	}
	mode := int32(g.r.IntN(2))
	if g.r.chance(50) {
		mode = 7
	}
	return []asked{ask(wire.OpAddWatch, &wire.AddWatchRequest{Path: path, Mode: mode})}
}

// anyWatches are lists for a setWatches that nobody asked for.
func (g *generator) anyWatches() map[watchKind][]string {
	lists := map[watchKind][]string{}
	for k := range watchKinds {
		for range g.r.IntN(3) {
			if p := g.path(); !slices.Contains(lists[k], p) {
				lists[k] = append(lists[k], p)
			}
		}
	}
	return lists
}
