package replication

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"

	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/wire"
	"go.etcd.io/raft/v3/raftpb"
)

// upTo picks entries up to index.
func upTo(index uint64) func(*raftpb.Entry) bool {
	return func(e *raftpb.Entry) bool { return e.GetIndex() <= index }
}

// witness remembers what was so once and must stay so.
type witness struct {
	log     map[uint64][32]byte // what is committed
	digests map[uint64][16]byte // of the State behind an entry
	leaders map[uint64]reign    // by term
	held    map[uint64]uint64   // what was known to be committed in a term
	writes  map[string]uint64   // where a client's write was applied
	order   map[core.SessionID]int
}

func newWitness() witness {
	return witness{log: map[uint64][32]byte{}, digests: map[uint64][16]byte{},
		leaders: map[uint64]reign{}, held: map[uint64]uint64{}, writes: map[string]uint64{},
		order: map[core.SessionID]int{}}
}

// leads: one process leads in a term, which has everything that was committed in any term before.
func (s *witness) leads(t failer, h *machine) {
	term, now := h.member.Term(), reign{h.id, int(h.boots)}
	old, known := s.leaders[term]
	if known && old != now {
		t.Fatalf("members %d and %d lead in term %d, in processes %d and %d", old.member, h.id,
			term, old.epoch, h.boots)
	}
	if known {
		return
	}
	s.leaders[term] = now
	for before, index := range s.held {
		if before < term && index > h.member.replica.last {
			t.Fatalf("member %d leads in term %d with a log to %d; %d was committed in term %d",
				h.id, term, h.member.replica.last, index, before)
		}
	}
}

func (s *witness) commits(h *machine) {
	r := &h.member.replica
	s.held[r.term] = max(s.held[r.term], r.commit)
}

// entries: the same ones at the same place on every member, for ever.
func (s *witness) entries(t failer, h *machine, entries []*raftpb.Entry) {
	for _, e := range entries {
		sum := sha256.Sum256(fmt.Append(e.GetData(), e.GetTerm()))
		if old, seen := s.log[e.GetIndex()]; seen && old != sum {
			t.Fatalf("member %d has another entry at %d than was committed", h.id, e.GetIndex())
		}
		s.log[e.GetIndex()] = sum
	}
}

// applied: one State at one index, and each write once and in the order of its session.
func (s *witness) applied(t failer, h *machine) {
	for i := range h.report.Commits {
		c := &h.report.Commits[i]
		if c.Outcome.Skipped || c.Outcome.Err != 0 || c.Command.Kind != core.KindRequest ||
			c.Command.Op != wire.OpSetData {
			continue
		}
		var q wire.SetDataRequest
		r := wire.NewReader(c.Command.Body)
		q.Decode(&r)
		key := q.Path + " " + string(q.Data)
		if index, known := s.writes[key]; known {
			if index != c.Index {
				t.Fatalf("%q is applied at %d and at %d", key, index, c.Index)
			}
			continue
		}
		s.writes[key] = c.Index
		number, _ := strconv.Atoi(string(q.Data))
		if last := s.order[c.Command.Session]; number <= last {
			t.Fatalf("%q is applied behind %d", key, last)
		}
		s.order[c.Command.Session] = number
	}
	if h.report.Applied.Index != 0 && !h.member.applier.begun {
		s.state(t, h)
	}
}

func (s *witness) state(t failer, h *machine) {
	state := h.member.Local.State
	if old, known := s.digests[state.Index()]; known && old != state.Digest() {
		t.Fatalf("member %d has another State at %d", h.id, state.Index())
	}
	s.digests[state.Index()] = state.Digest()
}

// asker is a client, which numbers its writes to a znode of its own.
type asker struct {
	b        *bench
	n        int
	host     *machine
	conn     *core.Conn
	in       []byte
	session  int64
	password []byte
	ready    bool
	there    bool // its znode
	xid      int32
	zxid     int64
	written  int
	acked    int
	least    int // of what this session has seen acknowledged
	asked    []question
}

// question is a request that is not answered yet; replies come in their order.
type question struct {
	xid    int32
	op     wire.OpCode
	own    bool // a create: of the client's own znode
	of     *asker
	number int // of a write
	least  int // a read must see this one, or a later one,
	most   int // and none behind this one
}

// client lets a client do something.
func (b *bench) client(h *machine) {
	if len(b.clients) == 0 || len(b.clients) < 4 && b.chance(6) {
		b.clients = append(b.clients, &asker{b: b, n: len(b.clients)})
		b.clients[len(b.clients)-1].connect(h)
		return
	}
	c := b.clients[b.below(len(b.clients))]
	if c.conn == nil {
		if b.chance(5) {
			c.session, c.password, c.least = 0, nil, c.acked
		}
		c.connect(h)
		return
	}
	if !c.ready {
		c.feed(nil)
		return
	}
	switch b.below(9) {
	case 8:
		c.turn(1 + b.below(len(b.hosts)))
	case 0:
		of := b.clients[b.below(len(b.clients))]
		c.ask(question{op: wire.OpSync}, &wire.PathRequest{Path: "/"})
		c.read(of, of.acked)
	case 1:
		c.read(c, c.least)
	case 2:
		c.feed(request(nil, wire.XidPing, wire.OpPing, nil))
	case 3:
		c.host.member.Local.Closed(c.conn)
		c.cut()
	case 4:
		c.ask(question{op: wire.OpCreate2}, &wire.CreateRequest{Path: fmt.Sprint("/e", b.below(4)),
			ACL: wire.OpenACL(), Flags: int32(b.below(4))})
	case 5:
		c.ask(question{op: wire.OpDelete}, &wire.DeleteRequest{Path: fmt.Sprint("/e", b.below(4)),
			Version: -1})
	default:
		for range 1 + b.below(4) {
			c.write()
			if b.chance(3) {
				c.read(c, c.least)
			}
		}
	}
}

// turn asks for a voter to become an observer, or the other way round.
func (c *asker) turn(n int) {
	s := server(n)
	s.Observer = c.b.chance(2)
	c.ask(question{op: wire.OpReconfig}, &wire.ReconfigRequest{HasJoining: true,
		Joining: s.ID.String() + "=" + s.Text(), CurrentConfigID: wire.AnyVersion})
}

func (c *asker) path() string { return "/c" + strconv.Itoa(c.n) }

func (c *asker) connect(h *machine) {
	b := c.b
	b.conns++
	c.host, c.ready, c.in, c.zxid, c.asked = h, false, nil, 0, nil
	var cause core.Cause
	c.conn, cause = h.member.Local.Open(core.ConnInfo{ID: b.conns, NowMs: h.mono,
		Remote: netip.MustParseAddrPort("127.0.0.1:4000"),
		Random: [16]byte{byte(b.conns), byte(b.conns >> 8), byte(c.n)}, Owner: c})
	if c.conn == nil {
		b.t.Fatalf("client %d is refused: %v", c.n, cause)
	}
	f, at := wire.BeginFrame(nil)
	q := wire.ConnectRequest{TimeoutMs: 5000, SessionID: c.session, Password: c.password}
	c.feed(wire.EndFrame(q.AppendTo(f), at))
}

// cut ends the connection.
func (c *asker) cut() { c.conn, c.ready, c.asked = nil, false, nil }

func (c *asker) ask(q question, body record) {
	c.xid++
	q.xid = c.xid
	c.asked = append(c.asked, q)
	c.feed(request(nil, q.xid, q.op, body))
}

func (c *asker) write() {
	if c.conn == nil {
		return
	}
	c.written++
	c.ask(question{op: wire.OpSetData, number: c.written}, &wire.SetDataRequest{Path: c.path(),
		Data: []byte(strconv.Itoa(c.written)), Version: -1})
}

// read reads a client's znode, which must hold least or a later number.
func (c *asker) read(of *asker, least int) {
	if c.conn == nil {
		return
	}
	q := question{op: wire.OpGetData, of: of, least: least, most: 1 << 30}
	if of == c {
		q.most = c.written
	}
	c.ask(q, &wire.PathWatchRequest{Path: of.path(), Watch: c.b.chance(2)})
}

func (c *asker) feed(b []byte) {
	c.in = append(c.in, b...)
	l, now := c.host.member.Local, c.host.mono
	for len(c.in) > 0 && c.conn.Next(l, c.in, now).Feedable() {
		c.in = c.in[c.conn.Feed(l, c.in, now):]
	}
	c.take()
}

// touched is told that apply did something to a connection.
func (c *asker) touched(conn *core.Conn) {
	if conn == c.conn {
		c.feed(nil)
	}
}

func (c *asker) take() {
	conn := c.conn
	for out := conn.Take(nil); len(out) > 0; {
		n := 4 + int(binary.BigEndian.Uint32(out))
		body := out[4:n]
		out = out[n:]
		if c.ready {
			c.reply(body)
		} else {
			c.answer(body)
		}
	}
	if conn.Over() && c.conn == conn {
		c.host.member.Local.Closed(conn)
		c.cut()
	}
}

// answer takes the answer to the handshake.
func (c *asker) answer(body []byte) {
	var a wire.ConnectResponse
	r := wire.NewReader(body)
	if a.Decode(&r); r.Err() != nil {
		c.b.t.Fatalf("client %d: %x is no answer to a handshake", c.n, body)
	}
	if a.SessionID == 0 {
		c.session, c.password = 0, nil // it has expired
		return
	}
	c.session, c.password, c.ready = a.SessionID, a.Password, true
	c.xid++
	q := question{xid: c.xid, op: wire.OpCreate2, own: true}
	c.asked = append(c.asked, q)
	c.in = append(c.in, request(nil, q.xid, q.op, create(c.path()))...)
}

// reply holds a reply to what was asked.
func (c *asker) reply(body []byte) {
	t := c.b.t
	var h wire.ReplyHeader
	r := wire.NewReader(body)
	if h.Decode(&r); r.Err() != nil {
		t.Fatalf("client %d: %x is no reply", c.n, body)
	}
	if h.Xid == wire.XidNotification {
		return
	}
	if h.Zxid < c.zxid {
		t.Fatalf("client %d: zxid %#x behind %#x", c.n, h.Zxid, c.zxid)
	}
	c.zxid = h.Zxid
	if h.Xid == wire.XidPing {
		return
	}
	if len(c.asked) == 0 || c.asked[0].xid != h.Xid {
		t.Fatalf("client %d: a reply to %d, while %+v is asked", c.n, h.Xid, c.asked)
	}
	q := c.asked[0]
	c.asked = c.asked[1:]
	// There was no room for what grows: the client's znode may not be there, or stay as it was.
	full := wire.CodeQuotaExceeded
	switch q.op {
	case wire.OpCreate2:
		c.there = c.there || q.own && (h.Err == 0 || h.Err == wire.CodeNodeExists)
	case wire.OpSetData:
		if h.Err == full || h.Err == wire.CodeNoNode && !c.there {
			return
		}
		if h.Err != 0 {
			t.Fatalf("client %d: write %d: %v", c.n, q.number, h.Err)
		}
		if _, ok := c.b.seen.writes[c.path()+" "+strconv.Itoa(q.number)]; !ok {
			t.Fatalf("client %d: write %d is acknowledged and was not applied", c.n, q.number)
		}
		c.acked = max(c.acked, q.number)
		c.least = max(c.least, q.number)
	case wire.OpGetData:
		var m wire.GetDataResponse
		m.Decode(&r)
		got, _ := strconv.Atoi(string(m.Data))
		if h.Err == wire.CodeNoNode && q.least == 0 && !(q.of == c && c.there) {
			return
		}
		least := q.least
		if q.of == c {
			least = max(least, c.least) // what was written before the read is answered by now
		}
		if h.Err != 0 || got < least || got > q.most {
			t.Fatalf("client %d: read %d, %v; want %d to %d", c.n, got, h.Err, least, q.most)
		}
		if q.of == c {
			c.least = max(c.least, got)
		}
	}
}
