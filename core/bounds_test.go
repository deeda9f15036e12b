package core

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vivariumdb/vivarium/wire"
)

// big makes a znode of n bytes at path and drops the reply.
func (d *desk) big(c *Conn, path string, n int) {
	d.t.Helper()
	d.send(c, 1, wire.OpCreate, &wire.CreateRequest{Path: path, Data: make([]byte, n),
		ACL: wire.OpenACL()})
	d.commit()
	c.Take(nil)
	c.Wrote(c.produced)
}

// TestReadsBehindAWriteAreBounded: apply answers the reads behind a write at once, and a client
// that pipelines many of a large znode must not make it answer all of them.
func TestReadsBehindAWriteAreBounded(t *testing.T) {
	d := newDesk(t, Settings{HardUnsent: 1 << 20})
	c := d.client()
	d.big(c, "/big", 100<<10)
	d.send(c, 2, wire.OpSetData, &wire.SetDataRequest{Path: "/", Version: -1})
	for i := range int32(100) {
		d.send(c, 3+i, wire.OpGetData, &wire.PathWatchRequest{Path: "/big"})
	}
	d.send(c, 200, wire.OpSetData, &wire.SetDataRequest{Path: "/", Version: -1})
	d.commit()
	if c.Cause() != CauseSlowReader || c.Unsent() > 0 {
		t.Errorf("cause %v, %d bytes unsent; want closed and nothing", c.Cause(), c.Unsent())
	}
}

// TestOneWalkAtATime: a read may look at all znodes for an answer of some bytes. Apply answers the
// reads behind a write while everybody waits, so no connection has many of that kind there; and
// its feeder is told when it has run one.
func TestOneWalkAtATime(t *testing.T) {
	for _, op := range []wire.OpCode{wire.OpGetAllChildrenNumber, wire.OpGetEphemerals} {
		d := newDesk(t, Settings{})
		c := d.client()
		d.send(c, 1, op, &wire.PathRequest{Path: "/"})
		if !c.Walked() {
			t.Errorf("%v: the feeder is not told", op)
		}
		d.send(c, 2, wire.OpPing, nil)
		if c.Walked() {
			t.Errorf("%v: the feeder is told of a ping", op)
		}
		for round := range int32(3) {
			d.create(c, 10*round+3, fmt.Sprintf("/%d", round), 0)
			d.read(c, 10*round+4, wire.OpExists, "/", false)
			d.send(c, 10*round+5, op, &wire.PathRequest{Path: "/"})
			more := frame(10*round+6, op, &wire.PathRequest{Path: "/"})
			if left := d.feed(c, more); len(left) == 0 {
				t.Fatalf("%v: a second one waits behind the first", op)
			}
			d.commit()
			if left := d.feed(c, more); len(left) > 0 {
				t.Fatalf("%v: not taken when the first is answered", op)
			}
		}
		if c.stats.Requests != 1+2+3*4 || c.walks != 0 {
			t.Errorf("%v: %d requests are answered, %d wait", op, c.stats.Requests, c.walks)
		}
	}
}

func TestEventsBeyondTheHardBoundCloseTheConnection(t *testing.T) {
	d := newDesk(t, Settings{HardUnsent: 1000})
	slow, quick, writer := d.client(), d.client(), d.client()
	for _, c := range []*Conn{slow, quick} {
		d.send(c, 1, wire.OpAddWatch,
			&wire.AddWatchRequest{Path: "/", Mode: wire.ModePersistentRecursive})
	}
	for i := range int32(30) {
		d.create(writer, i, fmt.Sprintf("/%d", i), 0)
		d.commit()
		quick.Take(nil)
		quick.Wrote(quick.produced)
	}
	if slow.Cause() != CauseSlowReader || slow.HasOutput() {
		t.Errorf("who does not read: %v, output %v", slow.Cause(), slow.HasOutput())
	}
	if quick.Cause() != CauseNone {
		t.Errorf("who reads: %v", quick.Cause())
	}
	if got := d.l.Watches.Rows(); len(got) != 1 || len(got[0].Sessions) != 1 {
		t.Errorf("watches left: %v", got)
	}
}

// TestAllTogetherHoldABoundedAmount: above the bound who holds much waits, who holds little
// does not; when there is room again all go on.
func TestAllTogetherHoldABoundedAmount(t *testing.T) {
	const bound = 2000 << 10
	d := newDesk(t, Settings{MaxHeldBytes: bound})
	writer := d.client()
	d.big(writer, "/big", 100<<10)
	var readers []*Conn
	get := frame(2, wire.OpGetData, &wire.PathWatchRequest{Path: "/big"})
	total := 0
	for range 20 {
		c := d.client()
		readers = append(readers, c)
		for n := 0; n < 3 && len(d.feed(c, get)) == 0; n++ {
			continue
		}
		d.feed(c, get[:3])
		total += c.Unsent()
	}
	if d.l.held > bound+20*110<<10 || total > bound+20*110<<10 {
		t.Errorf("%d bytes held, %d counted: over the bound and a reply each", d.l.held, total)
	}
	if last := readers[19]; last.Next(d.l, get, d.now) != NeedWait {
		t.Error("who holds much is read beyond the bound")
	}
	small := d.client()
	if left := d.feed(small, frame(1, wire.OpPing, nil)); len(left) > 0 {
		t.Error("who holds little has to wait")
	}
	for _, c := range readers {
		c.Take(nil)
		c.Wrote(c.produced)
	}
	d.l.Sweep(d.now)
	for i, c := range readers {
		if left := d.feed(c, get); len(left) > 0 {
			t.Errorf("reader %d still waits when there is room", i)
		}
		c.Take(nil)
		c.Wrote(c.produced)
		d.l.Closed(c)
	}
	if d.l.held != 0 {
		t.Errorf("%d bytes counted for connections that are gone", d.l.held)
	}
}

// TestLongFramesDoNotWaitForEachOther: who was granted memory for a part of a frame keeps it
// until the whole frame is there. If all did and all waited for more, none would ever get it.
func TestLongFramesDoNotWaitForEachOther(t *testing.T) {
	d := newDesk(t, Settings{MaxInputBytes: 1000 << 10})
	long := frame(1, wire.OpSetData,
		&wire.SetDataRequest{Path: "/", Data: make([]byte, 900<<10), Version: -1})
	came := make(map[*Conn]int)
	var conns []*Conn
	for range 7 {
		c := d.client()
		conns = append(conns, c)
		d.feed(c, long[:70<<10])
		came[c] = 70 << 10
	}
	most := 0
	for range 100 {
		for _, c := range conns {
			if came[c] < 0 {
				continue
			}
			if left := d.feed(c, long[:came[c]]); len(left) == 0 {
				came[c] = -1
			} else if c.Next(d.l, long[:came[c]], d.now) == NeedBytes {
				came[c] = c.Want()
			}
			most = max(most, d.l.granted)
		}
		d.l.Sweep(d.now)
	}
	for i, c := range conns {
		if came[c] >= 0 {
			t.Errorf("connection %d has had %d bytes of its frame taken in, and waits", i, came[c])
		}
	}
	if most > 1000<<10+len(long) || d.l.granted != 0 {
		t.Errorf("%d bytes were granted at a time, %d are left", most, d.l.granted)
	}
}

// TestMultiReadStopsAtTheLongestReply: a request of some kilobytes may ask for gigabytes.
func TestMultiReadStopsAtTheLongestReply(t *testing.T) {
	d := newDesk(t, Settings{})
	c := d.client()
	d.big(c, "/big", 1<<20-100)
	var q wire.MultiRequest
	for range 1000 {
		q.Ops = append(q.Ops, wire.MultiOp{Op: wire.OpGetData,
			Read: wire.PathWatchRequest{Path: "/big"}})
	}
	d.send(c, 2, wire.OpMultiRead, &q)
	if cap(c.out) > 4*MaxReply {
		t.Errorf("the answer took %d bytes", cap(c.out))
	}
	var h wire.ReplyHeader
	in := wire.NewReader(c.Take(nil)[4:])
	if h.Decode(&in); h.Err != wire.CodeMarshallingError {
		t.Errorf("answered with %v, want %v", h.Err, wire.CodeMarshallingError)
	}
	if n := c.TakeNotice(); n.Op != wire.OpMultiRead || n.Bytes <= MaxReply || n.Path != "" {
		t.Errorf("notice %+v", n)
	}
}

func TestDrain(t *testing.T) {
	d := newDesk(t, Settings{})
	c := d.client()
	d.create(c, 1, "/a", 0)
	d.send(c, 2, wire.OpExists, &wire.PathWatchRequest{Path: "/a"})
	d.l.Drain()
	if d.l.Answered() {
		t.Error("answered before the write is applied")
	}
	if left := d.feed(c, frame(3, wire.OpPing, nil)); len(left) == 0 {
		t.Error("a request was taken after Drain")
	}
	d.commit()
	if !d.l.Answered() || c.stats.Requests != 3 { // with that for the session
		t.Errorf("answered %v with %d replies, want both requests that were taken",
			d.l.Answered(), c.stats.Requests)
	}
}

func TestStats(t *testing.T) {
	d := newDesk(t, Settings{})
	c := d.client()
	d.create(c, 7, "/a", 0)
	d.now += 5
	d.commit()
	d.send(c, wire.XidPing, wire.OpPing, nil)
	want := ConnStats{Received: 3, Sent: 3, LastOp: wire.OpPing, LastCxid: 7,
		LastZxid: d.l.State.LastZxid(), LastResponse: d.now, MaxLatency: 5, Requests: 3,
		TotalLatency: 5}
	if diff := cmp.Diff(want, c.Stats()); diff != "" {
		t.Errorf("stats of the connection (-want +got):\n%s", diff)
	}
	writes, reads := d.l.Waited()
	if writes.Count != 2 || writes.Sum != 5 || reads.Count != 0 {
		t.Errorf("writes %d in %d ms, reads that waited %d", writes.Count, writes.Sum, reads.Count)
	}
	d.l.Closed(c)
	total := d.l.Totals()
	if total.Requests != 3 || total.Received != 3 || total.MaxLatency != 5 ||
		total.BytesReceived == 0 {
		t.Errorf("totals after it is gone: %+v", total)
	}
	d.client()
	d.l.ResetConnStats()
	if total := d.l.Totals(); total.Received != 4 {
		t.Errorf("crst reset the server's counters: %+v", total)
	}
	d.l.ResetTotals()
	if diff := cmp.Diff(Totals{}, d.l.Totals()); diff != "" {
		t.Errorf("totals after a reset (-want +got):\n%s", diff)
	}
}

// To ZooKeeper the creation of a session is a request, with the xid 0, and neither coming back to
// one nor an auth packet is any.
func TestStatsOfHandshakesAndAuth(t *testing.T) {
	d := newDesk(t, Settings{})
	c := d.connect(wire.ConnectRequest{TimeoutMs: 10000})
	d.now += 3
	d.commit()
	first := ConnStats{Received: 1, Sent: 1, LastOp: wire.OpCreateSession, LastCxid: 0,
		LastZxid: Zxid(c.Session()), LastResponse: d.now, LastLatency: 3, MinLatency: 3,
		MaxLatency: 3, Requests: 1, TotalLatency: 3}
	d.wantStats("a new session", first, c)
	d.send(c, wire.XidAuth, wire.OpAuth, &wire.AuthRequest{Scheme: "digest", Auth: []byte("u:p")})
	d.now += 8
	d.commit()
	first.Received, first.Sent = 2, 2
	d.wantStats("after an auth packet", first, c)
	if writes, _ := d.l.Waited(); writes.Count != 1 || writes.Sum != 3 {
		t.Errorf("%d writes in %d ms, want 1 in 3", writes.Count, writes.Sum)
	}

	again := newConnStats()
	again.Received, again.Sent = 1, 1
	c = d.connect(wire.ConnectRequest{SessionID: int64(c.Session()), Password: c.random[:]})
	d.commit()
	d.wantStats("come back", again, c)
	if c.Session() == 0 {
		t.Errorf("it did not come back: %v", c.Cause())
	}

	d.l.SetServing(ServingReadOnly, CauseNoLeader)
	c = d.readOnly()
	d.send(c, wire.XidAuth, wire.OpAuth, &wire.AuthRequest{Scheme: "digest", Auth: []byte("u:p")})
	d.wantStats("a read-only session", ConnStats{Received: 2, Sent: 2,
		LastOp: wire.OpCreateSession, LastZxid: d.l.State.LastZxid(), LastResponse: d.now,
		Requests: 1}, c)
}

func (d *desk) wantStats(what string, want ConnStats, c *Conn) {
	d.t.Helper()
	if diff := cmp.Diff(want, c.Stats()); diff != "" {
		d.t.Errorf("%s: stats (-want +got):\n%s", what, diff)
	}
}

func TestLatencyQuantiles(t *testing.T) {
	var h Latencies
	for ms := range int64(1000) {
		h.add(ms)
	}
	for _, test := range []struct {
		q           float64
		least, most int64
	}{{0, 0, 0}, {0.01, 10, 10}, {0.5, 500, 563}, {0.99, 990, 999}, {0.999, 999, 999}} {
		if got := h.Quantile(test.q); got < test.least || got > test.most {
			t.Errorf("Quantile(%v) = %d, want %d to %d", test.q, got, test.least, test.most)
		}
	}
	h.add(1 << 40)
	if h.Max != 1<<40 || latencyBucket(1<<40) >= len(h.buckets) {
		t.Errorf("max %d in bucket %d of %d", h.Max, latencyBucket(1<<40), len(h.buckets))
	}
}

// TestTheHeaviestAreShed: when all hold too much, those go that hold most; who reads stays.
func TestTheHeaviestAreShed(t *testing.T) {
	d := newDesk(t, Settings{MaxHeldBytes: 1 << 20, SoftUnsent: 10 << 10})
	watch := &wire.AddWatchRequest{Path: "/", Mode: wire.ModePersistentRecursive}
	var slow []*Conn
	for range 5 {
		c := d.client()
		d.send(c, 1, wire.OpAddWatch, watch)
		slow = append(slow, c)
	}
	quick, writer := d.client(), d.client()
	d.send(quick, 1, wire.OpAddWatch, watch)
	path := "/" + strings.Repeat("a", 100<<10)
	for i := range int32(20) {
		d.create(writer, 2*i, path, 0)
		d.send(writer, 2*i+1, wire.OpDelete, &wire.DeleteRequest{Path: path, Version: -1})
		d.commit() // 200 KiB for everybody
		quick.Take(nil)
		quick.Wrote(quick.produced)
		writer.Take(nil)
		writer.Wrote(writer.produced)
		if d.l.held > 2<<20 {
			t.Fatalf("%d bytes are held", d.l.held)
		}
	}
	if quick.Cause() != CauseNone || writer.Cause() != CauseNone {
		t.Errorf("who reads: %v, who writes: %v", quick.Cause(), writer.Cause())
	}
	closed := 0
	for _, c := range slow {
		if c.Cause() == CauseSlowReader {
			closed++
		}
	}
	if closed < 4 {
		t.Errorf("%d of those who do not read were closed", closed)
	}
}
