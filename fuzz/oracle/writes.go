package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/vivariumdb/vivarium/wire"
)

// write draws a request that changes znodes, or tries to.
func (g *generator) write() Request {
	switch g.weighted([]int{66, 9, 16, 2, 7}) {
	case 0:
		op := g.operation(false)
		return single(&op)
	case 1:
		return g.setACL()
	case 2:
		return g.multi()
	case 3:
		q := wire.ReconfigRequest{Joining: "server.2=127.0.0.1:1:2;3", HasJoining: true,
			CurrentConfigID: -1}
		return Request{Op: wire.OpReconfig, Body: q.AppendTo(nil)}
	}
	return g.deleteContainer()
}

// single makes an operation of a multi a request of its own.
func single(op *wire.MultiOp) Request {
	r := Request{Op: op.Op}
	switch op.Op {
	case wire.OpCreateTTL:
		r.Body = op.Create.AppendTo(nil)
	case wire.OpDelete:
		r.Body = op.Delete.AppendTo(nil)
	case wire.OpSetData:
		r.Body = op.SetData.AppendTo(nil)
	default:
		q := wire.CreateRequest{Path: op.Create.Path, Data: op.Create.Data, ACL: op.Create.ACL,
			Flags: op.Create.Flags}
		r.Body = q.AppendTo(nil)
	}
	return r
}

// operation draws an operation that may stand alone or, in a multi, beside others.
func (g *generator) operation(multi bool) wire.MultiOp {
	if !multi {
		g.hopes = true
	}
	kinds := []int{55, 22, 23, 0}
	if multi {
		kinds[3] = 20
	}
	switch g.weighted(kinds) {
	case 0:
		return g.create(multi)
	case 1:
		path := g.anyPath()
		if g.percent(40) {
			path = g.leaf()
		}
		q := wire.DeleteRequest{Path: path, Version: g.version(g.versionOf(path))}
		g.hopes = g.hopes && g.fits(q.Version, g.versionOf(path)) &&
			g.may(parentOf(path), wire.PermDelete) && g.guess.delete(path)
		return wire.MultiOp{Op: wire.OpDelete, Delete: q}
	case 2:
		path := g.anyPath()
		version := g.version(g.versionOf(path))
		q := wire.SetDataRequest{Path: path, Data: g.value(), Version: version}
		g.hopes = g.hopes && g.fits(version, g.versionOf(path)) && g.may(path, wire.PermWrite)
		if n := g.guess.nodes[path]; n != nil && g.hopes {
			n.version++
		}
		return wire.MultiOp{Op: wire.OpSetData, SetData: q}
	}
	path := g.existing()
	if g.percent(15) {
		path = g.anyPath()
	}
	version := g.versionOf(path)
	if g.percent(30) {
		version = g.version(version)
	}
	g.hopes = g.hopes && g.fits(version, g.versionOf(path)) && g.may(path, wire.PermRead)
	return wire.MultiOp{Op: wire.OpCheck, Check: wire.CheckRequest{Path: path, Version: version}}
}

// fits says whether a write that wants a version may go on.
func (g *generator) fits(want, is int32) bool { return want == -1 || want == is }

// may says whether the session that speaks has a permission, as far as is known.
func (g *generator) may(path string, perm wire.Perm) bool {
	return g.guess.may(path, g.sessions[g.me].users, perm)
}

// leaf draws a path without children, if one comes up soon.
func (g *generator) leaf() string {
	for range 4 {
		path := g.existing()
		if n := g.guess.nodes[path]; n != nil && n.kids == 0 {
			return path
		}
	}
	return g.existing()
}

func (g *generator) versionOf(path string) int32 {
	if n := g.guess.nodes[path]; n != nil {
		return n.version
	}
	return 0
}

// create draws one of the four creates.
func (g *generator) create(multi bool) wire.MultiOp {
	path := g.freshPath()
	if g.percent(10) {
		path = g.anyPath()
	} else if g.percent(2) {
		path = pick(g, unspeakable...)
	}
	op := wire.MultiOp{Op: wire.OpCreate}
	q := &op.Create
	q.Path, q.Data = path, g.value()
	switch g.weighted([]int{38, 27, 15, 20}) {
	case 0, 1:
		op.Op = pick(g, wire.OpCreate, wire.OpCreate2)
		q.Flags = pick(g, int32(0), 0, 0, 0, 1, 1, 2, 2, 3, 4)
		if g.percent(3) {
			q.Flags = pick(g, int32(5), 6, 7, -1, 99)
		}
	case 2:
		op.Op = wire.OpCreateContainer
		q.Flags = wire.FlagContainer
		if g.percent(10) {
			q.Flags = pick(g, int32(0), 2, 9) // see docs/COMPATIBILITY.md
		}
	case 3:
		op.Op = wire.OpCreateTTL
		q.Flags = pick(g, wire.FlagTTL, wire.FlagTTL, wire.FlagTTLSequential)
		q.TTLMs = pick(g, int64(1e9), 1, wire.MaxTTLMs, wire.MaxTTLMs-1, int64(1e6))
		if g.percent(15) {
			q.TTLMs = pick(g, int64(0), -1, wire.MaxTTLMs+1, 1<<62)
		}
	}
	sequential := q.Flags == wire.FlagPersistentSequential ||
		q.Flags == wire.FlagEphemeralSequential || q.Flags == wire.FlagTTLSequential
	if sequential && g.percent(30) {
		q.Path += pick(g, "/", "-", "s")
	}
	q.ACL = g.acl(q.Path)
	if multi && q.ACL == nil {
		q.ACL = []wire.ACL{} // see docs/COMPATIBILITY.md
	}
	g.hopes = g.hopes && g.guessCreate(q, sequential)
	return op
}

// guessCreate guesses whether a create is granted.
func (g *generator) guessCreate(q *wire.CreateTTLRequest, sequential bool) bool {
	path, owner := q.Path, -1
	spoken := func(odd string) bool { return strings.HasPrefix(path, odd) }
	if !strings.HasPrefix(path, root+"/") || len(q.ACL) == 0 ||
		slices.Contains(oddPaths, path) || slices.ContainsFunc(unspeakable, spoken) {
		return false
	}
	acl, ok := granted(q.ACL, g.sessions[g.me].users)
	if !ok || !g.may(parentOf(path), wire.PermCreate) {
		return false
	}
	if sequential {
		if parent := g.guess.nodes[parentOf(path)]; parent != nil {
			path = fmt.Sprintf("%s%010d", path, parent.created)
		}
	}
	if q.Flags == wire.FlagEphemeral || q.Flags == wire.FlagEphemeralSequential {
		owner = g.me
	}
	return g.guess.create(path, owner, acl)
}

// setACL is the last write of its burst: ZooKeeper judges what stands behind it in the same pipe
// by the list before or the one after, as it happens.
func (g *generator) setACL() Request {
	g.last = true
	path := g.existing()
	if g.percent(15) {
		path = pick(g, root+"/none", root+"/a//b", root+"/./a", "nope", root+"/a/")
	}
	aversion := int32(0)
	if n := g.guess.nodes[path]; n != nil {
		aversion = n.aversion
	}
	q := wire.SetACLRequest{Path: path, ACL: g.acl(path), Version: g.version(aversion)}
	acl, ok := granted(q.ACL, g.sessions[g.me].users)
	if n := g.guess.nodes[path]; n != nil && ok && g.fits(q.Version, aversion) &&
		g.may(path, wire.PermAdmin) {
		n.aversion++
		n.acl = acl
	}
	return Request{Op: wire.OpSetACL, Body: q.AppendTo(nil)}
}

// deleteContainer is only sent for children of open znodes; see guarded.
func (g *generator) deleteContainer() Request {
	path := g.anyPath()
	for guardedName(parentOf(path)) || !strings.HasPrefix(path, "/") {
		path = g.freshPath()
	}
	g.guess.delete(path)
	return pathRequest(wire.OpDeleteContainer, path)
}

func (g *generator) multi() Request {
	var m wire.MultiRequest
	most := 6
	if g.quota {
		most = 2 // ZooKeeper judges each as if the others were not there
	}
	before := g.guess.copy()
	g.hopes = true
	for range g.below(most) {
		m.Ops = append(m.Ops, g.operation(true))
	}
	body := m.AppendTo(nil)
	if g.percent(4) {
		body = g.spoil(&m, body)
		g.hopes = false
	}
	if !g.hopes {
		g.guess = before
	}
	return Request{Op: wire.OpMulti, Body: body}
}

// spoil makes a multi one that cannot be decoded as a whole.
func (g *generator) spoil(m *wire.MultiRequest, body []byte) []byte {
	read := wire.MultiOp{Op: wire.OpGetData, Read: wire.PathWatchRequest{Path: root}}
	switch g.below(4) {
	case 0:
		m.Ops = append(m.Ops, read)
	case 1:
		m.Ops = []wire.MultiOp{read, read}
	case 2:
		header := wire.MultiHeader{Op: pick(g, wire.OpSetACL, wire.OpExists, unknownOp), Err: -1}
		return append(header.AppendTo(nil), body...)
	case 3:
		return body[:len(body)-1-g.below(8)]
	}
	return m.AppendTo(nil)
}

// makeQuota limits a znode, or takes a limit away.
func (g *generator) makeQuota() {
	path := root
	if g.percent(60) {
		path = g.existing()
	}
	quota := "/zookeeper/quota" + path
	if g.percent(20) {
		q := wire.DeleteRequest{Path: quota + "/zookeeper_limits", Version: -1}
		g.send(Request{Op: wire.OpDelete, Body: q.AppendTo(nil)})
		return
	}
	limits := fmt.Sprintf("count=%d,bytes=%d=;byteHardLimit=%d;countHardLimit=%d",
		g.below(4)-1, g.below(20)-1, g.below(40)-1, g.below(9)-1)
	if g.percent(20) {
		limits = fmt.Sprintf("count=%d,bytes=%d", g.below(4)-1, g.below(20)-1)
	}
	at := "/zookeeper/quota"
	for _, name := range strings.Split(path[1:], "/") {
		at += "/" + name
		g.makeNode(at, nil)
	}
	g.makeNode(quota+"/zookeeper_limits", []byte(limits))
	set := wire.SetDataRequest{Path: quota + "/zookeeper_limits", Data: []byte(limits), Version: -1}
	g.send(Request{Op: wire.OpSetData, Body: set.AppendTo(nil)})
	g.makeNode(quota+"/zookeeper_stats", []byte("count=0,bytes=0"))
	get := wire.PathWatchRequest{Path: quota + "/zookeeper_stats", Watch: g.percent(50)}
	g.send(Request{Op: wire.OpGetData, Body: get.AppendTo(nil)})
}

func (g *generator) makeNode(path string, data []byte) {
	q := wire.CreateRequest{Path: path, Data: data, ACL: wire.OpenACL()}
	g.send(Request{Op: wire.OpCreate, Body: q.AppendTo(nil)})
}
