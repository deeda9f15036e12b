package sim

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/wire"
)

// asked is a request that a client is going to send.
type asked struct {
	op   wire.OpCode
	body []byte
}

// record is a request's body.
type record interface{ AppendTo(b []byte) []byte }

func ask(op wire.OpCode, body record) asked { return asked{op, body.AppendTo(nil)} }

// generator makes up the requests of one client. Paths are few, so that clients meet.
type generator struct {
	w       *World
	r       rng
	ip      netip.Addr
	paths   []string // those of ordinary znodes, parents first
	version map[string]int32
	counter int
	kinds   []func(*session) []asked
	weights []int64
}

func newGenerator(w *World, r rng, ip netip.Addr) *generator {
	g := &generator{w: w, r: r, ip: ip, version: map[string]int32{}}
	for i := range w.k.Roots {
		root := fmt.Sprintf("/r%d", i)
		g.paths = append(g.paths, root)
		for j := range w.k.Names {
			child := fmt.Sprintf("%s/n%d", root, j)
			g.paths = append(g.paths, child)
			if j == 0 {
				g.paths = append(g.paths, child+"/deep")
			}
		}
	}
	k := &w.k
	g.kinds = []func(*session) []asked{g.register, g.tree, g.sequence, g.ephemeral, g.multi,
		g.watch, g.persistent, g.acl, g.quota, g.ttl, g.read, g.odd, g.writeReadWrite}
	g.weights = []int64{k.WeightRegister, k.WeightTree, k.WeightSequence, k.WeightEphemeral,
		k.WeightMulti, k.WeightWatch, k.WeightPersistent, k.WeightACL, k.WeightQuota, k.WeightTTL,
		k.WeightRead, k.WeightOdd, k.WeightWRW}
	return g
}

// next makes up what comes next: most often one request.
func (g *generator) next(s *session) []asked {
	list := g.kinds[g.r.weighted(g.weights)](s)
	for i := range list {
		if g.r.chance(g.w.k.BadRequest) && list[i].op != wire.OpAuth {
			g.w.count.add(faultBadRequest)
			list[i].body = list[i].body[:g.r.IntN(len(list[i].body)+1)]
		}
		if g.r.chance(g.w.k.UnknownOp) {
			g.w.count.add(faultUnknownOp)
			list[i].op = pick(g.r, []wire.OpCode{wire.OpCheck, wire.OpNotification, 10, 23, 99,
				1000, wire.OpCreateSession, -12})
		}
	}
	return list
}

// learn keeps the versions that answers show, for requests that expect one.
func (g *generator) learn(a *arrival) {
	if a.request == nil || a.result.Stat == nil {
		return
	}
	path := a.request.Path
	if a.result.Path != "" {
		path = a.result.Path
	}
	g.version[path] = a.result.Stat.Version
	if len(g.version) > 1000 {
		clear(g.version)
	}
}

func (g *generator) timeoutMs() int32 {
	return int32(g.r.between(g.w.k.MinTimeoutMs-100, g.w.k.MaxTimeoutMs+100))
}

func (g *generator) path() string { return pick(g.r, g.paths) }

// parent returns a path that has others below it.
func (g *generator) parent() string {
	return fmt.Sprintf("/r%d", g.r.Int64N(g.w.k.Roots))
}

func (g *generator) data() []byte {
	switch g.r.IntN(12) {
	case 0:
		return nil
	case 1:
		return []byte{}
	}
	if g.r.chance(g.w.k.BigData) {
		g.w.count.add(faultBigData)
		return make([]byte, g.r.between(60_000, 150_000))
	}
	g.counter++
	data := fmt.Appendf(nil, "%s#%d", g.ip, g.counter)
	if n := g.r.Int64N(g.w.k.DataBytes + 1); n > int64(len(data)) && g.r.chance(300) {
		data = append(data, make([]byte, n-int64(len(data)))...)
	}
	return data
}

// expected returns a version for a request: any, the last seen, or a wrong one.
func (g *generator) expected(path string) int32 {
	known, ok := g.version[path]
	switch n := g.r.IntN(10); {
	case n < 5 && ok:
		return known
	case n == 9:
		return int32(g.r.IntN(4))
	}
	return -1
}

func (g *generator) create(path string, flags int32) asked {
	return g.createWith(path, flags, wire.OpenACL())
}

func (g *generator) createWith(path string, flags int32, acl []wire.ACL) asked {
	q := wire.CreateRequest{Path: path, Data: g.data(), ACL: acl, Flags: flags}
	if g.r.chance(500) {
		return ask(wire.OpCreate2, &q)
	}
	return ask(wire.OpCreate, &q)
}

func (g *generator) set(path string) asked {
	return ask(wire.OpSetData, &wire.SetDataRequest{Path: path, Data: g.data(),
		Version: g.expected(path)})
}

func (g *generator) remove(path string) asked {
	return ask(wire.OpDelete, &wire.DeleteRequest{Path: path, Version: g.expected(path)})
}

func (g *generator) readOf(op wire.OpCode, path string, watch bool) asked {
	return ask(op, &wire.PathWatchRequest{Path: path, Watch: watch})
}

var pathReads = []wire.OpCode{wire.OpExists, wire.OpGetData, wire.OpGetChildren,
	wire.OpGetChildren2}

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

var users = []string{"ann:secret", "bob:1234", "ann:other", superCredentials, "nobody"}

// acl changes who may do what, and who the client is.
func (g *generator) acl(s *session) []asked {
	path := g.path()
	switch g.r.IntN(8) {
	case 0:
		auth := []byte(pick(g.r, users))
		if g.r.chance(30) {
			bad := wire.AuthRequest{Scheme: pick(g.r, []string{"world", "x", ""}), Auth: auth}
			return []asked{ask(wire.OpAuth, &bad)}
		}
		if g.r.chance(50) {
			return []asked{ask(wire.OpAuth, &wire.AuthRequest{Scheme: "ip", Auth: auth})}
		}
		if len(s.auths) < 3 {
			s.auths = append(s.auths, auth)
		}
		return []asked{ask(wire.OpAuth, &wire.AuthRequest{Scheme: "digest", Auth: auth})}
	case 1:
		return []asked{{op: wire.OpWhoAmI}}
	case 2, 3:
		return []asked{ask(wire.OpGetACL, &wire.PathRequest{Path: path})}
	case 4, 5:
		return []asked{g.createWith(path, int32(g.r.IntN(2)), g.anyACL())}
	}
	return []asked{ask(wire.OpSetACL, &wire.SetACLRequest{Path: path, ACL: g.anyACL(),
		Version: pick(g.r, []int32{-1, -1, -1, 0, 1})})}
}

var oddAddresses = []string{"10.0.0.0/8", "10.0.0.1/99", "300.1.1.1", "fd00::/8", "1.2.3", "",
	"10.0.0.1/", "a.b.c.d", "10.0.0.1/-1"}

func (g *generator) anyACL() []wire.ACL {
	perms := pick(g.r, []wire.Perm{wire.PermAll, wire.PermRead, wire.PermRead | wire.PermWrite,
		wire.PermAll &^ wire.PermRead, wire.PermAdmin, wire.PermCreate | wire.PermDelete, 0})
	var list []wire.ACL
	for range 1 + g.r.IntN(2) {
		id := pick(g.r, []wire.ID{{Scheme: "world", ID: "anyone"}, {Scheme: "auth"},
			{Scheme: "digest", ID: core.DigestID("", users[0])},
			{Scheme: "digest", ID: core.DigestID("", users[1])},
			{Scheme: "ip", ID: g.ip.String()}, {Scheme: "ip", ID: "10.0.0.0/30"},
			{Scheme: "ip", ID: pick(g.r, oddAddresses)},
			{Scheme: "digest", ID: "nocolon"}, {Scheme: "world", ID: "bob"}, {Scheme: "odd"}})
		list = append(list, wire.ACL{Perms: perms, ID: id})
	}
	if g.r.chance(500) {
		list = append(list, wire.OpenACL()...) // so that the path stays of use
	}
	return list
}

// oddQuotas are texts of limits that are not quite what they should be.
var oddQuotas = []string{"", ",", "count=3", "count=2;bytes=50", "bytes=", "count=x,bytes=7",
	"countHardLimit=3;other=9;more=1", "=5", "count=1=2,bytes=4", "byteHardLimit=20"}

// quota sets limits, removes them, and looks at the counts.
func (g *generator) quota(*session) []asked {
	root := g.parent()
	at := "/zookeeper/quota" + root
	limits, stats := at+"/zookeeper_limits", at+"/zookeeper_stats"
	text := fmt.Appendf(nil, "count=%d,bytes=%d=;byteHardLimit=%d;countHardLimit=%d",
		g.r.between(-1, 4), g.r.between(-1, 100), g.r.between(-1, 300), g.r.between(-1, 8))
	if g.r.chance(200) {
		text = []byte(pick(g.r, oddQuotas))
	}
	create := func(path string, data []byte) asked {
		return ask(wire.OpCreate, &wire.CreateRequest{Path: path, Data: data, ACL: wire.OpenACL()})
	}
	switch g.r.IntN(6) {
	case 0:
		return []asked{create(at, nil), create(limits, text), create(stats, text)}
	case 1:
		return []asked{ask(wire.OpSetData, &wire.SetDataRequest{Path: limits, Data: text,
			Version: -1})}
	case 2:
		return []asked{g.remove(pick(g.r, []string{limits, stats, at}))}
	case 3, 4:
		return []asked{g.readOf(wire.OpGetData, stats, false)}
	}
	return []asked{g.create(root+"/n0", 0)}
}

// ttl makes znodes that the leader removes when they are of no more use.
func (g *generator) ttl(*session) []asked {
	root := g.parent()
	name := pick(g.r, []string{"t0", "t1", "c0", "c1"})
	path := root + "/" + name
	switch g.r.IntN(6) {
	case 0:
		return []asked{g.create(path+"/x", 0)}
	case 1:
		return []asked{g.remove(path + "/x")}
	case 2:
		return []asked{g.set(path)}
	case 3:
		return []asked{ask(wire.OpDeleteContainer, &wire.PathRequest{Path: path})}
	}
	if name[0] == 'c' {
		op := pick(g.r, []wire.OpCode{wire.OpCreateContainer, wire.OpCreate})
		return []asked{ask(op, &wire.CreateRequest{Path: path, Data: g.data(),
			ACL: wire.OpenACL(), Flags: wire.FlagContainer})}
	}
	ttl := g.r.between(1, 2000)
	if g.r.chance(50) {
		ttl = pick(g.r, []int64{0, -1, wire.MaxTTLMs, wire.MaxTTLMs + 1})
	}
	return []asked{ask(wire.OpCreateTTL, &wire.CreateTTLRequest{Path: path, Data: g.data(),
		ACL: wire.OpenACL(), Flags: wire.FlagTTL + int32(g.r.IntN(2)), TTLMs: ttl})}
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

var oddPaths = []string{"", "/", "r0", "/r0/", "//r0", "/r0/.", "/r0/../r1", "/r0/a\x00b",
	"/r0/\x1f", "/r0/\u0085", "/r0/\ue000", "/r0/\xff", "/..a", "/r0/\U0001f600", "/zookeeper",
	"/zookeeper/quota", "/zookeeper/config", "/nowhere/x", "/r0/ü"}

// odd asks for what must be refused, on purpose.
func (g *generator) odd(*session) []asked {
	path := pick(g.r, oddPaths)
	switch g.r.IntN(11) {
	case 0:
		return []asked{g.remove(path)}
	case 1:
		return []asked{g.set(path)}
	case 8:
		return []asked{ask(wire.OpDeleteContainer, &wire.PathRequest{
			Path: pick(g.r, []string{path, g.path()})})}
	case 9:
		return []asked{ask(wire.OpCreateTTL, &wire.CreateTTLRequest{Path: path,
			ACL: wire.OpenACL(), Flags: int32(g.r.IntN(9) - 1), TTLMs: 5})}
	case 10:
		if g.r.chance(100) {
			return []asked{pick(g.r, []asked{
				ask(wire.OpSASL, &wire.SASLRequest{Token: []byte("token")}),
				ask(wire.OpSASL, &wire.SASLRequest{}),
				ask(wire.OpAuth, &wire.AuthRequest{Scheme: "digest"}),
				ask(wire.OpSetWatches, &wire.SetWatchesRequest{}),
				ask(wire.OpMultiRead, &wire.MultiRequest{Ops: []wire.MultiOp{
					{Op: wire.OpCheck, Check: wire.CheckRequest{Path: path}}}}),
			})}
		}
		return []asked{g.watcher(path)}
	case 2:
		return []asked{g.readOf(pick(g.r, pathReads), path, g.r.chance(300))}
	case 3:
		return []asked{ask(wire.OpSetACL, &wire.SetACLRequest{Path: path, ACL: g.anyACL(),
			Version: -1})}
	case 4:
		return []asked{g.createWith(path, pick(g.r, []int32{-1, 7, 5, 6, 4, 3}), g.anyACL())}
	case 5:
		return []asked{ask(wire.OpReconfig, &wire.ReconfigRequest{CurrentConfigID: -1})}
	case 6:
		return []asked{g.createWith(g.path(), 0, nil)}
	}
	return []asked{g.create(path, int32(g.r.IntN(4)))}
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

// everything reads all paths that clients use.
func (g *generator) everything() []asked {
	all := []asked{g.readOf(wire.OpGetChildren2, "/", false), {op: wire.OpWhoAmI},
		ask(wire.OpGetAllChildrenNumber, &wire.PathRequest{Path: "/"}),
		ask(wire.OpGetEphemerals, &wire.PathRequest{Path: "/"}),
		g.readOf(wire.OpGetData, "/zookeeper/config", false)}
	for _, p := range g.paths {
		all = append(all, g.readOf(wire.OpGetData, p, false),
			g.readOf(wire.OpGetChildren2, p, false),
			ask(wire.OpGetACL, &wire.PathRequest{Path: p}))
	}
	return all
}
