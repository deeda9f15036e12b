package replication

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/wire"
	"go.etcd.io/raft/v3/raftpb"
)

// driver is the smallest legal driver of a member: one goroutine, a disk that is always
// quick.
type driver struct {
	t       *testing.T
	member  *Member
	turn    Turn
	nowMs   int64
	ids     core.ConnID
	saved   []*Append
	checks  []*Checkpoint
	step    int // commands per call of Apply; 0 is 3
	digests []ZxidDigest
}

func founded() *core.State {
	s := core.NewState()
	if err := s.Begin(FoundingIndex, FoundingTerm, nil); err != nil {
		panic(err)
	}
	var out core.Outcome
	for s.Next(core.Origin{}, &out) {
	}
	return s
}

func newDriver(t *testing.T, cfg Config) *driver {
	t.Helper()
	term, commit := uint64(FoundingTerm), uint64(FoundingIndex)
	m, err := New(cfg, Recovered{State: founded(), Term: FoundingTerm, ConfState: FoundingConf(1),
		HardState: &raftpb.HardState{Term: &term, Commit: &commit}})
	if err != nil {
		t.Fatal(err)
	}
	d := &driver{t: t, member: m, nowMs: 1_000_000}
	d.settle()
	return d
}

// settle turns the loop until nothing is left to do.
func (d *driver) settle() {
	var work Work
	var report Report
	for range 1000 {
		d.member.Local.Inbox.Take(&d.turn.Mail)
		d.turn.NowMs = d.nowMs
		d.member.Step(&d.turn, &work)
		d.turn = Turn{Mail: d.turn.Mail}
		d.turn.Stored = append(d.turn.Stored, work.Appends...)
		d.saved = append(d.saved, work.Appends...)
		d.member.Enqueue(work.Apply)
		for {
			step := d.step
			if step == 0 {
				step = 3
			}
			d.member.Apply(d.nowMs, step, &report)
			d.digests = append(d.digests, report.Digests...)
			if report.Err != nil {
				d.t.Fatal(report.Err)
			}
			if !report.Applied.Empty() {
				d.turn.Applied = append(d.turn.Applied, report.Applied)
			}
			if report.Checkpoint != nil {
				d.checks = append(d.checks, report.Checkpoint)
				d.turn.Checkpointed = report.Checkpoint.Index
			}
			if !report.More {
				break
			}
		}
		if len(d.turn.Stored) == 0 && len(d.turn.Applied) == 0 && d.turn.Checkpointed == 0 &&
			!d.member.Local.Inbox.Waiting() {
			return
		}
	}
	d.t.Fatal("the member does not come to rest")
}

func (d *driver) tick() {
	d.nowMs += d.member.Config().TickMs
	d.turn.Ticks = 1
	d.settle()
}

// open connects, and returns the connection after its handshake.
func (d *driver) open(request wire.ConnectRequest) (*core.Conn, wire.ConnectResponse) {
	d.t.Helper()
	d.ids++
	c, cause := d.member.Local.Open(core.ConnInfo{ID: d.ids, NowMs: d.nowMs,
		Remote: netip.MustParseAddrPort("127.0.0.1:4000"), Random: [16]byte{byte(d.ids)}})
	if c == nil {
		d.t.Fatalf("open: %v", cause)
	}
	b, at := wire.BeginFrame(nil)
	d.feed(c, wire.EndFrame(request.AppendTo(b), at))
	d.settle()
	frames := d.frames(c)
	if len(frames) != 1 {
		d.t.Fatalf("handshake answered with %d frames", len(frames))
	}
	var answer wire.ConnectResponse
	r := wire.NewReader(frames[0])
	if answer.Decode(&r); r.Err() != nil {
		d.t.Fatal(r.Err())
	}
	return c, answer
}

func (d *driver) feed(c *core.Conn, in []byte) {
	for len(in) > 0 {
		if need := c.Next(d.member.Local, in, d.nowMs); !need.Feedable() {
			d.t.Fatalf("connection needs %v with %d bytes left", need, len(in))
		}
		in = in[c.Feed(d.member.Local, in, d.nowMs):]
	}
}

func (d *driver) frames(c *core.Conn) [][]byte {
	var frames [][]byte
	for b := c.Take(nil); len(b) > 0; {
		n := 4 + int(binary.BigEndian.Uint32(b))
		frames = append(frames, b[4:n])
		b = b[n:]
	}
	return frames
}

type record interface{ AppendTo([]byte) []byte }

func request(b []byte, xid int32, op wire.OpCode, body record) []byte {
	b, at := wire.BeginFrame(b)
	header := wire.RequestHeader{Xid: xid, Op: op}
	b = header.AppendTo(b)
	if body != nil {
		b = body.AppendTo(b)
	}
	return wire.EndFrame(b, at)
}

// told is what a client sees of one frame.
type told struct {
	Xid   int32
	Err   wire.ErrorCode
	Event string
	Data  string
}

func (d *driver) told(c *core.Conn, dataOf ...int32) []told {
	var list []told
	for _, frame := range d.frames(c) {
		r := wire.NewReader(frame)
		var header wire.ReplyHeader
		header.Decode(&r)
		one := told{Xid: header.Xid, Err: header.Err}
		if header.Xid == wire.XidNotification {
			var event wire.WatcherEvent
			event.Decode(&r)
			one.Event = event.Type.String() + " " + event.Path
		}
		for _, xid := range dataOf {
			if xid == header.Xid && header.Err == 0 {
				one.Data = string(r.Buffer())
			}
		}
		if r.Err() != nil {
			d.t.Fatal(r.Err())
		}
		list = append(list, one)
	}
	return list
}

func create(path string) *wire.CreateRequest {
	return &wire.CreateRequest{Path: path, Data: []byte("0"), ACL: wire.OpenACL()}
}

// DESIGN section 3, rule 1: a read waits for the writes before it and sees no write after it,
// and its watch is armed at that very point, although both writes are in one entry.
func TestReadBetweenPipelinedWrites(t *testing.T) {
	d := newDriver(t, Config{})
	c, answer := d.open(wire.ConnectRequest{TimeoutMs: 10000})
	if answer.SessionID == 0 || answer.TimeoutMs != 10000 {
		t.Fatalf("handshake: %+v", answer)
	}
	d.feed(c, request(nil, 1, wire.OpCreate, create("/a")))
	d.settle()
	d.told(c)
	b := request(nil, 2, wire.OpSetData, &wire.SetDataRequest{Path: "/a", Data: []byte("1"),
		Version: -1})
	b = request(b, 3, wire.OpGetData, &wire.PathWatchRequest{Path: "/a", Watch: true})
	b = request(b, 4, wire.OpSetData, &wire.SetDataRequest{Path: "/a", Data: []byte("2"),
		Version: -1})
	b = request(b, 5, wire.OpGetData, &wire.PathWatchRequest{Path: "/a"})
	d.feed(c, b)
	d.settle()
	want := []told{{Xid: 2}, {Xid: 3, Data: "1"}, {Xid: -1, Event: "NodeDataChanged /a"}, {Xid: 4},
		{Xid: 5, Data: "2"}}
	got := d.told(c, 3, 5)
	for i := range got {
		if got[i].Event != "" && i < len(want) {
			want[i].Event = got[i].Event // the name of the type is wire's business
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("replies (-want +got):\n%s", diff)
	}
}

func TestSilentSessionExpires(t *testing.T) {
	d := newDriver(t, Config{})
	c, _ := d.open(wire.ConnectRequest{TimeoutMs: 4000})
	watcher, _ := d.open(wire.ConnectRequest{TimeoutMs: 40000})
	e := create("/e")
	e.Flags = wire.FlagEphemeral
	d.feed(c, request(nil, 1, wire.OpCreate, e))
	d.settle()
	d.feed(watcher, request(nil, 1, wire.OpExists,
		&wire.PathWatchRequest{Path: "/e", Watch: true}))
	d.told(watcher)
	for range 79 {
		d.tick()
	}
	if c.Cause() != core.CauseNone {
		t.Fatalf("ended before its time: %v", c.Cause())
	}
	for range 5 {
		d.tick()
	}
	if c.Cause() != core.CauseSessionExpired {
		t.Fatalf("after its time-out: %v", c.Cause())
	}
	got := d.told(watcher)
	if len(got) != 1 || got[0].Xid != wire.XidNotification {
		t.Fatalf("watcher was told %+v", got)
	}
}

func TestReattachMovesTheSession(t *testing.T) {
	d := newDriver(t, Config{})
	c, first := d.open(wire.ConnectRequest{TimeoutMs: 4000})
	c2, second := d.open(wire.ConnectRequest{TimeoutMs: 4000, SessionID: first.SessionID,
		Password: first.Password})
	if second.SessionID != first.SessionID || c.Cause() != core.CauseSessionMoved {
		t.Fatalf("second attach got %+v, first connection: %v", second, c.Cause())
	}
	_, third := d.open(wire.ConnectRequest{TimeoutMs: 4000, SessionID: first.SessionID,
		Password: make([]byte, 16)})
	if third.SessionID != 0 || third.TimeoutMs != 0 {
		t.Errorf("wrong password got %+v", third)
	}
	d.feed(c2, request(nil, 1, wire.OpCloseSession, nil))
	d.settle()
	if got := d.told(c2); len(got) != 1 || got[0].Xid != 1 || got[0].Err != 0 {
		t.Errorf("close was answered with %+v", got)
	}
	if c2.Cause() != core.CauseClosedByClient {
		t.Errorf("after close: %v", c2.Cause())
	}
}

// A write behind a read that waits for a sync may not be seen by that read.
func TestWriteBehindSyncedRead(t *testing.T) {
	d := newDriver(t, Config{})
	c, _ := d.open(wire.ConnectRequest{TimeoutMs: 4000})
	d.feed(c, request(nil, 1, wire.OpCreate, create("/a")))
	d.settle()
	d.told(c)
	b := request(nil, 2, wire.OpSync, &wire.PathRequest{Path: "/a"})
	b = request(b, 3, wire.OpGetData, &wire.PathWatchRequest{Path: "/a"})
	b = request(b, 4, wire.OpSetData, &wire.SetDataRequest{Path: "/a", Data: []byte("1"),
		Version: -1})
	b = request(b, 5, wire.OpGetData, &wire.PathWatchRequest{Path: "/a"})
	d.feed(c, b)
	d.settle()
	d.member.Local.Resume(c)
	d.settle()
	want := []told{{Xid: 2}, {Xid: 3, Data: "0"}, {Xid: 4}, {Xid: 5, Data: "1"}}
	if diff := cmp.Diff(want, d.told(c, 3, 5)); diff != "" {
		t.Errorf("replies (-want +got):\n%s", diff)
	}
}

func TestCheckpointWhenAsked(t *testing.T) {
	d := newDriver(t, Config{})
	c, _ := d.open(wire.ConnectRequest{TimeoutMs: 4000})
	for i := range int32(50) {
		create := create("/a")
		create.Flags = wire.FlagPersistentSequential
		d.feed(c, request(nil, i+1, wire.OpCreate, create))
		d.settle()
	}
	d.turn.Checkpoint = true
	d.settle()
	if len(d.checks) != 1 {
		t.Fatalf("%d checkpoints", len(d.checks))
	}
	if got := d.member.replica.log.start.index; got != d.checks[0].Index {
		t.Errorf("log in memory begins behind %d, checkpoint at %d", got, d.checks[0].Index)
	}
}
