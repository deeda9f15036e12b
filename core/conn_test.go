package core

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vivariumdb/vivarium/wire"
)

// desk is a server's half with a log of its own in between: what is in the inbox becomes one
// entry when commit is called.
type desk struct {
	t     testing.TB
	l     *Local
	index uint64
	now   int64
	ids   ConnID
}

func newDesk(t testing.TB, s Settings) *desk {
	t.Helper()
	d := &desk{t: t, l: NewLocal(NewState(), s), now: 1_000_000}
	entry := AppendEntryHeader(nil, d.now)
	entry = AppendBatchHeader(entry, Origin{RaftID: 1}, 0, 1)
	entry = AppendHello(entry, 1, [16]byte{1}, 0)
	d.apply(entry)
	d.l.SetSelf(d.l.State.Stream(1).Origin)
	return d
}

func (d *desk) apply(entry []byte) {
	d.t.Helper()
	d.index++
	if err := d.l.State.Begin(d.index, 1, entry); err != nil {
		d.t.Fatal(err)
	}
	var out Outcome
	for d.l.State.Next(d.l.Self(), &out) {
		d.l.Deliver(&out, d.now)
	}
	d.l.EndBatch()
	for _, c := range d.l.TakeTouched(nil) {
		d.l.Resume(c)
	}
}

// commit applies everything in the inbox as one entry, and confirms its syncs behind it.
func (d *desk) commit() {
	d.t.Helper()
	for d.l.Inbox.Waiting() {
		var mail Mail
		d.l.Inbox.Take(&mail)
		if n := len(mail.Ends); n > 0 {
			entry := AppendEntryHeader(nil, d.now)
			entry = AppendBatchHeader(entry, d.l.Self(), mail.FirstSeq, uint64(n))
			d.apply(append(entry, mail.Commands...))
		}
		for _, c := range mail.Syncs {
			d.l.SyncConfirmed(c, d.now)
			d.l.Resume(c)
		}
	}
}

func (d *desk) connect(q wire.ConnectRequest) *Conn {
	d.t.Helper()
	d.ids++
	c, cause := d.l.Open(ConnInfo{ID: d.ids, Remote: netip.MustParseAddrPort("10.0.0.1:4000"),
		Random: [16]byte{byte(d.ids)}, NowMs: d.now})
	if c == nil {
		d.t.Fatalf("Open: %v", cause)
	}
	b, at := wire.BeginFrame(nil)
	d.feed(c, wire.EndFrame(q.AppendTo(b), at))
	return c
}

// client connects with a new session and drops the answer.
func (d *desk) client() *Conn {
	d.t.Helper()
	c := d.connect(wire.ConnectRequest{TimeoutMs: 10000})
	d.commit()
	c.Take(nil)
	return c
}

// feed gives the connection all of in, and returns what it did not take.
func (d *desk) feed(c *Conn, in []byte) []byte {
	for {
		if need := c.Next(d.l, in, d.now); !need.Feedable() {
			return in
		}
		in = in[c.Feed(d.l, in, d.now):]
	}
}

type body interface{ AppendTo([]byte) []byte }

func frame(xid int32, op wire.OpCode, q body) []byte {
	b, at := wire.BeginFrame(nil)
	h := wire.RequestHeader{Xid: xid, Op: op}
	b = h.AppendTo(b)
	if q != nil {
		b = q.AppendTo(b)
	}
	return wire.EndFrame(b, at)
}

func (d *desk) send(c *Conn, xid int32, op wire.OpCode, q body) {
	d.t.Helper()
	if left := d.feed(c, frame(xid, op, q)); len(left) > 0 {
		d.t.Fatalf("request %d was not taken", xid)
	}
}

func (d *desk) create(c *Conn, xid int32, path string, flags int32) {
	d.t.Helper()
	d.send(c, xid, wire.OpCreate,
		&wire.CreateRequest{Path: path, Data: []byte("0"), ACL: wire.OpenACL(), Flags: flags})
}

func (d *desk) set(c *Conn, xid int32, path, data string) {
	d.t.Helper()
	d.send(c, xid, wire.OpSetData,
		&wire.SetDataRequest{Path: path, Data: []byte(data), Version: -1})
}

func (d *desk) read(c *Conn, xid int32, op wire.OpCode, path string, watch bool) {
	d.t.Helper()
	d.send(c, xid, op, &wire.PathWatchRequest{Path: path, Watch: watch})
}

// seen renders the output of c, a line a frame: "xid err", or "event type path".
func (d *desk) seen(c *Conn) string {
	d.t.Helper()
	var b strings.Builder
	for out := c.Take(nil); len(out) > 0; {
		n := 4 + int(binary.BigEndian.Uint32(out))
		r := wire.NewReader(out[4:n])
		var h wire.ReplyHeader
		h.Decode(&r)
		if h.Xid == wire.XidNotification {
			var e wire.WatcherEvent
			e.Decode(&r)
			fmt.Fprintf(&b, "event %d %s %d\n", e.Type, e.Path, min(h.Zxid, 0))
		} else {
			fmt.Fprintf(&b, "%d %d", h.Xid, h.Err)
			if rest := r.Rest(); len(rest) > 0 && len(rest) < 40 && h.Xid >= 100 {
				fmt.Fprintf(&b, " %q", rest)
			}
			b.WriteByte('\n')
		}
		if r.Err() != nil {
			d.t.Fatal(r.Err())
		}
		out = out[n:]
	}
	return b.String()
}

func (d *desk) want(c *Conn, what, want string) {
	d.t.Helper()
	want = strings.ReplaceAll(strings.TrimLeft(want, "\n\t"), "\t", "")
	if diff := cmp.Diff(want, d.seen(c)); diff != "" {
		d.t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestRepliesInOrderWhateverTheyWaitFor(t *testing.T) {
	d := newDesk(t, Settings{})
	c := d.client()
	d.read(c, 1, wire.OpExists, "/a", true)
	d.create(c, 2, "/a", 0)
	d.send(c, wire.XidPing, wire.OpPing, nil)
	d.read(c, 3, wire.OpGetData, "/a", true)
	d.set(c, 4, "/a", "1")
	d.read(c, 5, wire.OpGetData, "/missing", false)
	d.send(c, 6, wire.OpSync, &wire.PathRequest{Path: "/"})
	d.read(c, 7, wire.OpGetData, "/a", false)
	d.set(c, 8, "/a", "2")
	d.want(c, "before anything is committed", "1 -101\n")
	d.commit()
	d.want(c, "after", `
		event 1 /a 0
		2 0
		-2 0
		3 0
		event 3 /a 0
		4 0
		5 -101
		6 0
		7 0
		8 0
	`)
}

func TestAuthTakesItsPlaceInTheQueue(t *testing.T) {
	d := newDesk(t, Settings{})
	c := d.client()
	mine := []wire.ACL{{Perms: wire.PermAll, ID: wire.ID{Scheme: "auth"}}}
	d.send(c, 1, wire.OpCreate, &wire.CreateRequest{Path: "/early", ACL: mine})
	d.send(c, wire.XidAuth, wire.OpAuth, &wire.AuthRequest{Scheme: "digest", Auth: []byte("u:p")})
	d.send(c, 2, wire.OpCreate, &wire.CreateRequest{Path: "/mine", ACL: mine})
	d.read(c, 3, wire.OpGetData, "/mine", false)
	d.commit()
	d.want(c, "the owner", "1 -114\n-4 0\n2 0\n3 0\n")

	other := d.client()
	d.read(other, 1, wire.OpGetData, "/mine", false)
	d.send(other, wire.XidAuth, wire.OpAuth, &wire.AuthRequest{Scheme: "nonsense"})
	d.feed(other, frame(2, wire.OpGetData, &wire.PathWatchRequest{Path: "/mine"}))
	d.want(other, "a stranger", "1 -102\n-4 -115\n")
	if other.Cause() != CauseAuthFailed {
		t.Errorf("stranger's connection: %v", other.Cause())
	}
}

func TestUnknownOpcodeIsAnsweredInItsTurn(t *testing.T) {
	d := newDesk(t, Settings{})
	c := d.client()
	d.create(c, 1, "/a", 0)
	d.send(c, 2, wire.OpCode(4711), nil)
	if left := d.feed(c, frame(3, wire.OpPing, nil)); len(left) == 0 {
		t.Error("a request behind the last one was taken")
	}
	d.commit()
	d.want(c, "replies", "1 0\n2 -6\n")
	if c.Next(d.l, nil, d.now) != NeedClose || c.Cause() != CauseUnknownOpcode {
		t.Errorf("connection: %v", c.Cause())
	}
}

func TestHandshakeJudgedWhereItIsApplied(t *testing.T) {
	d := newDesk(t, Settings{MinSessionTimeoutMs: 1000, MaxSessionTimeoutMs: 5000})
	first := d.connect(wire.ConnectRequest{TimeoutMs: 60000, HasReadOnly: true})
	d.commit()
	answer := first.Take(nil)
	var r wire.ConnectResponse
	in := wire.NewReader(answer[4:])
	r.Decode(&in)
	if r.TimeoutMs != 5000 || r.SessionID != int64(first.Session()) || len(answer) != 41 {
		t.Fatalf("answer of %d bytes: %+v", len(answer), r)
	}
	for _, tt := range []struct {
		name  string
		q     wire.ConnectRequest
		cause Cause
		bytes int
	}{
		{"unknown session", wire.ConnectRequest{SessionID: 4711, Password: r.Password},
			CauseUnknownSession, 40},
		{"wrong password", wire.ConnectRequest{SessionID: r.SessionID, Password: make([]byte, 16)},
			CauseUnknownSession, 40},
		{"from the future", wire.ConnectRequest{SessionID: r.SessionID, Password: r.Password,
			LastZxidSeen: 1 << 40}, CauseAheadOfServer, 0},
		{"new, from the future", wire.ConnectRequest{LastZxidSeen: 1 << 40},
			CauseAheadOfServer, 0},
	} {
		c := d.connect(tt.q)
		if c.Cause() != CauseNone {
			t.Errorf("%s: judged on receipt: %v", tt.name, c.Cause())
		}
		d.commit()
		if out := c.Take(nil); c.Cause() != tt.cause || len(out) != tt.bytes {
			t.Errorf("%s: %v with %d bytes, want %v with %d", tt.name, c.Cause(), len(out),
				tt.cause, tt.bytes)
		}
	}
	if first.Cause() != CauseNone {
		t.Errorf("the session's own connection ended: %v", first.Cause())
	}
	again := d.connect(wire.ConnectRequest{SessionID: r.SessionID, Password: r.Password})
	d.create(first, 1, "/behind", 0) // in the stream behind the attach: a former generation's
	d.commit()
	if first.Cause() != CauseSessionMoved || len(again.Take(nil)) != 40 {
		t.Errorf("after the attach, the old connection: %v", first.Cause())
	}
	d.read(again, 1, wire.OpExists, "/behind", false)
	d.want(again, "what the old connection sent too late", "1 -101\n")
}

func TestSetWatchesTellsWhatWasMissed(t *testing.T) {
	d := newDesk(t, Settings{})
	c := d.client()
	for i, path := range []string{"/same", "/set", "/gone", "/parent", "/late"} {
		d.create(c, int32(i), path, 0)
	}
	d.commit()
	seen := d.l.State.LastZxid()
	d.set(c, 10, "/set", "1")
	d.send(c, 11, wire.OpDelete, &wire.DeleteRequest{Path: "/gone", Version: -1})
	d.create(c, 12, "/parent/child", 0)
	d.create(c, 13, "/new", 0)
	d.commit()
	c.Take(nil)
	d.send(c, wire.XidSetWatches, wire.OpSetWatches2, &wire.SetWatches2Request{
		RelativeZxid: int64(seen), Data: []string{"/same", "/set", "/gone"},
		Exist: []string{"/new", "/absent"}, Child: []string{"/parent", "/same", "/gone"},
		Persistent: []string{"/late"}, PersistentRecursive: []string{"/parent"}})
	d.want(c, "catch-up", `
		event 3 /set -1
		event 2 /gone -1
		event 1 /new -1
		event 4 /parent -1
		event 2 /gone -1
		-8 0
	`)
	d.set(c, 1, "/same", "1")
	d.create(c, 2, "/absent", 0)
	d.create(c, 3, "/same/child", 0)
	d.set(c, 4, "/late", "1")
	d.set(c, 5, "/late", "2")
	d.set(c, 6, "/parent/child", "1")
	d.commit()
	d.want(c, "armed", `
		event 3 /same 0
		1 0
		event 1 /absent 0
		2 0
		event 4 /same 0
		3 0
		event 3 /late 0
		4 0
		event 3 /late 0
		5 0
		event 3 /parent/child 0
		6 0
	`)
}

func TestOneEventForAllModesOfAPath(t *testing.T) {
	d := newDesk(t, Settings{})
	c := d.client()
	d.create(c, 1, "/a", 0)
	d.commit()
	d.read(c, 2, wire.OpGetData, "/a", true)
	d.read(c, 3, wire.OpExists, "/a", true)
	d.read(c, 4, wire.OpGetChildren, "/a", true)
	d.send(c, 5, wire.OpAddWatch, &wire.AddWatchRequest{Path: "/a", Mode: wire.ModePersistent})
	d.send(c, 6, wire.OpAddWatch,
		&wire.AddWatchRequest{Path: "/", Mode: wire.ModePersistentRecursive})
	c.Take(nil)
	d.send(c, 7, wire.OpDelete, &wire.DeleteRequest{Path: "/a", Version: -1})
	d.create(c, 8, "/a", 0)
	d.create(c, 9, "/a/b", 0)
	d.commit()
	d.want(c, "events", `
		event 2 /a 0
		7 0
		event 1 /a 0
		8 0
		event 1 /a/b 0
		event 4 /a 0
		9 0
	`)
	for _, tt := range []struct {
		op   wire.OpCode
		path string
		kind int32
		want string
	}{
		{wire.OpCheckWatches, "/a", wire.WatcherData, "20 -121\n"},
		{wire.OpCheckWatches, "/a", wire.WatcherPersistent, "20 0\n"},
		{wire.OpCheckWatches, "/a", 9, "20 -5\n"},
		{wire.OpRemoveWatches, "/a", wire.WatcherAny, "20 0\n"},
		{wire.OpRemoveWatches, "/a", wire.WatcherAny, "20 -121\n"},
		{wire.OpRemoveWatches, "/", wire.WatcherPersistentRecursive, "20 0\n"},
	} {
		d.send(c, 20, tt.op, &wire.WatcherRequest{Path: tt.path, Type: tt.kind})
		d.want(c, fmt.Sprintf("%v %s %d", tt.op, tt.path, tt.kind), tt.want)
	}
	if n := len(d.l.Watches.paths); n != 0 || d.l.Watches.recursive != 0 {
		t.Errorf("%d paths and %d recursive watches left", n, d.l.Watches.recursive)
	}
}

// ZooKeeper's metrics count both of its tables of watches, its four-letter words one.
func TestWatchesAreCountedAsInZooKeeper(t *testing.T) {
	for _, test := range []struct {
		name            string
		op              wire.OpCode
		q               body
		watches, tabled int
	}{
		{"data", wire.OpGetData, &wire.PathWatchRequest{Path: "/", Watch: true}, 1, 1},
		{"children", wire.OpGetChildren, &wire.PathWatchRequest{Path: "/", Watch: true}, 0, 1},
		{"exists", wire.OpExists, &wire.PathWatchRequest{Path: "/a", Watch: true}, 1, 1},
		{"persistent", wire.OpAddWatch, &wire.AddWatchRequest{Path: "/"}, 1, 2},
		{"recursive", wire.OpAddWatch, &wire.AddWatchRequest{Path: "/", Mode: 1}, 1, 1},
	} {
		d := newDesk(t, Settings{})
		for n := 1; n <= 2; n++ {
			c := d.client()
			d.send(c, 1, test.op, test.q)
			d.send(c, 2, test.op, test.q)
			_, _, watches := d.l.Watches.Counts()
			if size := d.l.Watches.Size(); watches != n*test.watches || size != n*test.tabled {
				t.Errorf("%s, %d times: %d watches, %d in both tables; want %d and %d",
					test.name, n, watches, size, n*test.watches, n*test.tabled)
			}
		}
	}
}

// The event of a change that the watcher may not read is withheld, and its watch is used up.
func TestEventsNeedRead(t *testing.T) {
	d := newDesk(t, Settings{})
	owner, stranger := d.client(), d.client()
	d.create(owner, 1, "/a", 0)
	d.commit()
	d.read(stranger, 1, wire.OpGetData, "/a", true)
	d.send(owner, 2, wire.OpSetACL, &wire.SetACLRequest{Path: "/a", Version: -1,
		ACL: []wire.ACL{{Perms: wire.PermAll, ID: wire.ID{Scheme: "ip", ID: "10.9.9.9"}},
			{Perms: wire.PermWrite, ID: wire.ID{Scheme: "world", ID: "anyone"}}}})
	d.set(owner, 3, "/a", "1")
	d.commit()
	d.want(stranger, "a withheld event", "1 0\n")
	if n := len(d.l.Watches.paths); n != 0 {
		t.Errorf("%d watches left", n)
	}
}

func TestBoundsStopTheReadingOfOne(t *testing.T) {
	t.Run("outstanding", func(t *testing.T) {
		d := newDesk(t, Settings{MaxOutstanding: 3})
		c := d.client()
		for i := range int32(3) {
			d.create(c, i, fmt.Sprintf("/%d", i), 0)
		}
		fourth := frame(4, wire.OpSetData, &wire.SetDataRequest{Path: "/0", Version: -1})
		if len(d.feed(c, fourth)) == 0 {
			t.Error("a write above globalOutstandingLimit was taken")
		}
		d.commit()
		if len(d.feed(c, fourth)) != 0 {
			t.Error("not taken after the others were answered")
		}
	})
	t.Run("unsent", func(t *testing.T) {
		d := newDesk(t, Settings{SoftUnsent: 100})
		c := d.client()
		d.create(c, 1, "/a", 0)
		d.commit()
		c.Take(nil)
		n := 0
		for ; n < 100 && len(d.feed(c, frame(2, wire.OpExists,
			&wire.PathWatchRequest{Path: "/a"}))) == 0; n++ {
			continue
		}
		if n == 100 {
			t.Fatal("a client that does not read is read without end")
		}
		d.now += 1000
		c.Next(d.l, frame(2, wire.OpPing, nil), d.now)
		d.l.Inbox.touched = nil
		d.l.TouchWaiting()
		if len(d.l.Inbox.touched) != 1 {
			t.Error("a connection that is not read does not count as alive")
		}
		c.Take(nil)
		c.Wrote(1 << 20)
		if len(d.feed(c, frame(2, wire.OpExists, &wire.PathWatchRequest{Path: "/a"}))) != 0 {
			t.Error("not read again after its output left")
		}
	})
}

func TestLongFramesShareABound(t *testing.T) {
	d := newDesk(t, Settings{MaxInputBytes: 300 << 10})
	long := frame(1, wire.OpSetData,
		&wire.SetDataRequest{Path: "/", Data: make([]byte, 250<<10)})
	a, b := d.client(), d.client()
	// What is announced costs nothing; memory follows what comes.
	for _, came := range []int{4, 100, 60 << 10} {
		d.feed(a, long[:came])
		if need := a.Next(d.l, long[:came], d.now); need != NeedBytes || a.Want() != 64<<10 {
			t.Errorf("with %d bytes: %v, want up to %d", came, need, a.Want())
		}
	}
	d.feed(a, long[:200<<10])
	if a.Next(d.l, long[:200<<10], d.now) != NeedBytes || a.Want() != len(long) {
		t.Error("the first long frame is not received")
	}
	d.feed(b, long[:100<<10])
	if b.Next(d.l, long[:100<<10], d.now) != NeedWait {
		t.Error("the second long frame is received beyond the bound")
	}
	d.feed(a, long)
	d.l.Sweep(d.now)
	d.feed(b, long[:100<<10])
	if b.Next(d.l, long[:100<<10], d.now) != NeedBytes {
		t.Error("the second long frame still waits when there is room")
	}
}

func TestHandshakeTimeout(t *testing.T) {
	d := newDesk(t, Settings{HandshakeMs: 1000})
	silent, _ := d.l.Open(ConnInfo{ID: 100, NowMs: d.now,
		Remote: netip.MustParseAddrPort("[::1]:1")})
	c := d.client()
	d.now += 999
	d.l.Sweep(d.now)
	if silent.Cause() != CauseNone {
		t.Error("closed before its time")
	}
	d.now++
	d.l.Sweep(d.now)
	if silent.Cause() != CauseHandshakeTimeout || c.Cause() != CauseNone {
		t.Errorf("silent: %v, with a session: %v", silent.Cause(), c.Cause())
	}
}

func TestTooManyConnections(t *testing.T) {
	d := newDesk(t, Settings{MaxConnections: 2, MaxConnectionsPerIP: 1})
	open := func(id ConnID, addr string) Cause {
		_, cause := d.l.Open(ConnInfo{ID: id, Remote: netip.MustParseAddrPort(addr)})
		return cause
	}
	if got := open(1, "10.0.0.1:1"); got != CauseNone {
		t.Errorf("first: %v", got)
	}
	if got := open(2, "10.0.0.1:2"); got != CauseTooManyOfIP {
		t.Errorf("second of its address: %v", got)
	}
	if got := open(3, "10.0.0.2:1"); got != CauseNone {
		t.Errorf("second: %v", got)
	}
	if got := open(4, "10.0.0.3:1"); got != CauseTooMany {
		t.Errorf("third: %v", got)
	}
}

// Tried on 3.9.4: the reads of a multiRead arm no watch, whatever their flags say.
func TestMultiReadArmsNoWatch(t *testing.T) {
	d := newDesk(t, Settings{})
	c := d.client()
	d.create(c, 1, "/a", 0)
	d.commit()
	d.send(c, 2, wire.OpMultiRead, &wire.MultiRequest{Ops: []wire.MultiOp{
		{Op: wire.OpGetData, Read: wire.PathWatchRequest{Path: "/a", Watch: true}},
		{Op: wire.OpGetChildren, Read: wire.PathWatchRequest{Path: "/a", Watch: true}}}})
	d.set(c, 3, "/a", "1")
	d.commit()
	d.want(c, "replies", "1 0\n2 0\n3 0\n")
}
