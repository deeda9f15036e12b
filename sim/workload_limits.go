package sim

import (
	"fmt"
	"strings"

	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/wire"
)

var users = []string{"ann:secret", "bob:1234", "ann:other", superCredentials, "nobody"}

// acl changes who may do what, and who the client is.
func (g *generator) acl(s *session) []asked {
	path := g.path()
	if g.r.chance(10) {
		return g.manyIdentities()
	}
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

// manyIdentities shows more identities than a session may have, by their number or their length.
func (g *generator) manyIdentities() []asked {
	var all []asked
	for i := range 14 {
		name := strings.Repeat(string(rune('a'+i)), 5000)
		all = append(all, ask(wire.OpAuth, &wire.AuthRequest{Scheme: "digest",
			Auth: []byte(name + ":secret")}))
	}
	return all
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
			ACL: wire.OpenACL(), Flags: int32(g.r.IntN(9) - 1),
			TTLMs: pick(g.r, []int64{5, -1})})}
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
