package sim

import (
	"fmt"

	"github.com/vivariumdb/vivarium/wire"
)

// register reads and writes data, by version or not.
func (g *generator) register(*session) []asked {
	path := g.path()
	switch g.r.IntN(6) {
	case 0:
		return []asked{g.create(path, 0)}
	case 1, 2:
		return []asked{g.readOf(wire.OpGetData, path, false)}
	case 3:
		return []asked{g.sync(path), g.readOf(wire.OpGetData, path, false)}
	}
	return []asked{g.set(path)}
}

func (g *generator) sync(path string) asked {
	return ask(wire.OpSync, &wire.PathRequest{Path: path})
}

// tree creates and deletes.
func (g *generator) tree(*session) []asked {
	path := g.path()
	switch g.r.IntN(8) {
	case 0, 1:
		return []asked{g.remove(path)}
	case 2:
		return []asked{g.readOf(wire.OpGetChildren2, g.parent(), false)}
	case 3:
		// A whole branch, pipelined.
		var all []asked
		for _, p := range g.paths {
			all = append(all, g.create(p, 0))
		}
		return all
	}
	return []asked{g.create(path, 0)}
}

// sequence creates znodes with numbers, and deletes some.
func (g *generator) sequence(*session) []asked {
	parent := pick(g.r, []string{"/r0", g.path(), "", "/zookeeper"})
	prefix := parent + "/" + pick(g.r, []string{"s-", "", "q"})
	flags := wire.FlagPersistentSequential
	if g.r.chance(400) {
		flags = wire.FlagEphemeralSequential
	}
	if g.w.k.SequenceLead > 0 && g.r.chance(500) {
		prefix = "/s-" // where numbers overflow
	}
	if g.r.chance(250) {
		return []asked{g.remove(fmt.Sprintf("%s%010d", prefix, g.r.IntN(12)))}
	}
	return []asked{g.create(prefix, flags)}
}

// ephemeral creates znodes that go with the session, and asks for them.
func (g *generator) ephemeral(*session) []asked {
	path := pick(g.r, []string{g.path(), g.parent() + "/e0", g.parent() + "/e1", "/e2"})
	switch g.r.IntN(6) {
	case 0:
		prefix := pick(g.r, []string{"/", "", g.parent(), path})
		return []asked{ask(wire.OpGetEphemerals, &wire.PathRequest{Path: prefix})}
	case 1:
		return []asked{g.remove(path)}
	case 2:
		return []asked{g.create(path+"/child", 0)}
	case 3:
		return []asked{g.readOf(wire.OpExists, path, g.r.chance(500))}
	}
	return []asked{g.create(path, wire.FlagEphemeral)}
}

// multi makes several changes at once, or none.
func (g *generator) multi(*session) []asked {
	if g.r.chance(200) {
		return []asked{g.multiRead()}
	}
	var q wire.MultiRequest
	for range g.r.IntN(5) {
		path := g.path()
		op := wire.MultiOp{}
		switch g.r.IntN(8) {
		case 0, 1, 2:
			op.Op = pick(g.r, []wire.OpCode{wire.OpCreate, wire.OpCreate2})
			op.Create = wire.CreateTTLRequest{Path: path, Data: g.data(), ACL: wire.OpenACL(),
				Flags: int32(g.r.IntN(5))}
			if g.r.chance(30) {
				op.Create.Flags, op.Create.ACL = int32(g.r.IntN(9)-1), nil
			}
		case 3:
			op.Op = wire.OpCreateTTL
			op.Create = wire.CreateTTLRequest{Path: path, ACL: wire.OpenACL(),
				Flags: wire.FlagTTL, TTLMs: g.r.between(1, 2000)}
			if g.r.chance(100) {
				op.Create.Flags = int32(g.r.IntN(9) - 1)
			}
		case 4:
			op.Op = wire.OpDelete
			op.Delete = wire.DeleteRequest{Path: path, Version: g.expected(path)}
		case 5:
			op.Op = wire.OpCheck
			if g.r.chance(100) {
				path = pick(g.r, oddPaths)
			}
			op.Check = wire.CheckRequest{Path: path, Version: g.expected(path)}
		default:
			op.Op = wire.OpSetData
			op.SetData = wire.SetDataRequest{Path: path, Data: g.data(), Version: g.expected(path)}
		}
		q.Ops = append(q.Ops, op)
	}
	return []asked{ask(wire.OpMulti, &q)}
}

func (g *generator) multiRead() asked {
	var q wire.MultiRequest
	for range g.r.IntN(4) {
		q.Ops = append(q.Ops, wire.MultiOp{
			Op:   pick(g.r, []wire.OpCode{wire.OpGetData, wire.OpGetChildren}),
			Read: wire.PathWatchRequest{Path: g.path(), Watch: g.r.chance(300)}})
	}
	return ask(wire.OpMultiRead, &q)
}

// read asks for all that can be read.
func (g *generator) read(*session) []asked {
	path := pick(g.r, []string{g.path(), g.path(), "/", "", "/zookeeper", "/zookeeper/config"})
	switch g.r.IntN(8) {
	case 0:
		return []asked{ask(wire.OpGetAllChildrenNumber, &wire.PathRequest{Path: path})}
	case 1:
		return []asked{g.multiRead()}
	case 2:
		return []asked{g.sync(path)}
	case 3:
		return []asked{{op: wire.OpPing}}
	}
	return []asked{g.readOf(pick(g.r, pathReads), path, false)}
}

// writeReadWrite pipelines a read, with a watch, between two writes of the same path.
func (g *generator) writeReadWrite(*session) []asked {
	path := g.path()
	write := func() asked {
		switch g.r.IntN(4) {
		case 0:
			return g.create(path, 0)
		case 1:
			return g.remove(path)
		}
		return ask(wire.OpSetData, &wire.SetDataRequest{Path: path, Data: g.data(), Version: -1})
	}
	all := []asked{write()}
	for range 1 + g.r.IntN(3) {
		if g.r.chance(200) {
			all = append(all, g.sync(path))
		}
		all = append(all, g.readOf(pick(g.r, pathReads), path, g.r.chance(600)), write())
	}
	return all
}

// everything reads all paths that clients use.
func (g *generator) everything() []asked {
	all := []asked{g.readOf(wire.OpGetChildren2, "/", false), {op: wire.OpWhoAmI},
		ask(wire.OpGetAllChildrenNumber, &wire.PathRequest{Path: "/"}),
		ask(wire.OpGetEphemerals, &wire.PathRequest{Path: "/"}),
		g.readOf(wire.OpGetData, "/zookeeper/config", false)}
	if g.w.k.Recipes > 0 {
		all = append(all, g.readOf(wire.OpGetChildren2, "/queue", false),
			g.readOf(wire.OpGetData, "/counter", false))
	}
	for _, p := range g.paths {
		all = append(all, g.readOf(wire.OpGetData, p, false),
			g.readOf(wire.OpGetChildren2, p, false),
			ask(wire.OpGetACL, &wire.PathRequest{Path: p}))
	}
	return all
}
