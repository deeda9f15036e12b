package core

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/vivariumdb/vivarium/internal/invariant"
	"github.com/vivariumdb/vivarium/internal/mutant"
	"github.com/vivariumdb/vivarium/internal/varint"
	"github.com/vivariumdb/vivarium/wire"
)

// checkpointVersion is the version of headers and records. The header of an ensemble is one
// higher: its membership stands in it.
const (
	checkpointVersion = 1
	membersVersion    = 2
)

// The first byte of a record's key. The order matters to the Loader: znodes name ACL lists and
// sessions, and parents come before their children.
const (
	keyACL     = 1
	keySession = 2
	keyNode    = 3
)

// Record is one item of a checkpoint. Its bytes mean something to this package only.
type Record struct {
	Key    []byte
	Value  []byte
	Delete bool // the item of an older checkpoint is gone; Value is nil
}

// Capture takes what a checkpoint changes. Records and Header stay valid.
type Capture struct {
	Records []Record
	// Header is set when the capture is done. It belongs into the store in the same step as
	// the last record.
	Header []byte
}

// Reset empties the capture for the next step; the records handed out stay valid.
func (c *Capture) Reset() {
	clear(c.Records)
	*c = Capture{Records: c.Records[:0]}
}

// Changed returns how many items a checkpoint would write or delete.
func (s *State) Changed() int {
	t := &s.track.now
	return len(t.nodes.items) - len(t.nodes.free) + len(t.sessions.items) - len(t.sessions.free) +
		len(t.acls.items) - len(t.acls.free) + len(t.at)
}

// Capturing says whether a capture was started and is not done.
func (s *State) Capturing() bool { return s.track.capturing }

// Freeze starts the capture of the State as it is now, between two entries: what Capture then
// gives is this State, whatever is applied meanwhile. It costs no more than the header.
func (s *State) Freeze() {
	t := &s.track
	invariant.Check(!t.capturing, "a checkpoint started before the last was captured")
	invariant.Check(!s.cursor.active, "a checkpoint started within an entry")
	if invariant.Enabled {
		invariant.Check(s.Digest() == s.digestFromScratch(), "the digest is not that of the State")
	}
	t.header = s.appendHeader(nil)
	t.frozen = t.now
	t.now.init()
	t.capturing = true
	if mutant.On("storage-checkpoint-without-sessions") {
		t.frozen.sessions = markList[*session]{}
	}
}

// Capture appends at most max records of the checkpoint started by Freeze to c and says whether
// that was all; then c has the header. Apply may go on between two calls.
func (s *State) Capture(c *Capture, max int) (done bool) {
	t := &s.track
	invariant.Check(t.capturing, "Capture without Freeze")
	n := min(max, len(t.early))
	c.Records = append(c.Records, t.early[:n]...)
	clear(t.early[:n])
	t.early = t.early[n:]
	left := max - n
	f := &t.frozen
	left -= f.captureDeleted(c, left)
	left -= captureList(s, &f.acls, c, left, (*State).aclRecord)
	left -= captureList(s, &f.sessions, c, left, (*State).sessionRecord)
	left -= captureList(s, &f.nodes, c, left, (*State).nodeRecord)
	if left <= 0 || len(t.early) > 0 {
		return false
	}
	c.Header = t.header
	t.capturing, t.header, t.early, t.page, t.frozen = false, nil, nil, nil, changes{}
	return true
}

// captureDeleted appends the deletions and returns how many of max steps it took.
func (c *changes) captureDeleted(to *Capture, max int) int {
	n := min(max, len(c.deleted))
	for i := range n {
		if d := &c.deleted[i]; !d.void {
			to.Records = append(to.Records, Record{Key: []byte(d.key), Delete: true})
		}
		c.deleted[i] = deletion{}
	}
	c.deleted = c.deleted[n:]
	return n
}

// captureList appends the items that are still in the list and returns how many of max steps
// it took.
func captureList[T marked](s *State, l *markList[T], to *Capture, max int,
	capture func(*State, T) Record) int {
	n := min(max, len(l.items)-l.next)
	var none T
	for range n {
		if x := l.items[l.next]; x != none {
			to.Records = append(to.Records, capture(s, x))
			l.items[l.next] = none
			*x.markAt() = 0
		}
		l.next++
	}
	return n
}

// appendHeader appends what is not in records: where the State stands in the log, its streams
// and counters, and its digest.
func (s *State) appendHeader(b []byte) []byte {
	if s.members == nil {
		b = append(b, checkpointVersion)
	} else {
		b = append(b, membersVersion)
	}
	b = binary.AppendUvarint(b, s.index)
	b = binary.AppendUvarint(b, s.term)
	b = binary.AppendVarint(b, s.clock)
	b = binary.AppendVarint(b, int64(s.lastZxid))
	b = binary.AppendUvarint(b, uint64(s.level))
	b = binary.AppendUvarint(b, s.acls.last)
	b = binary.AppendUvarint(b, uint64(s.nodes))
	b = binary.AppendUvarint(b, uint64(len(s.sessions)))
	streams := s.AppendStreams(nil)
	b = binary.AppendUvarint(b, uint64(len(streams)))
	for _, st := range streams {
		b = binary.AppendUvarint(b, uint64(st.Origin.RaftID))
		b = binary.AppendUvarint(b, uint64(st.Origin.Registration))
		b = binary.AppendUvarint(b, st.Seq)
		b = append(b, st.Nonce[:]...)
	}
	if s.members != nil {
		b = appendMembership(b, s.members)
	}
	d := s.Digest()
	return append(b, d[:]...)
}

func appendIDKey(b []byte, kind byte, id uint64) []byte {
	return binary.BigEndian.AppendUint64(append(b, kind), id)
}

// appendNodeKey appends the key of a znode: its path with 0 for "/", which sorts below every
// byte that a name can have, so that a subtree is a range and parents come first.
func appendNodeKey(b []byte, n *node) []byte {
	b = append(b, keyNode)
	if n.parent == nil {
		return b
	}
	at := len(b)
	b = n.appendPath(b)
	for i := at; i < len(b); i++ {
		if b[i] == '/' {
			b[i] = 0
		}
	}
	return b
}

func (s *State) aclRecord(l *aclList) Record {
	return Record{Key: appendIDKey(nil, keyACL, l.id),
		Value: append([]byte{checkpointVersion}, l.key...)}
}

func (s *State) sessionRecord(ss *session) Record {
	return Record{Key: appendIDKey(nil, keySession, uint64(ss.id)),
		Value: appendSession([]byte{checkpointVersion}, ss)}
}

// pageSize is the memory that records of znodes share. A piece of its own for each would cost the
// allocator and the collector more than the encoding.
const pageSize = 64 << 10

// room returns empty memory for a record of at most n bytes.
func (t *tracker) room(n int) []byte {
	if cap(t.page)-len(t.page) < n {
		t.page = make([]byte, 0, max(n, pageSize))
	}
	return t.page[len(t.page) : len(t.page) : len(t.page)+n]
}

// nodeRecord encodes a znode into one piece of memory.
func (s *State) nodeRecord(n *node) Record {
	const most = 1 + 10*binary.MaxVarintLen64 + 1
	t := &s.track
	b := t.room(2 + n.pathLen() + most + len(n.data))
	b = appendNodeKey(b, n)
	at := len(b)
	b = append(b, checkpointVersion)
	b = binary.AppendUvarint(b, n.acl.id)
	b = binary.AppendVarint(b, int64(n.czxid))
	b = binary.AppendVarint(b, int64(n.mzxid))
	b = binary.AppendVarint(b, int64(n.pzxid))
	b = binary.AppendVarint(b, n.ctime)
	b = binary.AppendVarint(b, n.mtime)
	if mutant.On("storage-checkpoint-without-owners") && kindOf(n.owner) == ownerSession {
		b = binary.AppendVarint(b, 0)
	} else {
		b = binary.AppendVarint(b, n.owner)
	}
	b = binary.AppendVarint(b, int64(n.version))
	if mutant.On("storage-checkpoint-parent-counters") {
		b = binary.AppendVarint(b, 0)
	} else {
		b = binary.AppendVarint(b, int64(n.created))
	}
	b = binary.AppendVarint(b, int64(n.aversion))
	if n.data == nil {
		b = append(b, 0)
	} else {
		b = append(append(b, 1), n.data...)
	}
	t.page = t.page[:len(t.page)+len(b)]
	return Record{Key: b[:at:at], Value: b[at:len(b):len(b)]}
}

// appendSession appends all of a session but its ephemerals, which the znodes tell.
func appendSession(b []byte, ss *session) []byte {
	b = binary.AppendVarint(b, int64(ss.id))
	b = binary.AppendUvarint(b, uint64(ss.generation))
	b = binary.AppendUvarint(b, uint64(ss.owner))
	b = binary.AppendVarint(b, int64(ss.timeoutMs))
	b = append(b, ss.passwordHash[:]...)
	return appendIDs(b, ss.identities)
}

// RecordError says that a checkpoint's record or header (Key is nil) is not one that this
// release writes, or does not fit the others.
type RecordError struct {
	Key  []byte
	What string
}

func (e *RecordError) Error() string {
	if e.Key == nil {
		return "load checkpoint: header: " + e.What
	}
	return fmt.Sprintf("load checkpoint: record %x: %s", e.Key, e.What)
}

// DigestError says that a checkpoint does not hold the State that its header speaks of.
type DigestError struct {
	Stored, Computed [16]byte
}

func (e *DigestError) Error() string {
	return fmt.Sprintf("load checkpoint: digest is %x, computed from the records %x",
		e.Stored, e.Computed)
}

// Loader builds a State from the records of a checkpoint, in the order of their keys. It keeps
// the way from the root to the last znode on a stack, so it looks up no path.
type Loader struct {
	s     *State
	acls  map[uint64]*aclList
	last  []byte // key of the last record
	stack []loaded
	err   error
}

// loaded is a znode on the way from the root to the last one. Its children are gathered until all
// are known: a map that never has to grow takes half as long to fill.
type loaded struct {
	node     *node
	end      int // of its key in Loader.last
	children []*node
}

// NewLoader returns a loader of an empty State.
func NewLoader() *Loader {
	return &Loader{s: newEmptyState(), acls: make(map[uint64]*aclList)}
}

// Add takes the next record. Key and value belong to the caller again when it returns. After an
// error the Loader is of no use.
func (l *Loader) Add(key, value []byte) error {
	if l.err == nil {
		l.err = l.add(key, value)
	}
	return l.err
}

func (l *Loader) add(key, value []byte) error {
	bad := func(what string) error { return &RecordError{Key: slices.Clone(key), What: what} }
	if bytes.Compare(l.last, key) >= 0 {
		return bad("keys are not in order")
	}
	if len(value) == 0 || value[0] != checkpointVersion {
		return bad("unknown version")
	}
	d := decoder{varint.NewReader(value[1:])}
	what := ""
	switch key[0] {
	case keyACL:
		what = l.addACL(key, &d)
	case keySession:
		what = l.addSession(key, &d)
	case keyNode:
		what = l.addNode(key, &d)
	default:
		what = "unknown kind"
	}
	if what != "" {
		return bad(what)
	}
	l.last = append(l.last[:0], key...)
	return nil
}

func (l *Loader) addACL(key []byte, d *decoder) (bad string) {
	if len(key) != 9 {
		return "bad key"
	}
	text := d.Rest()
	r := wire.NewReader(text)
	if list := r.ACLs(nil); r.Err() != nil || r.Len() != 0 || len(list) == 0 {
		return "bad ACL"
	}
	id := binary.BigEndian.Uint64(key[1:])
	l.acls[id] = newACLList(id, string(text))
	return ""
}

func (l *Loader) addSession(key []byte, d *decoder) (bad string) {
	ss := &session{id: SessionID(d.Varint()), generation: Generation(d.Uvarint()),
		owner: RaftID(d.Uvarint()), timeoutMs: d.Int32()}
	d.Fill(ss.passwordHash[:])
	ss.identities = cloneIDs(nil, d.ids(nil))
	if !d.Done() || len(key) != 9 ||
		binary.BigEndian.Uint64(key[1:]) != uint64(ss.id) {
		return "bad session"
	}
	l.s.addSession(ss)
	return ""
}

func (l *Loader) addNode(key []byte, d *decoder) (bad string) {
	acl := l.acls[d.Uvarint()]
	n := &node{acl: acl, czxid: Zxid(d.Varint()), mzxid: Zxid(d.Varint()),
		pzxid: Zxid(d.Varint()), ctime: d.Varint(), mtime: d.Varint(), owner: d.Varint(),
		version: d.Int32(), created: d.Int32(), aversion: d.Int32()}
	switch d.Byte() {
	case 0:
		if d.Len() != 0 {
			d.Fail()
		}
	case 1:
		n.data = slices.Clone(d.Rest())
	default:
		d.Fail()
	}
	if d.Bad() || acl == nil {
		return "bad znode"
	}
	if kindOf(n.owner) == ownerSession && l.s.sessions[SessionID(n.owner)] == nil {
		return "an ephemeral without its session"
	}
	parent, ok := l.parent(key, n)
	if !ok {
		return "a znode without its parent"
	}
	acl.refs++
	if acl.refs == 1 {
		l.s.acls.byKey[acl.key] = acl
		l.s.sum.add(l.s.aclItem(acl))
	}
	n.parent = parent
	l.s.count(n)
	if parent == nil {
		l.s.root = n
	} else {
		top := &l.stack[len(l.stack)-1]
		top.children = append(top.children, n)
	}
	l.stack = append(l.stack, loaded{node: n, end: len(key)})
	return ""
}

// leave takes the top off the stack: its children are complete.
func (l *Loader) leave() {
	i := len(l.stack) - 1
	top := &l.stack[i]
	if len(top.children) > 0 {
		m := make(map[string]*node, len(top.children))
		for _, n := range top.children {
			m[n.name] = n
		}
		invariant.Check(len(m) == len(top.children), "a checkpoint names a znode twice")
		top.node.children = m
	}
	*top = loaded{}
	l.stack = l.stack[:i]
}

// parent names n and returns its parent, nil for the root: the top of the stack, after what is
// not on the way to n has left it.
func (l *Loader) parent(key []byte, n *node) (parent *node, ok bool) {
	if len(key) == 1 {
		return nil, len(l.stack) == 0
	}
	for len(l.stack) > 0 {
		top := l.stack[len(l.stack)-1]
		if top.end < len(key) && key[top.end] == 0 && bytes.Equal(key[:top.end], l.last[:top.end]) {
			n.name = string(key[top.end+1:])
			return top.node, n.name != "" && bytes.IndexByte(key[top.end+1:], 0) < 0
		}
		l.leave()
	}
	return nil, false
}

// Finish checks that what was loaded is what the header speaks of and returns the State.
func (l *Loader) Finish(header []byte) (*State, error) {
	if l.err != nil {
		return nil, l.err
	}
	for len(l.stack) > 0 {
		l.leave()
	}
	s := l.s
	d := decoder{varint.NewReader(header)}
	version := d.Byte()
	if version != checkpointVersion && version != membersVersion {
		return nil, &RecordError{What: fmt.Sprintf("version %d is not known", version)}
	}
	s.index, s.term, s.clock = d.Uvarint(), d.Uvarint(), d.Varint()
	s.lastZxid, s.level = Zxid(d.Varint()), d.Uint32()
	s.acls.last = d.Uvarint()
	nodes, sessions := d.Uvarint(), d.Uvarint()
	for range min(d.Uvarint(), uint64(d.Len())) {
		st := &stream{id: RaftID(d.Uvarint()), registration: Registration(d.Uvarint()),
			seq: d.Uvarint()}
		d.Fill(st.nonce[:])
		s.streams[st.id] = st
	}
	if version == membersVersion {
		s.setMembership(d.membership())
	}
	var stored [16]byte
	d.Fill(stored[:])
	if !d.Done() {
		return nil, &RecordError{What: "malformed"}
	}
	if s.level > MaxFeatureLevel {
		return nil, &RecordError{What: fmt.Sprintf("feature level %d is above %d, the highest of "+
			"this release", s.level, MaxFeatureLevel)}
	}
	if uint64(s.nodes) != nodes || uint64(len(s.sessions)) != sessions {
		return nil, &RecordError{What: fmt.Sprintf("it counts %d znodes and %d sessions, "+
			"there are %d and %d", nodes, sessions, s.nodes, len(s.sessions))}
	}
	if computed := s.Digest(); computed != stored {
		return nil, &DigestError{Stored: stored, Computed: computed}
	}
	if s.quotaRoot = s.lookup("/zookeeper/quota"); s.quotaRoot == nil {
		return nil, &RecordError{What: "/zookeeper/quota is missing"}
	}
	return s, nil
}
