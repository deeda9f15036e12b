package protocol

import (
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/vivariumdb/vivarium/wire"
)

// A register is a tiny server: znodes that all exist, of which only the last change is known, and
// data watches. It outlives connections, which its watches do not.
type register struct {
	zxid    int64
	mzxid   map[string]int64
	armed   map[string]bool
	written map[string]int // how often a request arrived, by its data
	out     []byte         // for the connection there is
	in      []byte
	shaken  bool // hands, on this connection
}

// connect begins a connection.
func (g *register) connect() {
	g.armed = map[string]bool{}
	g.in, g.out, g.shaken = nil, nil, false
}

// put appends a frame to the output.
func (g *register) put(records ...encoder) {
	b, at := wire.BeginFrame(g.out)
	for _, r := range records {
		b = r.AppendTo(b)
	}
	g.out = wire.EndFrame(b, at)
}

// change gives paths a new version in one transaction, and tells a connection that watches.
func (g *register) change(paths ...string) {
	g.zxid++
	for _, path := range paths {
		g.mzxid[path] = g.zxid
		if g.armed[path] {
			delete(g.armed, path)
			g.notify(g.zxid, path)
		}
	}
}

func (g *register) notify(zxid int64, path string) {
	g.put(&wire.ReplyHeader{Xid: wire.XidNotification, Zxid: zxid},
		&wire.WatcherEvent{Type: wire.EventNodeDataChanged, State: 3, Path: path})
}

// work carries out at most n frames of what arrived.
func (g *register) work(n int) {
	for range n {
		length, err := wire.FrameLength(g.in, wire.DefaultMaxBuffer)
		if err != nil || length == 0 || length > len(g.in) {
			return
		}
		r := wire.NewReader(slices.Clone(g.in[wire.FrameHeaderLen:length]))
		g.in = g.in[length:]
		if !g.shaken {
			g.shaken = true
			g.put(&wire.ConnectResponse{TimeoutMs: 9000, SessionID: 7, HasReadOnly: true})
			continue
		}
		g.carryOut(&r)
	}
}

// carryOut answers one request.
func (g *register) carryOut(r *wire.Reader) {
	var h wire.RequestHeader
	h.Decode(r)
	switch h.Op {
	case wire.OpSetData:
		var m wire.SetDataRequest
		m.Decode(r)
		g.written[string(m.Data)]++
		g.change(m.Path)
		g.put(&wire.ReplyHeader{Xid: h.Xid, Zxid: g.zxid}, &wire.StatResponse{})
		return
	case wire.OpGetData:
		var m wire.PathWatchRequest
		m.Decode(r)
		if m.Watch {
			g.armed[m.Path] = true
		}
	case wire.OpSetWatches:
		var m wire.SetWatchesRequest
		m.Decode(r)
		for _, path := range m.Data {
			if g.mzxid[path] > m.RelativeZxid {
				g.notify(-1, path)
			} else {
				g.armed[path] = true
			}
		}
	case wire.OpRemoveWatches:
		var m wire.WatcherRequest
		m.Decode(r)
		delete(g.armed, m.Path)
	}
	g.put(&wire.ReplyHeader{Xid: h.Xid, Zxid: g.zxid})
}

// step is one thing that happens.
type step struct {
	What string
	Path string
	N    int
}

var stepGen = rapid.Custom(func(t *rapid.T) step {
	return step{
		What: rapid.SampledFrom([]string{"set", "watch", "watch", "change", "multi", "arrive",
			"work", "feed", "feed", "round", "round", "round", "lose", "tick",
			"unwatch"}).Draw(t, "what"),
		Path: rapid.SampledFrom([]string{"/a", "/b", "/c"}).Draw(t, "path"),
		N:    rapid.IntRange(1, 120).Draw(t, "n"),
	}
})

// walk is a session and its register, on the way through some steps.
type walk struct {
	t   failer
	s   *Session
	g   *register
	now int64

	conn    ConnID
	dialled bool // and not yet connected
	hung    bool // and not yet lost
	tags    uint64
	log     []string
	replies map[uint64]Reply
	watched map[WatcherID]string // by watchers whose read was answered: the path
	since   map[WatcherID]int64  // the zxid of that answer
	told    map[WatcherID]int    // how often
	gone    map[WatcherID]bool   // that nobody waits for any more
	asked   map[uint64]string    // reads with a watch, by tag, which is also the watcher
	seen    int64
}

// failer is what testing.T and rapid.T have in common.
type failer interface {
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

func newWalk(t failer) *walk {
	s, err := New(Config{Servers: []string{"a:1"}}, 0)
	if err != nil {
		t.Fatal(err)
	}
	s.chunk = 12 // two paths
	return &walk{t: t, s: s, replies: map[uint64]Reply{}, watched: map[WatcherID]string{},
		since: map[WatcherID]int64{},
		told:  map[WatcherID]int{}, gone: map[WatcherID]bool{}, asked: map[uint64]string{},
		g: &register{mzxid: map[string]int64{}, written: map[string]int{}}}
}

// drain takes the effects and looks at each.
func (w *walk) drain() {
	for {
		e, ok := w.s.Next()
		if !ok {
			return
		}
		w.log = append(w.log, text(e))
		switch e := e.(type) {
		case Dial:
			w.conn, w.dialled = e.Conn, true
		case HangUp:
			if e.Cause == CauseViolation {
				w.t.Fatalf("%v", w.log)
			}
			w.hung = true
		case Reply:
			if _, again := w.replies[e.Tag]; again {
				w.t.Fatalf("request %d was answered twice: %v", e.Tag, w.log)
			}
			w.replies[e.Tag] = e
			w.seen = max(w.seen, e.Zxid)
			id := WatcherID(e.Tag)
			if path, read := w.asked[e.Tag]; read && e.Err == wire.CodeOk && !w.gone[id] {
				w.watched[id], w.since[id] = path, e.Zxid
			}
		case Event:
			w.seen = max(w.seen, e.Zxid)
			for _, id := range e.Watchers {
				w.told[id]++
				if w.watched[id] != e.Path || w.told[id] > 1 || w.gone[id] {
					w.t.Fatalf("watcher %d was told of %s: %v", id, e.Path, w.log)
				}
			}
		}
	}
}

// take does one step.
func (w *walk) take(p step) {
	switch p.What {
	case "set":
		w.tags++
		m := wire.SetDataRequest{Path: p.Path, Data: []byte(strconv.FormatUint(w.tags, 10))}
		w.submit(wire.OpSetData, m.AppendTo(nil))
	case "watch":
		w.tags++
		w.asked[w.tags] = p.Path
		m := wire.PathWatchRequest{Path: p.Path, Watch: true}
		w.submit(wire.OpGetData, m.AppendTo(nil))
	case "unwatch":
		if w.tags == 0 {
			break
		}
		id := WatcherID(uint64(p.N)%w.tags + 1)
		w.gone[id] = true
		delete(w.watched, id)
		w.s.Unwatch(id, w.now)
	case "change":
		w.g.change(p.Path)
	case "multi":
		w.g.change("/a", "/b", "/c")
	case "arrive":
		w.g.in = append(w.g.in, w.s.Output(nil)...)
	case "work":
		w.g.work(p.N % 5)
	case "feed":
		n := min(p.N, len(w.g.out))
		w.s.Feed(w.conn, w.g.out[:n], w.now)
		w.g.out = w.g.out[n:]
	case "round":
		for _, what := range []string{"arrive", "work", "feed"} {
			w.take(step{What: what, N: p.N})
		}
	case "lose":
		w.g.connect()
		w.dialled, w.hung = false, false
		w.s.Lost(w.conn, w.now, uint32(p.N))
	case "tick":
		w.now += int64(p.N * 5)
		w.s.Tick(w.now)
	}
	w.drain()
	if w.hung {
		w.take(step{What: "lose", N: p.N})
	}
	if w.dialled {
		w.dialled = false
		w.g.connect()
		w.s.Opened(w.conn, w.now)
		w.connectRequest()
	}
}

// connectRequest checks the handshake and gives it to the server.
func (w *walk) connectRequest() {
	b := w.s.Output(nil)
	r := wire.NewReader(b[wire.FrameHeaderLen:])
	var m wire.ConnectRequest
	m.Decode(&r)
	if r.Err() != nil || m.LastZxidSeen < w.seen || m.LastZxidSeen > w.g.zxid {
		w.t.Fatalf("the handshake shows zxid %d, %d was seen and %d is the last: %v",
			m.LastZxidSeen, w.seen, w.g.zxid, w.log)
	}
	w.g.in = append(w.g.in, b...)
}

func (w *walk) submit(op wire.OpCode, body []byte) {
	r := Request{Tag: w.tags, Op: op, Body: body, Watcher: WatcherID(w.tags)}
	if err := w.s.Submit(r, w.now); err != nil {
		w.t.Fatal(err)
	}
}

// settle lets everything arrive that is on its way, then changes each path and closes.
func (w *walk) settle() {
	rest := func() {
		for range 8 {
			for _, what := range []string{"arrive", "work"} {
				w.take(step{What: what, N: 4})
			}
			for len(w.g.out) > 0 {
				w.take(step{What: "feed", N: 60})
			}
			w.take(step{What: "tick", N: 20})
		}
	}
	rest()
	for w.s.Outstanding() > 0 || w.s.State() != wire.StateSyncConnected {
		rest()
	}
	for id, path := range w.watched {
		if w.told[id] == 0 && w.g.mzxid[path] > w.since[id] {
			w.t.Fatalf("watcher %d of %s was not told of zxid %d: %v",
				id, path, w.g.mzxid[path], w.log)
		}
	}
	for _, path := range []string{"/a", "/b", "/c"} {
		w.take(step{What: "change", Path: path})
	}
	rest()
}

// TestWalks takes a session through anything that can happen to it.
func TestWalks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 120).Draw(t, "n")
		steps := rapid.SliceOfN(stepGen, n, n).Draw(t, "steps")
		var first []string
		for run := range 2 {
			w := newWalk(t)
			w.drain()
			for _, p := range steps {
				w.take(p)
			}
			w.settle()
			for tag := uint64(1); tag <= w.tags; tag++ {
				if _, ok := w.replies[tag]; !ok {
					t.Fatalf("request %d was never answered: %v", tag, w.log)
				}
				data := strconv.FormatUint(tag, 10)
				if n := w.g.written[data]; n > 1 {
					t.Fatalf("request %d was carried out %d times: %v", tag, n, w.log)
				}
				if path := w.watched[WatcherID(tag)]; path != "" && w.told[WatcherID(tag)] != 1 {
					t.Fatalf("watcher %d of %s was told %d times: %v",
						tag, path, w.told[WatcherID(tag)], w.log)
				}
			}
			if run == 0 {
				first = w.log
			} else if diff := cmp.Diff(first, w.log); diff != "" {
				t.Fatalf("the same inputs have two outcomes:\n%s", diff)
			}
		}
	})
}

// FuzzFeed gives a session whatever a server may send.
func FuzzFeed(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, 0}, uint8(3))
	f.Add([]byte("\x00\x00\x00\x14\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x05"+
		"\x00\x00\x00\x00\x00\x00\x00\x00"), uint8(0))
	f.Fuzz(func(t *testing.T, b []byte, cut uint8) {
		v := newServer(t, Config{MaxReply: 1 << 16})
		if cut%2 == 0 {
			v.open()
			v.watch(wire.OpGetData, "/a", 1, wire.CodeOk)
			v.submit(7, wire.OpMultiRead, 2, &wire.MultiRequest{Ops: []wire.MultiOp{
				{Op: wire.OpGetData, Read: wire.PathWatchRequest{Path: "/a", Watch: true}}}})
		} else {
			v.s.Opened(v.conn, 0)
		}
		n := min(int(cut), len(b))
		v.s.Feed(v.conn, b[:n], 0)
		v.s.Feed(v.conn, b[n:], 0)
		v.s.Lost(v.conn, 0, 1)
		v.s.Close(9, 0)
		answered := 0
		for _, e := range v.seen() {
			if len(e) > 8 && e[:8] == "reply 9 " {
				answered++
			}
		}
		if answered != 1 || !v.s.Over() {
			t.Fatalf("%x: closed %d times", b, answered)
		}
	})
}
