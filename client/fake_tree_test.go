package client_test

import (
	"fmt"
	"slices"
	"strings"

	"github.com/vivariumdb/vivarium/wire"
)

// znode is a node of the fake's tree.
type znode struct {
	data    []byte
	stat    wire.Stat
	acl     []wire.ACL
	creates int32
}

func parentOf(path string) string {
	if at := strings.LastIndexByte(path, '/'); at > 0 {
		return path[:at]
	}
	return "/"
}

// childrenOf returns names.
func (f *fake) childrenOf(path string) []string {
	names := []string{}
	for p := range f.tree {
		if p != "/" && parentOf(p) == path {
			names = append(names, p[strings.LastIndexByte(p, '/')+1:])
		}
	}
	return names
}

// statOf returns what clients see.
func (f *fake) statOf(path string) *wire.StatResponse {
	n := f.tree[path]
	s := n.stat
	s.NumChildren = int32(len(f.childrenOf(path)))
	s.Cversion = 2*n.creates - s.NumChildren
	s.DataLength = int32(len(n.data))
	return &wire.StatResponse{Stat: s}
}

// serve answers a request. The caller holds f.mu.
func (c *fakeConn) serve(payload []byte) {
	r := wire.NewReader(payload)
	var h wire.RequestHeader
	h.Decode(&r)
	f := c.f
	switch h.Op {
	case wire.OpCloseSession:
		f.zxid++
		for path, n := range f.tree {
			if n.stat.EphemeralOwner == c.session.id {
				f.remove(path)
			}
		}
		delete(f.sessions, c.session.id)
	case wire.OpAuth:
		var m wire.AuthRequest
		m.Decode(&r)
		if m.Scheme != "digest" {
			c.put(&wire.ReplyHeader{Xid: h.Xid, Err: wire.CodeAuthFailed})
			return
		}
		user, _, _ := strings.Cut(string(m.Auth), ":")
		c.session.ids = append(c.session.ids, wire.ID{Scheme: "digest", ID: user})
	}
	answers, code := c.answer(h.Op, &r)
	if r.Err() != nil {
		answers, code = nil, wire.CodeMarshallingError
	}
	if code != wire.CodeOk {
		answers = nil
	}
	header := &wire.ReplyHeader{Xid: h.Xid, Zxid: f.zxid, Err: code}
	c.put(append([]encoder{header}, answers...)...)
}

// answer carries out a request.
//
//tidy:flat one case for each operation
func (c *fakeConn) answer(op wire.OpCode, r *wire.Reader) ([]encoder, wire.ErrorCode) {
	f := c.f
	switch op {
	case wire.OpPing, wire.OpAuth, wire.OpCloseSession:
		return nil, wire.CodeOk
	case wire.OpCreate, wire.OpCreate2, wire.OpCreateContainer:
		var m wire.CreateRequest
		m.Decode(r)
		path, code := c.create(m.Path, m.Data, m.ACL, m.Flags)
		if code != wire.CodeOk || op == wire.OpCreate {
			return []encoder{&wire.PathResponse{Path: path}}, code
		}
		return []encoder{&wire.PathResponse{Path: path}, f.statOf(path)}, code
	case wire.OpCreateTTL:
		var m wire.CreateTTLRequest
		m.Decode(r)
		path, code := c.create(m.Path, m.Data, m.ACL, (m.Flags-wire.FlagTTL)*2)
		if code != wire.CodeOk {
			return nil, code
		}
		return []encoder{&wire.PathResponse{Path: path}, f.statOf(path)}, code
	case wire.OpDelete:
		var m wire.DeleteRequest
		m.Decode(r)
		return nil, c.delete(m.Path, m.Version)
	case wire.OpSetData:
		var m wire.SetDataRequest
		m.Decode(r)
		code := c.setData(m.Path, m.Data, m.Version)
		if code != wire.CodeOk {
			return nil, code
		}
		return []encoder{f.statOf(m.Path)}, code
	case wire.OpExists, wire.OpGetData, wire.OpGetChildren2:
		var m wire.PathWatchRequest
		m.Decode(r)
		return c.readNode(op, m)
	case wire.OpGetACL, wire.OpSetACL:
		var m wire.SetACLRequest
		m.Path = r.String()
		n := f.tree[m.Path]
		if n == nil {
			return nil, wire.CodeNoNode
		}
		if op == wire.OpSetACL {
			n.acl = slices.Clone(r.ACLs(nil))
			n.stat.Aversion++
			f.zxid++
			return []encoder{f.statOf(m.Path)}, wire.CodeOk
		}
		return []encoder{&wire.GetACLResponse{ACL: n.acl, Stat: f.statOf(m.Path).Stat}}, wire.CodeOk
	case wire.OpSync:
		return []encoder{&wire.PathResponse{Path: r.String()}}, wire.CodeOk
	case wire.OpGetEphemerals:
		var paths []string
		prefix := r.String()
		for path, n := range f.tree {
			if n.stat.EphemeralOwner == c.session.id && strings.HasPrefix(path, prefix) {
				paths = append(paths, path)
			}
		}
		return []encoder{&wire.EphemeralsResponse{Paths: paths}}, wire.CodeOk
	case wire.OpGetAllChildrenNumber:
		count := int32(0)
		root := strings.TrimSuffix(r.String(), "/") + "/"
		for path := range f.tree {
			if path != "/" && strings.HasPrefix(path, root) {
				count++
			}
		}
		return []encoder{&wire.CountResponse{Count: count}}, wire.CodeOk
	case wire.OpWhoAmI:
		var m wire.WhoAmIResponse
		for _, id := range c.session.ids {
			m.Clients = append(m.Clients, wire.ClientInfo{Scheme: id.Scheme, User: id.ID})
		}
		return []encoder{&m}, wire.CodeOk
	case wire.OpMulti, wire.OpMultiRead:
		return c.multi(r), wire.CodeOk
	}
	return c.answerWatches(op, r)
}

// answerWatches carries out the requests about watches.
func (c *fakeConn) answerWatches(op wire.OpCode, r *wire.Reader) ([]encoder, wire.ErrorCode) {
	switch op {
	case wire.OpAddWatch:
		var m wire.AddWatchRequest
		m.Decode(r)
		table := c.persistent
		if m.Mode == wire.ModePersistentRecursive {
			table = c.recursive
		}
		table[m.Path] = true
		return []encoder{&wire.ErrorResponse{}}, wire.CodeOk
	case wire.OpRemoveWatches:
		var m wire.WatcherRequest
		m.Decode(r)
		tables := map[int32][]map[string]bool{
			wire.WatcherData: {c.data}, wire.WatcherChildren: {c.child},
			wire.WatcherPersistent: {c.persistent}, wire.WatcherPersistentRecursive: {c.recursive},
			wire.WatcherAny: {c.data, c.child, c.persistent, c.recursive},
		}[m.Type]
		code := wire.CodeNoWatcher
		for _, table := range tables {
			if table[m.Path] {
				code = wire.CodeOk
			}
			delete(table, m.Path)
		}
		return nil, code
	case wire.OpSetWatches, wire.OpSetWatches2:
		var m wire.SetWatches2Request
		m.RelativeZxid = r.Long()
		m.Data, m.Exist, m.Child = r.Strings(nil), r.Strings(nil), r.Strings(nil)
		if op == wire.OpSetWatches2 {
			m.Persistent, m.PersistentRecursive = r.Strings(nil), r.Strings(nil)
		}
		c.setWatches(&m)
		return nil, wire.CodeOk
	}
	return nil, wire.CodeUnimplemented
}

// setWatches sets watches again, and tells what they missed.
func (c *fakeConn) setWatches(m *wire.SetWatches2Request) {
	check := func(path string, table map[string]bool, changed func(n *znode) wire.EventType) {
		if event := changed(c.f.tree[path]); event != 0 {
			c.event(-1, event, path)
		} else {
			table[path] = true
		}
	}
	for _, path := range m.Data {
		check(path, c.data, func(n *znode) wire.EventType {
			switch {
			case n == nil:
				return wire.EventNodeDeleted
			case n.stat.Mzxid > m.RelativeZxid:
				return wire.EventNodeDataChanged
			}
			return 0
		})
	}
	for _, path := range m.Exist {
		check(path, c.data, func(n *znode) wire.EventType {
			if n != nil {
				return wire.EventNodeCreated
			}
			return 0
		})
	}
	for _, path := range m.Child {
		check(path, c.child, func(n *znode) wire.EventType {
			switch {
			case n == nil:
				return wire.EventNodeDeleted
			case n.stat.Pzxid > m.RelativeZxid:
				return wire.EventNodeChildrenChanged
			}
			return 0
		})
	}
	for _, path := range m.Persistent {
		c.persistent[path] = true
	}
	for _, path := range m.PersistentRecursive {
		c.recursive[path] = true
	}
}

func (c *fakeConn) readNode(op wire.OpCode, m wire.PathWatchRequest) ([]encoder, wire.ErrorCode) {
	n := c.f.tree[m.Path]
	if n == nil {
		if m.Watch && op == wire.OpExists {
			c.data[m.Path] = true
		}
		return nil, wire.CodeNoNode
	}
	table := c.data
	if op == wire.OpGetChildren2 {
		table = c.child
	}
	if m.Watch {
		table[m.Path] = true
	}
	stat := c.f.statOf(m.Path)
	switch op {
	case wire.OpGetData:
		return []encoder{&wire.GetDataResponse{Data: n.data, Stat: stat.Stat}}, wire.CodeOk
	case wire.OpGetChildren2:
		names := c.f.childrenOf(m.Path)
		return []encoder{&wire.Children2Response{Children: names, Stat: stat.Stat}}, wire.CodeOk
	}
	return []encoder{stat}, wire.CodeOk
}

// create creates a node; flags are those of wire without containers and times to live.
func (c *fakeConn) create(path string, data []byte, acl []wire.ACL, flags int32) (
	string, wire.ErrorCode) {
	f := c.f
	f.zxid++
	parent := f.tree[parentOf(path)]
	switch {
	case parent == nil:
		return "", wire.CodeNoNode
	case len(acl) == 0:
		return "", wire.CodeInvalidACL
	}
	if flags == wire.FlagPersistentSequential || flags == wire.FlagEphemeralSequential {
		path = fmt.Sprintf("%s%010d", path, parent.creates)
	}
	switch {
	case f.tree[path] != nil:
		return "", wire.CodeNodeExists
	case parent.stat.EphemeralOwner != 0:
		return "", wire.CodeNoChildrenForEphemerals
	}
	n := &znode{data: slices.Clone(data), acl: slices.Clone(acl)}
	n.stat.Czxid, n.stat.Mzxid, n.stat.Pzxid = f.zxid, f.zxid, f.zxid
	if flags == wire.FlagEphemeral || flags == wire.FlagEphemeralSequential {
		n.stat.EphemeralOwner = c.session.id
	}
	path = strings.Clone(path)
	f.tree[path] = n
	parent.creates++
	parent.stat.Pzxid = f.zxid
	f.notify(wire.EventNodeCreated, path)
	f.notify(wire.EventNodeChildrenChanged, parentOf(path))
	return path, wire.CodeOk
}

func (f *fake) remove(path string) {
	delete(f.tree, path)
	f.tree[parentOf(path)].stat.Pzxid = f.zxid
	f.notify(wire.EventNodeDeleted, path)
	f.notify(wire.EventNodeChildrenChanged, parentOf(path))
}

func (c *fakeConn) delete(path string, version int32) wire.ErrorCode {
	f := c.f
	f.zxid++
	n := f.tree[path]
	switch {
	case path == "/":
		return wire.CodeBadArguments
	case n == nil:
		return wire.CodeNoNode
	case version != wire.AnyVersion && version != n.stat.Version:
		return wire.CodeBadVersion
	case len(f.childrenOf(path)) > 0:
		return wire.CodeNotEmpty
	}
	f.remove(path)
	return wire.CodeOk
}

func (c *fakeConn) setData(path string, data []byte, version int32) wire.ErrorCode {
	f := c.f
	f.zxid++
	n := f.tree[path]
	switch {
	case n == nil:
		return wire.CodeNoNode
	case version != wire.AnyVersion && version != n.stat.Version:
		return wire.CodeBadVersion
	}
	n.data = slices.Clone(data)
	n.stat.Version++
	n.stat.Mzxid = f.zxid
	f.notify(wire.EventNodeDataChanged, path)
	return wire.CodeOk
}

// multi knows the operations that the tests use. It does not roll back: the tests put the failing
// operation first.
func (c *fakeConn) multi(r *wire.Reader) []encoder {
	var m wire.MultiRequest
	m.Decode(r)
	var response wire.MultiResponse
	f := c.f
	for _, op := range m.Ops {
		result := wire.MultiResult{Op: op.Op}
		code := wire.CodeOk
		switch op.Op {
		case wire.OpCreate2:
			result.Path, code = c.create(op.Create.Path, op.Create.Data, op.Create.ACL,
				op.Create.Flags)
		case wire.OpDelete:
			code = c.delete(op.Delete.Path, op.Delete.Version)
		case wire.OpSetData:
			code = c.setData(op.SetData.Path, op.SetData.Data, op.SetData.Version)
		case wire.OpCheck:
			if n := f.tree[op.Check.Path]; n == nil {
				code = wire.CodeNoNode
			} else if op.Check.Version != wire.AnyVersion && n.stat.Version != op.Check.Version {
				code = wire.CodeBadVersion
			}
		case wire.OpGetData, wire.OpGetChildren:
			n := f.tree[op.Read.Path]
			if n == nil {
				result = wire.MultiResult{Op: wire.OpError, Err: wire.CodeNoNode}
				break
			}
			result.Data, result.Children = n.data, f.childrenOf(op.Read.Path)
		}
		if code != wire.CodeOk {
			response.Results = []wire.MultiResult{{Op: wire.OpError, Err: code}}
			for range m.Ops[1:] {
				response.Results = append(response.Results,
					wire.MultiResult{Op: wire.OpError, Err: wire.CodeRuntimeInconsistency})
			}
			break
		}
		response.Results = append(response.Results, result)
	}
	return []encoder{&response}
}
