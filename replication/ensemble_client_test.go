package replication

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/wire"
	"go.etcd.io/raft/v3/raftpb"
)

// client has a session, writes 1, 2, 3... to a znode of its own and reads those of others behind
// a sync. When its member's process ends it goes to another with its session.
type client struct {
	w        *world
	n        int
	host     *host
	conn     *core.Conn
	in       []byte
	session  int64
	password []byte
	ready    bool // the handshake is done
	xid      int32
	written  int // the last number sent
	acked    int // the last number acknowledged
	lost     int // numbers up to here went down with a process, perhaps
	asked    map[int32]ask
	silent   bool // never gives a sign of life any more
	timeout  int32
	viewer   bool // does nothing by itself, and notes what it is told
	readOnly bool // takes a read-only server
	answers  []string
	ended    core.Cause
}

type ask struct {
	number int // of a write
	of     *client
	least  int // of a read: what it has to see
	done   func(wire.ErrorCode, []byte)
}

func (w *world) join(h *host, timeoutMs int32) *client {
	c := &client{w: w, n: len(w.clients) + 1, timeout: timeoutMs, asked: map[int32]ask{}}
	w.clients = append(w.clients, c)
	c.connect(h)
	c.ping()
	return c
}

func (c *client) path() string { return "/c" + strconv.Itoa(c.n) }

func (c *client) connect(h *host) {
	c.w.conns++
	c.host, c.ready, c.in = h, false, nil
	clear(c.asked)
	var cause core.Cause
	c.conn, cause = h.member.Local.Open(core.ConnInfo{ID: c.w.conns, NowMs: h.monoMs(),
		Remote: netip.MustParseAddrPort("127.0.0.1:4000"),
		Random: [16]byte{byte(c.w.conns), byte(c.n)}, Owner: c})
	if c.conn == nil {
		c.w.violate("client %d is refused: %v", c.n, cause)
	}
	b, at := wire.BeginFrame(nil)
	q := wire.ConnectRequest{TimeoutMs: c.timeout, SessionID: c.session, Password: c.password,
		ReadOnly: c.readOnly, HasReadOnly: c.viewer}
	c.feed(wire.EndFrame(q.AppendTo(b), at))
}

// cut ends the connection with its member's process.
func (c *client) cut() {
	c.conn, c.ready = nil, false
	c.lost = c.written
	if !c.silent {
		c.w.after(5000, c.reconnect)
	}
}

func (c *client) reconnect() {
	start := c.w.rng.IntN(len(c.w.hosts))
	for i := range c.w.hosts {
		h := c.w.hosts[(start+i)%len(c.w.hosts)]
		if h.up && !h.paused && h.member.Leader() != 0 {
			c.connect(h)
			return
		}
	}
	c.w.after(5000, c.reconnect)
}

func (c *client) feed(b []byte) {
	c.in = append(c.in, b...)
	now := c.host.monoMs()
	for len(c.in) > 0 && c.conn.Next(c.host.member.Local, c.in, now).Feedable() {
		c.in = c.in[c.conn.Feed(c.host.member.Local, c.in, now):]
	}
	c.take()
	if c.host.member.Local.Inbox.Waiting() {
		c.host.wake()
	}
}

// touched is told that apply did something to a connection.
func (c *client) touched(conn *core.Conn) {
	if conn != c.conn {
		return
	}
	c.take()
	if c.conn != nil && !c.conn.Over() {
		c.feed(nil)
	}
}

func (c *client) take() {
	b := c.conn.Take(nil)
	for len(b) > 0 {
		n := 4 + int(binary.BigEndian.Uint32(b))
		c.reply(b[4:n])
		b = b[n:]
	}
	if c.conn.Over() {
		cause := c.conn.Cause()
		if c.viewer {
			c.ended = cause
			c.host.member.Local.Closed(c.conn)
			c.conn, c.ready = nil, false
			return
		}
		if cause == core.CauseNoLeader || cause == core.CauseDisputed ||
			cause == core.CauseDiverged || cause == core.CauseServerJumped ||
			cause == core.CauseSessionMoved && c.lost > 0 ||
			cause == core.CauseRemoved && c.host.out() {
			// Its member keeps nobody any more.
			// Or: an attach through a process that has died may land after the newer one.
			c.host.member.Local.Closed(c.conn)
			c.cut()
			return
		}
		if !c.silent {
			c.w.violate("client %d lost its connection: %v", c.n, cause)
		}
	}
}

func (c *client) reply(frame []byte) {
	r := wire.NewReader(frame)
	if c.viewer {
		c.view(&r)
		return
	}
	if !c.ready {
		var answer wire.ConnectResponse
		answer.Decode(&r)
		if answer.SessionID == 0 {
			c.w.violate("client %d is told that its session %x is gone", c.n, c.session)
		}
		c.session, c.password, c.ready = answer.SessionID, answer.Password, true
		c.w.judge.client[core.SessionID(c.session)] = c
		if c.written == 0 {
			c.write()
		}
		return
	}
	var header wire.ReplyHeader
	header.Decode(&r)
	a, ok := c.asked[header.Xid]
	delete(c.asked, header.Xid)
	switch {
	case !ok:
	case a.done != nil:
		a.done(header.Err, frame)
	case a.number > 0:
		if a.number != c.acked+1 && c.acked >= c.lost {
			c.w.violate("client %d: %d is acknowledged behind %d", c.n, a.number, c.acked)
		}
		if header.Err != 0 {
			c.w.violate("client %d: write %d failed: %v", c.n, a.number, header.Err)
		}
		c.acked = a.number
	case a.of != nil && header.Err == 0:
		var m wire.GetDataResponse
		m.Decode(&r)
		if got, _ := strconv.Atoi(string(m.Data)); got < a.least {
			c.w.violate("client %d: a synced read of client %d saw %d, %d was acknowledged before",
				c.n, a.of.n, got, a.least)
		}
	case a.of != nil && a.least > 0:
		c.w.violate("client %d: a synced read of client %d: %v", c.n, a.of.n, header.Err)
	}
}

// view notes what a viewer is told.
func (c *client) view(r *wire.Reader) {
	if !c.ready {
		var answer wire.ConnectResponse
		answer.Decode(r)
		c.session, c.password, c.ready = answer.SessionID, answer.Password, true
		c.answers = append(c.answers, fmt.Sprint("read-only ", answer.ReadOnly))
		return
	}
	var header wire.ReplyHeader
	header.Decode(r)
	var m wire.GetDataResponse
	if header.Err == 0 && r.Len() > 0 {
		m.Decode(r)
	}
	c.answers = append(c.answers, fmt.Sprintf("%d %d %s", header.Xid, header.Err, m.Data))
}

func (c *client) ask(b []byte, op wire.OpCode, body record, a ask) []byte {
	c.xid++
	c.asked[c.xid] = a
	return request(b, c.xid, op, body)
}

// write sends the next number.
func (c *client) write() { c.feed(c.appendWrite(nil)) }

func (c *client) appendWrite(b []byte) []byte {
	c.written++
	if c.written == 1 {
		q := create(c.path())
		q.Data = []byte("1")
		return c.ask(b, wire.OpCreate, q, ask{number: 1})
	}
	return c.ask(b, wire.OpSetData, &wire.SetDataRequest{Path: c.path(),
		Data: []byte(strconv.Itoa(c.written)), Version: -1}, ask{number: c.written})
}

// read reads another client's number behind a sync.
func (c *client) read(of *client) {
	b := c.ask(nil, wire.OpSync, &wire.PathRequest{Path: "/"}, ask{})
	c.feed(c.ask(b, wire.OpGetData, &wire.PathWatchRequest{Path: of.path()},
		ask{of: of, least: of.acked}))
}

// ping gives a sign of life each tick.
func (c *client) ping() {
	if c.silent {
		return
	}
	if c.conn != nil && c.ready && !c.host.paused {
		c.feed(request(nil, wire.XidPing, wire.OpPing, nil))
	}
	c.w.after(50_000, c.ping)
}

// work lets the client do something now and then.
func (c *client) work(meanUs int64) {
	c.w.after(c.w.spread(meanUs), func() {
		if c.w.calm || c.silent {
			return
		}
		if c.conn != nil && c.ready && !c.host.paused && c.written > 0 &&
			c.written-c.acked < 200 {
			switch c.w.rng.IntN(4) {
			case 0:
				c.read(c.w.clients[c.w.rng.IntN(len(c.w.clients))])
			default:
				var b []byte
				for range 1 + c.w.rng.IntN(4) {
					b = c.appendWrite(b)
				}
				c.feed(b)
			}
		}
		c.work(meanUs)
	})
}

// idle says whether everything that the client has asked for is answered.
func (c *client) idle() bool {
	return c.silent || c.viewer || c.conn != nil && c.ready && len(c.asked) == 0
}

// judge sees everything that is committed and applied.
type judge struct {
	entries map[uint64][32]byte
	once    map[string]bool // (term, stream, seq) that lies in the log
	digests map[uint64][16]byte
	applies map[string]uint64 // index at which a client's number was applied
	last    map[core.SessionID]int
	client  map[core.SessionID]*client
	ended   map[core.SessionID]bool
	leaders map[uint64]reign
	skew    int64 // how far ahead of the world's time the State's may be, in milliseconds

	watch func(*host, *Commit) // a scenario's own
}

func newJudge() judge {
	return judge{entries: map[uint64][32]byte{}, once: map[string]bool{},
		digests: map[uint64][16]byte{}, applies: map[string]uint64{},
		last: map[core.SessionID]int{}, client: map[core.SessionID]*client{},
		ended: map[core.SessionID]bool{}, leaders: map[uint64]reign{}, skew: 1000}
}

// reign is the process that leads in a term: one of a member's.
type reign struct{ member, epoch int }

// leads: one leader per term. A member that leads in a term, ends, and leads in it again has
// forgotten what it proposed.
func (j *judge) leads(w *world, h *host) {
	term, now := h.member.Term(), reign{h.id, h.epoch}
	if old, ok := j.leaders[term]; ok && old != now {
		w.violate("members %d and %d lead in term %d, in processes %d and %d", old.member, h.id,
			term, old.epoch, h.epoch)
	}
	j.leaders[term] = now
}

// committed: the same entry everywhere, and no command proposed twice in one term.
func (j *judge) committed(w *world, entries []*raftpb.Entry) {
	for _, e := range entries {
		sum := sha256.Sum256(fmt.Append(e.GetData(), e.GetTerm()))
		old, seen := j.entries[e.GetIndex()]
		if seen && old != sum {
			w.violate("two different entries are committed at %d", e.GetIndex())
		}
		if seen || e.GetType() != raftpb.EntryNormal {
			continue
		}
		j.entries[e.GetIndex()] = sum
		entry, err := core.DecodeEntry(e.GetData())
		if err != nil {
			w.violate("entry %d: %v", e.GetIndex(), err)
		}
		for _, b := range entry.Batches {
			for i := range b.Commands {
				if b.Origin.RaftID == 0 {
					break
				}
				key := fmt.Sprint(e.GetTerm(), b.Origin, b.FirstSeq+uint64(i),
					b.Commands[i].Nonce, b.Commands[i].Replaces)
				if j.once[key] {
					w.violate("a leader has proposed %v of %v twice in term %d",
						b.FirstSeq+uint64(i), b.Origin, e.GetTerm())
				}
				j.once[key] = true
			}
		}
	}
}

// applied: each command once and in the order of its session, no live session expires, one State
// at one index, and a State's time that no bad clock moves.
func (j *judge) applied(w *world, h *host) {
	for i := range h.report.Commits {
		c := &h.report.Commits[i]
		if j.watch != nil {
			j.watch(h, c)
		}
		if c.Outcome.Skipped {
			continue
		}
		switch {
		case c.Command.Kind == core.KindExpire:
			j.ended[c.Command.Session] = true
			if owner := j.client[c.Command.Session]; owner != nil && !owner.silent {
				w.violate("the session of client %d expired, which gave a sign each tick", owner.n)
			}
		case c.Command.Kind == core.KindRequest:
			j.request(w, c)
		}
	}
	state := h.member.Local.State
	if limit := 1_700_000_000_000 + w.now/1000 + j.skew; state.Clock() > limit {
		w.violate("the State's time is %d ms ahead", state.Clock()-limit+j.skew)
	}
	index := h.report.Applied.Index
	if index == 0 || state.Index() != index || h.member.applier.begun {
		return
	}
	digest := state.Digest()
	if old, ok := j.digests[index]; ok && old != digest {
		w.violate("member %d has another State at %d", h.id, index)
	}
	j.digests[index] = digest
}

func (j *judge) request(w *world, c *Commit) {
	if j.client[c.Command.Session] == nil {
		return // a viewer's
	}
	var path, data string
	r := wire.NewReader(c.Command.Body)
	switch c.Command.Op {
	case wire.OpCreate:
		var q wire.CreateRequest
		q.Decode(&r)
		path, data = q.Path, string(q.Data)
	case wire.OpSetData:
		var q wire.SetDataRequest
		q.Decode(&r)
		path, data = q.Path, string(q.Data)
	default:
		return
	}
	key := strings.Clone(path + " " + data)
	if index, ok := j.applies[key]; ok {
		if index != c.Index {
			w.violate("%q is applied at %d and at %d", key, index, c.Index)
		}
		return // another member, or the same one after a restart
	}
	j.applies[key] = c.Index
	number, _ := strconv.Atoi(data)
	if last := j.last[c.Command.Session]; number <= last {
		w.violate("%q is applied behind %d", key, last)
	}
	j.last[c.Command.Session] = number
}

func sessionOf(c *client) core.SessionID { return core.SessionID(c.session) }
