package server_test

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math/bits"
	slash "path"
	"slices"
	"strings"

	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/wire"
	"github.com/zeebo/xxh3"
)

// model is the naive State: maps of plain values, copied whole whenever something may have to be
// taken back. It knows what the load asks for and no more, and shares with package core the
// encoding of entries and nothing else.
type model struct {
	index, term uint64
	clock, zxid int64
	nodes       map[string]modelNode
	sessions    map[int64]modelSession
	streams     map[core.RaftID]modelStream
	acls        map[string]modelACL // by their encoding
	lastACL     uint64
}

type modelNode struct {
	data                []byte // never written into
	acl                 string
	czxid, mzxid, pzxid int64
	ctime, mtime, owner int64
	version, aversion   int32
	created, children   int32
}

type modelSession struct {
	generation core.Generation
	owner      core.RaftID
	timeoutMs  int32
	password   [32]byte
	identities []wire.ID
}

type modelStream struct {
	registration core.Registration
	seq          uint64
	nonce        [16]byte
}

type modelACL struct {
	id   uint64
	refs int
}

const containerNode = int64(-1 << 63)

// requestID names a request of a client.
type requestID struct {
	session int64
	xid     int32
}

// result is what became of a command.
type result struct {
	index uint64 // of its entry
	op    wire.OpCode
	zxid  int64
	err   wire.ErrorCode
	path  string // of a create: as it was made
	text  string // for people
}

// results gathers what a replay finds out.
type results struct {
	requests map[requestID]result
	created  map[int64]uint64   // index at which a session was created
	attached map[int64][]uint64 // likewise attached
	ended    map[int64]uint64
	multis   []uint64 // indexes of those that succeeded
}

func newResults() *results {
	return &results{requests: map[requestID]result{}, created: map[int64]uint64{},
		attached: map[int64][]uint64{}, ended: map[int64]uint64{}}
}

// newModel is the State in which an ensemble is founded.
func newModel() *model {
	m := &model{index: 1, term: 1, nodes: map[string]modelNode{},
		sessions: map[int64]modelSession{}, streams: map[core.RaftID]modelStream{},
		acls: map[string]modelACL{}}
	open, read := wire.OpenACL(), []wire.ACL{{Perms: wire.PermRead,
		ID: wire.ID{Scheme: "world", ID: "anyone"}}}
	for _, name := range []string{"/", "/zookeeper", "/zookeeper/quota"} {
		m.nodes[name] = modelNode{data: []byte{}, acl: m.intern(open)}
	}
	m.nodes["/zookeeper/config"] = modelNode{data: []byte{}, acl: m.intern(read), aversion: -1}
	for name, children := range map[string]int32{"/": 1, "/zookeeper": 2} {
		n := m.nodes[name]
		n.children = children
		m.nodes[name] = n
	}
	return m
}

func (m *model) clone() *model {
	c := *m
	c.nodes, c.sessions = maps.Clone(m.nodes), maps.Clone(m.sessions)
	c.streams, c.acls = maps.Clone(m.streams), maps.Clone(m.acls)
	return &c
}

func (m *model) intern(list []wire.ACL) string {
	key := string(wire.AppendACLs(nil, list))
	a, ok := m.acls[key]
	if !ok {
		m.lastACL++
		a.id = m.lastACL
	}
	a.refs++
	m.acls[key] = a
	return key
}

func (m *model) release(key string) {
	a := m.acls[key]
	if a.refs--; a.refs == 0 {
		delete(m.acls, key)
	} else {
		m.acls[key] = a
	}
}

// replay applies the entries of a book behind the model's index, up to the one given.
func (m *model) replay(book *logBook, to uint64, out *results) error {
	for m.index < to {
		e, ok := book.get(m.index + 1)
		if !ok {
			return fmt.Errorf("entry %d was never written into the log", m.index+1)
		}
		if err := m.apply(m.index+1, e, out); err != nil {
			return err
		}
	}
	return nil
}

func (m *model) apply(index uint64, e logEntry, out *results) error {
	m.index, m.term = index, e.term
	if e.kind != 0 || len(e.data) == 0 {
		return nil
	}
	entry, err := core.DecodeEntry(e.data)
	if err != nil {
		return err
	}
	m.clock = max(m.clock, entry.StampMs)
	for i := range entry.Batches {
		b := &entry.Batches[i]
		for n := range b.Commands {
			if err := m.command(b, n, out); err != nil {
				return fmt.Errorf("entry %d: %w", index, err)
			}
		}
	}
	return nil
}

// command applies one command, unless its stream, its term or its session forbids it.
func (m *model) command(b *core.Batch, n int, out *results) error {
	c := &b.Commands[n]
	if c.Kind == core.KindHello {
		if st := m.streams[c.RaftID]; st.registration == c.Replaces {
			m.streams[c.RaftID] = modelStream{core.Registration(m.index), 0, c.Nonce}
		}
		return nil
	}
	if b.Origin.RaftID == 0 {
		if b.Term != m.term {
			return nil
		}
	} else {
		st := m.streams[b.Origin.RaftID]
		if st.registration != b.Origin.Registration || st.seq+1 != b.FirstSeq+uint64(n) {
			return fmt.Errorf("command %d of %v, the stream stands at %+v", b.FirstSeq+uint64(n),
				b.Origin, st)
		}
		st.seq++
		m.streams[b.Origin.RaftID] = st
	}
	s, alive := m.sessions[int64(c.Session)]
	current := alive && s.generation == c.Generation
	switch c.Kind {
	case core.KindCreateSession:
		id := m.next()
		m.sessions[id] = modelSession{1, b.Origin.RaftID, c.TimeoutMs, c.PasswordHash,
			slices.Clone(c.Identities)}
		out.created[id] = m.index
	case core.KindAttach:
		if alive && s.password == c.PasswordHash && int64(c.LastZxidSeen) <= m.zxid {
			m.sessions[int64(c.Session)] = modelSession{s.generation + 1, b.Origin.RaftID,
				c.TimeoutMs, s.password, slices.Clone(c.Identities)}
			out.attached[int64(c.Session)] = append(out.attached[int64(c.Session)], m.index)
		}
	case core.KindRequest:
		if current {
			m.request(c, out)
		}
	case core.KindExpire:
		if current {
			m.next()
			m.end(int64(c.Session), out)
		}
	case core.KindReap:
		if n, ok := m.nodes[c.Path]; ok && n.owner == containerNode && n.children == 0 &&
			n.created > 0 && n.czxid == int64(c.Czxid) {
			m.next()
			m.remove(c.Path)
		}
	default:
		return fmt.Errorf("command of kind %v is not modelled", c.Kind)
	}
	return nil
}

func (m *model) next() int64 {
	m.zxid = max(m.zxid+1, int64(m.term<<32|1))
	return m.zxid
}

func (m *model) end(session int64, out *results) {
	for _, name := range slices.Sorted(maps.Keys(m.nodes)) {
		if m.nodes[name].owner == session {
			m.remove(name)
		}
	}
	delete(m.sessions, session)
	out.ended[session] = m.index
}

func (m *model) request(c *core.Command, out *results) {
	m.next()
	r := result{index: m.index, op: c.Op, zxid: m.zxid}
	in := wire.NewReader(c.Body)
	op := wire.MultiOp{Op: c.Op}
	switch c.Op {
	case wire.OpCloseSession:
		m.end(int64(c.Session), out)
	case wire.OpMulti:
		var q wire.MultiRequest
		q.Decode(&in)
		r.text = m.multi(c, q.Ops, out)
	case wire.OpSetACL:
		var q wire.SetACLRequest
		q.Decode(&in)
		r.text, r.err = q.Path, m.setACL(&q)
	case wire.OpCreate, wire.OpCreateContainer:
		var q wire.CreateRequest
		q.Decode(&in)
		op.Create = wire.CreateTTLRequest{Path: q.Path, Data: q.Data, ACL: q.ACL, Flags: q.Flags}
		r.path, r.err = m.create(c, &op)
		r.text = q.Path
	case wire.OpDelete:
		op.Delete.Decode(&in)
		_, r.err = m.operate(c, &op)
		r.text = op.Delete.Path
	case wire.OpSetData:
		op.SetData.Decode(&in)
		_, r.err = m.operate(c, &op)
		r.text = op.SetData.Path
	}
	r.text, r.path = strings.Clone(r.text), strings.Clone(r.path)
	out.requests[requestID{int64(c.Session), c.Xid}] = r
}

// multi applies all or nothing.
func (m *model) multi(c *core.Command, ops []wire.MultiOp, out *results) (text string) {
	before := m.clone()
	for i := range ops {
		name, err := m.operate(c, &ops[i])
		if err != wire.CodeOk {
			*m = *before
			return "that failed"
		}
		text += name + " "
	}
	out.multis = append(out.multis, m.index)
	return text
}

func (m *model) operate(c *core.Command, op *wire.MultiOp) (string, wire.ErrorCode) {
	switch op.Op {
	case wire.OpCreate, wire.OpCreateContainer:
		return m.create(c, op)
	case wire.OpDelete:
		q := &op.Delete
		n, ok := m.nodes[q.Path]
		switch {
		case !ok:
			return q.Path, wire.CodeNoNode
		case q.Version != -1 && q.Version != n.version:
			return q.Path, wire.CodeBadVersion
		case n.children > 0:
			return q.Path, wire.CodeNotEmpty
		}
		m.remove(q.Path)
		return q.Path, wire.CodeOk
	case wire.OpSetData:
		q := &op.SetData
		n, ok := m.nodes[q.Path]
		switch {
		case !ok:
			return q.Path, wire.CodeNoNode
		case q.Version != -1 && q.Version != n.version:
			return q.Path, wire.CodeBadVersion
		}
		n.data, n.version, n.mzxid, n.mtime = slices.Clone(q.Data), n.version+1, m.zxid, m.clock
		m.nodes[strings.Clone(q.Path)] = n
		return q.Path, wire.CodeOk
	case wire.OpCheck:
		n, ok := m.nodes[op.Check.Path]
		switch {
		case !ok:
			return "", wire.CodeNoNode
		case op.Check.Version != -1 && op.Check.Version != n.version:
			return "", wire.CodeBadVersion
		}
		return "", wire.CodeOk
	}
	return "", wire.CodeUnimplemented
}

func (m *model) create(c *core.Command, op *wire.MultiOp) (string, wire.ErrorCode) {
	q := &op.Create
	parent, ok := m.nodes[slash.Dir(q.Path)]
	if !ok {
		return "", wire.CodeNoNode
	}
	name, owner := strings.Clone(q.Path), int64(0)
	switch q.Flags {
	case wire.FlagPersistentSequential, wire.FlagEphemeralSequential:
		name += fmt.Sprintf("%010d", parent.created)
	case wire.FlagContainer:
		owner = containerNode
	}
	if q.Flags == wire.FlagEphemeral || q.Flags == wire.FlagEphemeralSequential {
		owner = int64(c.Session)
	}
	if _, taken := m.nodes[name]; taken {
		return "", wire.CodeNodeExists
	}
	if parent.owner > 0 {
		return "", wire.CodeNoChildrenForEphemerals
	}
	m.nodes[name] = modelNode{data: slices.Clone(q.Data), acl: m.intern(q.ACL), owner: owner,
		czxid: m.zxid, mzxid: m.zxid, pzxid: m.zxid, ctime: m.clock, mtime: m.clock}
	parent.created, parent.children, parent.pzxid = parent.created+1, parent.children+1, m.zxid
	m.nodes[slash.Dir(name)] = parent
	return name, wire.CodeOk
}

func (m *model) remove(name string) {
	m.release(m.nodes[name].acl)
	delete(m.nodes, name)
	parent := m.nodes[slash.Dir(name)]
	parent.children, parent.pzxid = parent.children-1, m.zxid
	m.nodes[slash.Dir(name)] = parent
}

func (m *model) setACL(q *wire.SetACLRequest) wire.ErrorCode {
	n, ok := m.nodes[q.Path]
	switch {
	case !ok:
		return wire.CodeNoNode
	case q.Version != -1 && q.Version != n.aversion:
		return wire.CodeBadVersion
	}
	was := n.acl
	n.acl, n.aversion = m.intern(q.ACL), n.aversion+1
	m.release(was)
	m.nodes[strings.Clone(q.Path)] = n
	return wire.CodeOk
}

// stat is what a client is to see.
func (n *modelNode) stat() wire.Stat {
	return wire.Stat{Czxid: n.czxid, Mzxid: n.mzxid, Ctime: n.ctime, Mtime: n.mtime,
		Version: n.version, Cversion: 2*n.created - n.children, Aversion: n.aversion,
		EphemeralOwner: max(0, n.owner), DataLength: int32(len(n.data)),
		NumChildren: n.children, Pzxid: n.pzxid}
}

// digest is the sum of the keyed hashes of all items, from scratch, as core/digest.go defines
// them; what it is taken of is the model's.
func (m *model) digest() (out [16]byte) {
	var hi, lo, carry uint64
	add := func(seed uint64, item []byte) {
		h := xxh3.Hash128Seed(item, 0x56697661_72690000|seed)
		lo, carry = bits.Add64(lo, h.Lo, 0)
		hi, _ = bits.Add64(hi, h.Hi, carry)
	}
	be, long := binary.BigEndian, binary.BigEndian.AppendUint64
	for name, n := range m.nodes {
		b := append([]byte(name), 0)
		for _, v := range []int64{n.czxid, n.mzxid, n.pzxid, n.ctime, n.mtime, n.owner} {
			b = long(b, uint64(v))
		}
		for _, v := range []int32{n.version, n.created, n.aversion} {
			b = be.AppendUint32(b, uint32(v))
		}
		add(1, long(b, m.acls[n.acl].id))
		h := xxh3.Hash128Seed(n.data, 0x56697661_72690003)
		b = long(long(append([]byte(name), 0), h.Hi), h.Lo)
		if n.data == nil {
			b = append(b, 0)
		} else {
			b = append(b, 1)
		}
		add(2, b)
	}
	for id, s := range m.sessions {
		b := binary.AppendVarint(nil, id)
		b = binary.AppendUvarint(b, uint64(s.generation))
		b = binary.AppendUvarint(b, uint64(s.owner))
		b = append(binary.AppendVarint(b, int64(s.timeoutMs)), s.password[:]...)
		b = binary.AppendUvarint(b, uint64(len(s.identities)))
		for _, i := range s.identities {
			b = append(binary.AppendUvarint(b, uint64(len(i.Scheme))), i.Scheme...)
			b = append(binary.AppendUvarint(b, uint64(len(i.ID))), i.ID...)
		}
		add(4, b)
	}
	for key, a := range m.acls {
		add(5, append(long(nil, a.id), key...))
	}
	for id, s := range m.streams {
		b := long(long(long(nil, uint64(id)), uint64(s.registration)), s.seq)
		add(6, append(b, s.nonce[:]...))
	}
	be.PutUint64(out[:8], hi)
	be.PutUint64(out[8:], lo)
	return out
}
