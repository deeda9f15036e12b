package sim

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/vivariumdb/vivarium/client/protocol"
	"github.com/vivariumdb/vivarium/linearizability"
	"github.com/vivariumdb/vivarium/wire"
)

// twin is what a session of the real client must do, by what it was asked for and what has passed
// on the wire. Histories show what a client said to servers, not whether that was right: each
// request goes out once and in its turn; who comes back shows who it is, what it has seen and all
// that it watches; and an event is told to those who wait for it, and to nobody else.
type twin struct {
	c      *protocolClient
	asks   []*asking
	unsent int // of asks, those before it were sent or answered

	id       int64
	password []byte
	seen     int64      // the highest zxid in any frame
	relative int64      // up to which all watches are known to have reported
	shown    [][]byte   // auth packets that were sent, in order
	told     [2]uint64  // the last tag that was answered, of auth packets and of all else
	expected []expected // events that came and were not told yet
	armed    [watchKinds]map[string][]protocol.WatcherID

	answers map[uint64]*arrival // by tag, what came and was not told yet

	conduct

	// The connection.
	hello    bool // the connect request was sent
	opening  bool // it was answered, and nothing was sent since
	rearming int  // setWatches without an answer
	byXid    map[int32]*asking
}

// asking is a request of the caller's.
type asking struct {
	tag     uint64
	op      wire.OpCode
	body    []byte
	watcher protocol.WatcherID // 0: nobody waits any more
	over    bool               // sent, or answered without
}

// expected is an event that is to be told.
type expected struct {
	event *wire.WatcherEvent
	zxid  int64
	ids   []protocol.WatcherID
}

func newTwin(c *protocolClient) *twin {
	t := &twin{c: c, answers: map[uint64]*arrival{}}
	for k := range t.armed {
		t.armed[k] = map[string][]protocol.WatcherID{}
	}
	return t
}

func (t *twin) bad(format string, args ...any) {
	t.c.w.violate("client", fmt.Sprintf("%v: %s", t.c, fmt.Sprintf(format, args...)))
}

// asked notes that the session has taken a request.
func (t *twin) asked(tag uint64, q asked, watcher protocol.WatcherID) {
	body := bytes.Clone(q.body)
	if q.op == wire.OpAuth { // the session makes the packet itself
		r := wire.NewReader(q.body)
		var auth wire.AuthRequest
		auth.Decode(&r)
		auth.Type = 0
		body = auth.AppendTo(nil)
	}
	t.asks = append(t.asks, &asking{tag: tag, op: q.op, body: body, watcher: watcher})
}

// answered judges the order of replies: auth packets have one of their own.
func (t *twin) answered(e *protocol.Reply) {
	t.answeredAs(e)
	last := &t.told[1]
	switch e.Op {
	case wire.OpAuth:
		last = &t.told[0]
	case wire.OpCloseSession:
		return // without a connection it does not wait for those before it
	}
	if e.Tag < *last {
		t.bad("request %d is answered after request %d", e.Tag, *last)
	}
	*last = e.Tag
	for _, a := range t.asks[t.unsent:] {
		if a.tag == e.Tag {
			a.over = true
		}
	}
}

// unwatch notes that a watcher waits for nothing any more.
func (t *twin) unwatch(id protocol.WatcherID) {
	for _, a := range t.asks {
		if a.watcher == id && a.op != wire.OpRemoveWatches {
			a.watcher = 0
		}
	}
	for k := range t.armed {
		for path, ids := range t.armed[k] { //order-free: each by itself
			ids = slices.DeleteFunc(ids, func(o protocol.WatcherID) bool { return o == id })
			if t.armed[k][path] = ids; len(ids) == 0 {
				delete(t.armed[k], path)
			}
		}
	}
}

// dialled begins with another connection.
func (t *twin) dialled() {
	t.hello, t.opening, t.rearming, t.byXid = false, false, 0, map[int32]*asking{}
	t.expected = nil
	clear(t.answers)
}

// sent judges frames that the session gives to its connection.
func (t *twin) sent(b []byte) {
	var again [watchKinds][]string
	shown, known := 0, len(t.shown)
	for len(b) > 0 {
		n, err := wire.FrameLength(b, 1<<30)
		if err != nil || n == 0 || n > len(b) {
			return // judged where it is written
		}
		frame := b[wire.FrameHeaderLen:n]
		t.speaks(len(frame))
		b = b[n:]
		if !t.hello {
			t.hello = true
			t.greets(frame)
			continue
		}
		r := wire.NewReader(frame)
		var h wire.RequestHeader
		h.Decode(&r)
		switch {
		case h.Xid == wire.XidPing:
		case h.Xid == wire.XidSetWatches:
			t.rearming++
			t.rearms(requestOf(h.Op, r.Rest()), &again)
		case h.Xid == wire.XidAuth && t.opening && shown < known:
			if !bytes.Equal(t.shown[shown], frame) {
				t.bad("another identity is shown than before")
			}
			shown++
		default:
			t.says(h, r.Rest(), frame)
		}
	}
	if t.opening {
		t.opening = false
		if shown < known {
			t.bad("%d of %d identities are shown again", shown, known)
		}
		t.rearmed(&again)
	}
}

// greets judges a connect request.
func (t *twin) greets(frame []byte) {
	r := wire.NewReader(frame)
	var q wire.ConnectRequest
	q.Decode(&r)
	if q.SessionID != t.id || q.LastZxidSeen != t.seen ||
		t.id != 0 && !bytes.Equal(q.Password, t.password) {
		t.bad("it greets as session %#x that has seen %#x, but is %#x and has seen %#x",
			q.SessionID, q.LastZxidSeen, t.id, t.seen)
	}
	if cfg := &t.c.cfg; q.TimeoutMs != cfg.SessionTimeoutMs || q.ReadOnly != cfg.ReadOnly ||
		!q.HasReadOnly {
		t.bad("it greets with a time-out of %d ms and read-only %v, not %d and %v", q.TimeoutMs,
			q.ReadOnly, cfg.SessionTimeoutMs, cfg.ReadOnly)
	}
}

// says judges a request: it is the next one that was asked for.
func (t *twin) says(h wire.RequestHeader, body, frame []byte) {
	for t.unsent < len(t.asks) && t.asks[t.unsent].over {
		t.unsent++
	}
	if t.unsent < len(t.asks) {
		a := t.asks[t.unsent]
		if a.op == h.Op && (a.op == wire.OpCloseSession || bytes.Equal(a.body, body)) {
			a.over = true
			if h.Xid == wire.XidAuth {
				t.shown = append(t.shown, bytes.Clone(frame))
			} else {
				t.byXid[h.Xid] = a
			}
			return
		}
	}
	if h.Op != wire.OpRemoveWatches {
		t.bad("it asks for %v, which was not asked for, or not now", h.Op)
		return
	}
	// A watcher has gone. Nobody else may wait for what the server is to watch no more.
	if q := requestOf(h.Op, body); t.waited(q.Path, q.Mode) {
		t.bad("it has watches of %q of type %d removed, for which others wait", q.Path, q.Mode)
	}
}

// waited says whether somebody waits for what a removeWatches would end, or will when what is under
// way is answered.
func (t *twin) waited(path string, mode int32) bool {
	for _, k := range kindsOf[mode] {
		if len(t.armed[k][path]) > 0 {
			return true
		}
	}
	for _, a := range t.byXid { //order-free: any
		q := requestOf(a.op, a.body)
		if k, sets := setBy(a.op, q); sets && a.watcher != 0 && q.Path == path &&
			slices.Contains(kindsOf[mode], k) {
			return true
		}
	}
	return false
}

// setBy is the kind of watch that a request sets, if it sets one.
func setBy(op wire.OpCode, q *linearizability.Request) (k watchKind, sets bool) {
	switch op {
	case wire.OpExists, wire.OpGetData:
		return watchData, q.Watch
	case wire.OpGetChildren, wire.OpGetChildren2:
		return watchChild, q.Watch
	case wire.OpAddWatch:
		if q.Mode == wire.ModePersistentRecursive {
			return watchRecursive, true
		}
		return watchPersistent, true
	}
	return 0, false
}

func (t *twin) rearms(q *linearizability.Request, again *[watchKinds][]string) {
	w := q.Watches
	if w == nil {
		t.bad("it sets watches again and names none")
		return
	}
	if w.RelativeZxid > t.relative {
		t.bad("it sets watches again that have reported up to %#x, but are known to have up to %#x",
			w.RelativeZxid, t.relative)
	}
	for k, list := range [watchKinds][]string{w.Data, w.Exist, w.Child, w.Persistent,
		w.Recursive} {
		again[k] = append(again[k], list...)
	}
}

// rearmed judges what was set again: all that is watched, each once.
func (t *twin) rearmed(again *[watchKinds][]string) {
	for k := range again {
		slices.Sort(again[k])
		if want := sortedKeys(t.armed[k]); !slices.Equal(again[k], want) {
			t.bad("it sets the watches of kind %d again of %q, and not of %q", k, again[k], want)
			return
		}
	}
}

// saw takes in a frame of the server.
func (t *twin) saw(a *arrival) {
	t.hears(a)
	if a.connect != nil {
		if t.opening = a.connect.TimeoutMs > 0; t.opening && !a.connect.ReadOnly {
			t.id, t.password = a.connect.SessionID, bytes.Clone(a.connect.Password)
		}
		return
	}
	t.seen = max(t.seen, a.zxid)
	switch {
	case a.event != nil:
		t.expected = append(t.expected, expected{a.event, a.zxid, t.fire(a.event)})
		return
	case a.xid == wire.XidPing || a.xid == wire.XidAuth:
		return
	case a.xid == wire.XidSetWatches:
		t.rearming--
	}
	if t.rearming == 0 {
		t.relative = max(t.relative, a.zxid)
	}
	asking := t.byXid[a.xid]
	if asking == nil || a.request == nil {
		return
	}
	delete(t.byXid, a.xid)
	t.answers[asking.tag] = a
	ok := a.result.Err == linearizability.CodeOk
	path := a.request.Path
	switch a.op {
	case wire.OpRemoveWatches:
		if ok {
			t.removed(path, a.request.Mode, a.zxid)
		}
	case wire.OpExists:
		t.arm(asking, watchData, path, a.request.Watch && ok)
		t.arm(asking, watchExist, path,
			a.request.Watch && a.result.Err == linearizability.CodeNoNode)
	case wire.OpGetData:
		t.arm(asking, watchData, path, a.request.Watch && ok)
	case wire.OpGetChildren, wire.OpGetChildren2:
		t.arm(asking, watchChild, path, a.request.Watch && ok)
	case wire.OpAddWatch:
		kind := watchPersistent
		if a.request.Mode == wire.ModePersistentRecursive {
			kind = watchRecursive
		}
		t.arm(asking, kind, path, ok)
	}
}

func (t *twin) arm(a *asking, kind watchKind, path string, yes bool) {
	if ids := t.armed[kind][path]; yes && a.watcher != 0 && !slices.Contains(ids, a.watcher) {
		t.armed[kind][path] = append(ids, a.watcher)
	}
}

// removed notes that the server has removed the watches of a path, of all kinds or of one. Who
// waited for them is told.
func (t *twin) removed(path string, mode int32, zxid int64) {
	for _, k := range kindsOf[mode] {
		if ids := slices.Sorted(slices.Values(t.armed[k][path])); len(ids) > 0 {
			e := &wire.WatcherEvent{Type: removalOf[k], Path: path}
			t.expected = append(t.expected, expected{e, zxid, ids})
		}
		delete(t.armed[k], path)
	}
}

// kindsOf are the kinds of watches that a removeWatches of each type ends.
var kindsOf = map[int32][]watchKind{wire.WatcherData: {watchData, watchExist},
	wire.WatcherChildren: {watchChild}, wire.WatcherPersistent: {watchPersistent},
	wire.WatcherPersistentRecursive: {watchRecursive},
	wire.WatcherAny: {watchData, watchExist, watchChild, watchPersistent,
		watchRecursive}}

// removalOf is the event that tells of the end of a watch.
var removalOf = [watchKinds]wire.EventType{watchData: wire.EventDataWatchRemoved,
	watchExist: wire.EventDataWatchRemoved, watchChild: wire.EventChildWatchRemoved,
	watchPersistent: wire.EventPersistentWatchRemoved,
	watchRecursive:  wire.EventPersistentWatchRemoved}

// fire returns who waits for an event, in order, and forgets one-shot watches.
func (t *twin) fire(e *wire.WatcherEvent) (ids []protocol.WatcherID) {
	var once []watchKind
	switch e.Type {
	case wire.EventNodeCreated, wire.EventNodeDataChanged:
		once = []watchKind{watchData, watchExist}
	case wire.EventNodeDeleted:
		once = []watchKind{watchData, watchExist, watchChild}
	case wire.EventNodeChildrenChanged:
		once = []watchKind{watchChild}
	}
	for _, k := range once {
		ids = append(ids, t.armed[k][e.Path]...)
		delete(t.armed[k], e.Path)
	}
	ids = append(ids, t.armed[watchPersistent][e.Path]...)
	for path, list := range t.armed[watchRecursive] { //order-free: sorted below
		below := strings.HasPrefix(e.Path, strings.TrimSuffix(path, "/")+"/") || path == e.Path
		if below && e.Type != wire.EventNodeChildrenChanged {
			ids = append(ids, list...)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// tells judges an event that is told.
func (t *twin) tells(e *protocol.Event) {
	if len(t.expected) == 0 {
		t.bad("%v is told, and did not come", e)
		return
	}
	want := t.expected[0]
	t.expected = t.expected[1:]
	ids := slices.Clone(e.Watchers)
	slices.Sort(ids)
	if want.event.Type != e.Type || want.event.Path != e.Path || want.zxid != e.Zxid ||
		!slices.Equal(ids, want.ids) {
		t.bad("%v of %q at %#x is told to %v, and not %v of %q at %#x to %v", e.Type, e.Path,
			e.Zxid, ids, want.event.Type, want.event.Path, want.zxid, want.ids)
	}
}
