package main

import (
	"fmt"
	"strings"

	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/wire"
)

// Names of znodes. Those of guarded get access lists that keep somebody out; all others stay
// open, so that deleteContainer, which asks for no permission there, is only sent where it needs
// none.
var (
	open    = []string{"a", "b", "c"}
	guarded = []string{"p", "q"}
)

// oddPaths are paths that name no znode, or one of the server's own.
var oddPaths = []string{"", "/", "nope", root + "/a/", root + "//a", root + "/./a", root + "/..",
	root + "/..a", root + "/a\x00b", root + "/\x01", root + "/\x7f", root + "/\u0085",
	root + "/\ue000", root + "/\ufff0", root + "/é",
	"/zookeeper", "/zookeeper/quota", "/zookeeper/none", "//", root + "/a/./b", "/zookeeper/",
	"/zookeeper/config", "/zookeeper/config/x", root + "/\u2028", root + "/ ", root + "/\uffef",
	root + "/\uf900", root + "/...", root + "/a b"}

// unspeakable are paths that Java spells in another way when it repeats them. They are only sent
// where they are refused: see docs/COMPATIBILITY.md.
var unspeakable = []string{root + "/\xff\xfe", root + "/\U0001f600"}

// freshPath draws a path below the root, of any znode that could be there.
func (g *generator) freshPath() string {
	parent := root
	if len(g.guess.paths) > 0 && g.percent(60) {
		parent = pick(g, g.guess.paths...)
		if strings.Count(parent, "/") > 4 {
			parent = root
		}
	}
	path := parent
	for range 1 + g.below(20)/18 {
		if g.percent(60) {
			path += "/" + pick(g, open...)
		} else {
			path += "/" + pick(g, guarded...)
		}
	}
	return path
}

// existing draws a path that is likely to be there.
func (g *generator) existing() string {
	if len(g.guess.paths) == 0 || g.percent(6) {
		return root
	}
	return pick(g, g.guess.paths...)
}

// anyPath draws a path for a read or a write.
func (g *generator) anyPath() string {
	switch g.weighted([]int{70, 24, 6}) {
	case 0:
		return g.existing()
	case 1:
		return g.freshPath()
	}
	return pick(g, oddPaths...)
}

// guardedName says whether the znode may have a list that keeps somebody out.
func guardedName(path string) bool {
	name := path[strings.LastIndexByte(path, '/')+1:]
	return strings.HasPrefix(name, "p") || strings.HasPrefix(name, "q")
}

// value draws the data of a znode.
func (g *generator) value() []byte {
	switch g.weighted([]int{8, 10, 76, 6}) {
	case 0:
		return nil
	case 1:
		return []byte{}
	case 2:
		return []byte(fmt.Sprintf("v%0*d", g.below(12), g.below(1000)))
	}
	if g.percent(3) {
		return []byte(strings.Repeat("y", 1+g.below(1e6)))
	}
	return []byte(strings.Repeat("x", g.below(3000)))
}

// version draws what a conditional write expects.
func (g *generator) version(is int32) int32 {
	switch g.weighted([]int{50, 28, 18, 4}) {
	case 0:
		return -1
	case 1:
		return is
	case 2:
		return is + pick(g, int32(1), 2, -1)
	}
	return pick(g, int32(1<<31-1), -1<<31, -2)
}

func grant(perms wire.Perm, scheme, id string) wire.ACL {
	return wire.ACL{Perms: perms, ID: wire.ID{Scheme: scheme, ID: id}}
}

// acl draws an access list for a znode.
func (g *generator) acl(path string) []wire.ACL {
	if g.percent(7) {
		return pick(g, nil, []wire.ACL{}, []wire.ACL{grant(31, "world", "bob")},
			[]wire.ACL{grant(31, "bogus", "x")}, []wire.ACL{grant(31, "digest", "nocolon")},
			[]wire.ACL{grant(31, "digest", "a:b:c")}, []wire.ACL{grant(31, "ip", "1.2.3.4/99")},
			[]wire.ACL{grant(31, "ip", "host")}, []wire.ACL{grant(31, "sasl", "me")},
			[]wire.ACL{grant(31, "super", "")}, []wire.ACL{grant(31, "x509", "CN=a")},
			[]wire.ACL{grant(31, "digest", "user1:")}, []wire.ACL{grant(31, "digest", ":")},
			[]wire.ACL{grant(31, "", "")}, []wire.ACL{grant(31, "world", "")},
			[]wire.ACL{grant(31, "ip", "")}, []wire.ACL{grant(31, "ip", "127.0.0.1/33")},
			[]wire.ACL{grant(31, "ip", "127.0.0.1/-1")})
	}
	var list []wire.ACL
	if !guardedName(path) || g.percent(25) {
		list = wire.OpenACL()
		if g.percent(80) {
			return list
		}
	}
	for range 1 + g.below(3) {
		perms := wire.Perm(g.below(32))
		if g.percent(50) {
			perms |= wire.PermRead
		}
		if g.percent(2) {
			perms = pick(g, wire.Perm(32), -1, 1<<30, 63)
		}
		switch g.weighted([]int{25, 40, 20, 15}) {
		case 0:
			list = append(list, grant(perms, "world", "anyone"))
		case 1:
			who := pick(g, "user1:pw", "user2:pw", "user3:", "stranger:pw")
			id := core.DigestID("", who)
			if g.percent(4) {
				id = pick(g, "a:b", ":b", "a:b:", "é:ü")
			}
			list = append(list, grant(perms, "digest", id))
		case 2:
			list = append(list, grant(perms, "auth", pick(g, "", "x")))
		case 3:
			list = append(list, grant(perms, "ip", pick(g, "127.0.0.1", "127.0.0.0/8",
				"10.0.0.1", "0.0.0.0/0", "::1", "::1/64", "127.0.0.01", "127.128.0.0/9",
				"127.0.0.1/32")))
		}
		if g.percent(15) {
			list = append(list, list[len(list)-1])
		}
	}
	return list
}

// read draws a request that changes no znode.
func (g *generator) read() Request {
	if g.percent(3) {
		return g.malformed()
	}
	path := g.anyPath()
	switch g.weighted([]int{50, 9, 8, 8, 5, 3, 5, 7, 7, 12, 8}) {
	case 0:
		return g.watchable(path)
	case 1:
		return pathRequest(wire.OpGetACL, path)
	case 2:
		return pathRequest(wire.OpSync, path)
	case 3:
		return Request{Op: wire.OpPing}
	case 4:
		prefix := pick(g, path, root, root+"/a", root+"/a/", "/", "", " ", "nope")
		return pathRequest(wire.OpGetEphemerals, prefix)
	case 5:
		return pathRequest(wire.OpGetAllChildrenNumber, path)
	case 6:
		return Request{Op: wire.OpWhoAmI}
	case 7, 8:
		return g.watcher(path)
	case 9:
		return g.addWatch(path)
	}
	return g.multiRead()
}

func pathRequest(op wire.OpCode, path string) Request {
	q := wire.PathRequest{Path: path}
	return Request{Op: op, Body: q.AppendTo(nil)}
}

// malformed draws a read whose body cannot be decoded. Such a write would stop ZooKeeper.
func (g *generator) malformed() Request {
	op := pick(g, wire.OpExists, wire.OpGetData, wire.OpGetChildren, wire.OpGetChildren2,
		wire.OpGetACL, wire.OpCheckWatches, wire.OpAddWatch, wire.OpRemoveWatches,
		wire.OpMultiRead, wire.OpGetAllChildrenNumber)
	bodies := [][]byte{{}, {0}, {0, 0, 0, 9, 'x'}, {0x7f, 0xff, 0xff, 0xff}, {0x80, 0, 0, 0},
		{0, 0, 0, 1, '/'}}
	switch op {
	case wire.OpExists, wire.OpGetData, wire.OpGetChildren, wire.OpGetChildren2:
		bodies = append(bodies, []byte{0xff, 0xff, 0xff, 0xff, 1}) // a null path
	case wire.OpGetACL, wire.OpGetAllChildrenNumber:
		bodies = append(bodies[:5], []byte{0xff, 0xff, 0xff, 0xff})
	}
	return Request{Op: op, Body: pick(g, bodies...)}
}

func (g *generator) watchable(path string) Request {
	op := pick(g, wire.OpExists, wire.OpExists, wire.OpGetData, wire.OpGetData,
		wire.OpGetChildren, wire.OpGetChildren2)
	q := wire.PathWatchRequest{Path: path, Watch: g.percent(45)}
	if q.Watch {
		list := map[wire.OpCode]int{wire.OpGetChildren: 2, wire.OpGetChildren2: 2}[op]
		if op == wire.OpExists && g.guess.nodes[path] == nil {
			list = 1
		}
		g.watched(list, path)
	}
	return Request{Op: op, Body: q.AppendTo(nil)}
}

// watched notes a watch for a later setWatches.
func (g *generator) watched(list int, path string) {
	at := &g.sessions[g.me].watched[list]
	*at = append(*at, path)
	if len(*at) > 12 {
		*at = (*at)[1:]
	}
}

func (g *generator) addWatch(path string) Request {
	q := wire.AddWatchRequest{Path: path, Mode: int32(g.below(2))}
	if g.percent(10) {
		q.Mode = pick(g, int32(2), -1, 99)
	} else {
		g.watched(3+int(q.Mode), path)
	}
	return Request{Op: wire.OpAddWatch, Body: q.AppendTo(nil)}
}

func (g *generator) watcher(path string) Request {
	if lists := g.sessions[g.me].watched; g.percent(60) {
		if list := pick(g, lists[:]...); len(list) > 0 {
			path = pick(g, list...)
		}
	}
	q := wire.WatcherRequest{Path: path, Type: int32(1 + g.below(5))}
	if g.percent(5) {
		q.Type = pick(g, int32(0), 6, -1)
	}
	return Request{Op: pick(g, wire.OpCheckWatches, wire.OpRemoveWatches), Body: q.AppendTo(nil)}
}

func (g *generator) multiRead() Request {
	var m wire.MultiRequest
	for range g.below(5) {
		if g.percent(2) {
			m.Ops = append(m.Ops, wire.MultiOp{Op: wire.OpDelete,
				Delete: wire.DeleteRequest{Path: root + "/a"}})
		}
		m.Ops = append(m.Ops, wire.MultiOp{Op: pick(g, wire.OpGetData, wire.OpGetChildren),
			Read: wire.PathWatchRequest{Path: g.anyPath(), Watch: g.percent(30)}})
	}
	return Request{Op: wire.OpMultiRead, Body: m.AppendTo(nil)}
}
