package sim

import (
	"fmt"
	"net/netip"

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
	w        *World
	r        rng
	ip       netip.Addr
	paths    []string // those of ordinary znodes, parents first
	version  map[string]int32
	counter  int
	operator operator
	raw      bool // the client makes its frames itself
	kinds    []func(*session) []asked
	weights  []int64
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
		g.watch, g.persistent, g.acl, g.quota, g.ttl, g.read, g.odd, g.writeReadWrite,
		g.deep, g.wide, g.syncRead, g.flood, g.config, g.operate}
	g.weights = []int64{k.WeightRegister, k.WeightTree, k.WeightSequence, k.WeightEphemeral,
		k.WeightMulti, k.WeightWatch, k.WeightPersistent, k.WeightACL, k.WeightQuota, k.WeightTTL,
		k.WeightRead, k.WeightOdd, k.WeightWRW, k.WeightDeep, k.WeightWide, k.WeightSyncRead,
		k.WeightFlood, k.WeightConfig, k.WeightOperator}
	return g
}

// next makes up what comes next: most often one request.
func (g *generator) next(s *session) []asked {
	list := g.kinds[g.r.weighted(g.weights)](s)
	for i := range list {
		if g.r.chance(g.w.k.BadRequest) {
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
	if path == "/zookeeper/config" && a.result.Data != nil {
		g.operator.learn(a.result.Data)
	}
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
