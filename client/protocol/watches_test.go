package protocol

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vivariumdb/vivarium/wire"
)

func TestWatchesFire(t *testing.T) {
	// Watchers: 1 data, 2 exists on nothing, 3 child, 4 persistent, 5 recursive, each on /a/b.
	// 6 is recursive on the root.
	for _, test := range []struct {
		event wire.EventType
		path  string
		want  []WatcherID
		again []WatcherID // when the same event comes once more
	}{
		{wire.EventNodeCreated, "/a/b", []WatcherID{1, 2, 4, 5, 6}, []WatcherID{4, 5, 6}},
		{wire.EventNodeDataChanged, "/a/b", []WatcherID{1, 2, 4, 5, 6}, []WatcherID{4, 5, 6}},
		{wire.EventNodeDeleted, "/a/b", []WatcherID{1, 2, 3, 4, 5, 6}, []WatcherID{4, 5, 6}},
		{wire.EventNodeChildrenChanged, "/a/b", []WatcherID{3, 4}, []WatcherID{4}},
		{wire.EventNodeCreated, "/a/b/c/d", []WatcherID{5, 6}, []WatcherID{5, 6}},
		{wire.EventNodeCreated, "/a/bc", []WatcherID{6}, []WatcherID{6}},
		{wire.EventNodeCreated, "/a", []WatcherID{6}, []WatcherID{6}},
		{wire.EventNodeDataChanged, "/", []WatcherID{6}, []WatcherID{6}},
		{wire.EventNone, "/a/b", nil, nil},
	} {
		v := newServer(t, Config{})
		v.open()
		v.watch(wire.OpGetData, "/a/b", 1, wire.CodeOk)
		v.watch(wire.OpExists, "/a/b", 2, wire.CodeNoNode)
		v.watch(wire.OpGetChildren2, "/a/b", 3, wire.CodeOk)
		v.addWatch(wire.ModePersistent, "/a/b", 4)
		v.addWatch(wire.ModePersistentRecursive, "/a/b", 5)
		v.addWatch(wire.ModePersistentRecursive, "/", 6)
		v.seen()
		for _, want := range [][]WatcherID{test.want, test.again} {
			v.event(5, test.event, test.path)
			v.wantEffects(fmt.Sprintf("event %v %s zxid 5 %v", test.event, test.path, want))
		}
	}
}

func TestWhatSetsAWatch(t *testing.T) {
	read := func(watch bool) encoder { return &wire.PathWatchRequest{Path: "/a", Watch: watch} }
	for _, test := range []struct {
		name string
		op   wire.OpCode
		body encoder
		code wire.ErrorCode
		want kind
	}{
		{"getData", wire.OpGetData, read(true), wire.CodeOk, kindData},
		{"getData without", wire.OpGetData, read(false), wire.CodeOk, kindNone},
		{"getData of nothing", wire.OpGetData, read(true), wire.CodeNoNode, kindNone},
		{"exists", wire.OpExists, read(true), wire.CodeOk, kindData},
		{"exists of nothing", wire.OpExists, read(true), wire.CodeNoNode, kindExist},
		{"exists without right", wire.OpExists, read(true), wire.CodeNoAuth, kindNone},
		{"getChildren", wire.OpGetChildren, read(true), wire.CodeOk, kindChild},
		{"getChildren2", wire.OpGetChildren2, read(true), wire.CodeOk, kindChild},
		{"getChildren of nothing", wire.OpGetChildren, read(true), wire.CodeNoNode, kindNone},
		{"addWatch", wire.OpAddWatch, &wire.AddWatchRequest{Path: "/a"}, wire.CodeOk,
			kindPersistent},
		{"addWatch recursive", wire.OpAddWatch, &wire.AddWatchRequest{Path: "/a", Mode: 1},
			wire.CodeOk, kindRecursive},
		{"addWatch refused", wire.OpAddWatch, &wire.AddWatchRequest{Path: "/a", Mode: 7},
			wire.CodeMarshallingError, kindNone},
	} {
		v := newServer(t, Config{})
		v.open()
		v.submit(1, test.op, 9, test.body)
		v.reply(1, 1, test.code)
		got := kindNone
		for k, table := range v.s.watches.tables {
			if len(table["/a"]) > 0 {
				got = kind(k)
			}
		}
		if got != test.want {
			t.Errorf("%s: the watch is of kind %d, want %d", test.name, got, test.want)
		}
	}
}

func TestMultiReadSetsNoWatch(t *testing.T) {
	v := newServer(t, Config{})
	v.open()
	read := func(path string, watch bool) wire.PathWatchRequest {
		return wire.PathWatchRequest{Path: path, Watch: watch}
	}
	v.submit(1, wire.OpMultiRead, 9, &wire.MultiRequest{Ops: []wire.MultiOp{
		{Op: wire.OpGetData, Read: read("/a", true)},
		{Op: wire.OpGetData, Read: read("/b", false)},
		{Op: wire.OpGetData, Read: read("/c", true)},
		{Op: wire.OpGetChildren, Read: read("/d", true)},
	}})
	v.reply(1, 1, wire.CodeOk, &wire.MultiResponse{Results: []wire.MultiResult{
		{Op: wire.OpGetData}, {Op: wire.OpGetData},
		{Op: wire.OpError, Err: wire.CodeNoNode}, {Op: wire.OpGetChildren},
	}})
	if got := v.s.watches.where[9]; len(got) > 0 {
		t.Errorf("a multiRead set the watches %v, which no server keeps", got)
	}
}

func TestWatchesAreSetAgain(t *testing.T) {
	v := newServer(t, Config{})
	v.open()
	v.watch(wire.OpGetData, "/b", 1, wire.CodeOk)
	v.watch(wire.OpGetData, "/a", 0, wire.CodeOk) // nobody's, kept all the same
	v.watch(wire.OpGetData, "/fired", 1, wire.CodeOk)
	v.watch(wire.OpExists, "/e", 2, wire.CodeNoNode)
	v.watch(wire.OpGetChildren, "/c", 3, wire.CodeOk)
	v.event(9, wire.EventNodeDeleted, "/fired")
	v.lose()
	if got := v.open().LastZxidSeen; got != 9 {
		t.Errorf("the handshake shows zxid %d, want 9", got)
	}
	r := wire.NewReader(v.want(wire.XidSetWatches, wire.OpSetWatches))
	var old wire.SetWatchesRequest
	old.Decode(&r)
	// An event says nothing of others in its transaction: replies had come up to zxid 1.
	want := wire.SetWatchesRequest{RelativeZxid: 1,
		Data: []string{"/a", "/b"}, Exist: []string{"/e"}, Child: []string{"/c"}}
	if diff := cmp.Diff(want, old); diff != "" {
		t.Errorf("setWatches (-want +got):\n%s", diff)
	}
	v.seen()
	v.event(-1, wire.EventNodeDataChanged, "/b")
	v.reply(wire.XidSetWatches, 12, wire.CodeOk)
	v.wantEffects("event NodeDataChanged /b zxid -1 [1]")

	v.addWatch(wire.ModePersistent, "/p", 4)
	v.addWatch(wire.ModePersistentRecursive, "/r", 5)
	v.lose()
	v.open()
	r = wire.NewReader(v.want(wire.XidSetWatches, wire.OpSetWatches2))
	var request wire.SetWatches2Request
	request.Decode(&r)
	want2 := wire.SetWatches2Request{RelativeZxid: 12,
		Data: []string{"/a"}, Exist: []string{"/e"}, Child: []string{"/c"},
		Persistent: []string{"/p"}, PersistentRecursive: []string{"/r"}}
	if diff := cmp.Diff(want2, request); diff != "" {
		t.Errorf("setWatches2 (-want +got):\n%s", diff)
	}

	// The server does not take them: this connection is of no use.
	v.seen()
	v.reply(wire.XidSetWatches, 12, wire.CodeMarshallingError)
	v.wantEffects("hang up 3: server broke the protocol",
		"state Disconnected: server broke the protocol")
}

func TestSetWatchesInChunks(t *testing.T) {
	v := newServer(t, Config{})
	v.open()
	long := strings.Repeat("x", wire.SetWatchesChunk/3-8)
	for _, name := range []string{"/1", "/2", "/3", "/4"} {
		v.watch(wire.OpGetData, name+long, 1, wire.CodeOk)
	}
	v.watch(wire.OpGetChildren, "/c"+long+long+long+long, 2, wire.CodeOk)
	v.addWatch(wire.ModePersistent, "/p", 3)
	v.lose()
	v.open()
	var got [][]int
	for _, op := range []wire.OpCode{wire.OpSetWatches, wire.OpSetWatches, wire.OpSetWatches,
		wire.OpSetWatches2} {
		r := wire.NewReader(v.want(wire.XidSetWatches, op))
		var m wire.SetWatches2Request
		m.RelativeZxid = r.Long()
		m.Data, m.Exist, m.Child = r.Strings(nil), r.Strings(nil), r.Strings(nil)
		if op == wire.OpSetWatches2 {
			m.Persistent, m.PersistentRecursive = r.Strings(nil), r.Strings(nil)
		}
		got = append(got, []int{int(m.RelativeZxid), len(m.Data), len(m.Child), len(m.Persistent)})
	}
	want := [][]int{{1, 3, 0, 0}, {1, 1, 0, 0}, {1, 0, 1, 0}, {1, 0, 0, 1}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("zxid, data, child, persistent of the requests (-want +got):\n%s", diff)
	}

	// The reply to the first says nothing of the watches in the others: a connection that ends
	// here leaves them as far behind as they were.
	v.reply(wire.XidSetWatches, 30, wire.CodeOk)
	v.reply(wire.XidSetWatches, 30, wire.CodeOk)
	v.reply(wire.XidSetWatches, 30, wire.CodeOk)
	v.lose()
	if got := v.open().LastZxidSeen; got != 30 {
		t.Errorf("the handshake shows zxid %d, want 30", got)
	}
	for range 3 {
		r := wire.NewReader(v.want(wire.XidSetWatches, wire.OpSetWatches))
		if relative := r.Long(); relative != 1 {
			t.Errorf("setWatches is relative to zxid %d, want 1", relative)
		}
	}
}

// A setWatches that is longer than the server takes would end every connection at its beginning.
func TestSetWatchesKeepToMaxRequest(t *testing.T) {
	const most = 200
	v := newServer(t, Config{MaxRequest: most})
	v.open()
	for i := range 40 {
		v.watch(wire.OpGetData, fmt.Sprintf("/znode%d", i), 1, wire.CodeOk)
	}
	v.addWatch(wire.ModePersistentRecursive, "/"+strings.Repeat("p", 150), 2)
	v.lose()
	v.open()
	frames := 0
	for {
		_, body, ok := v.request()
		if !ok {
			break
		}
		frames++
		if n := len(body) + 8; n > most {
			t.Errorf("setWatches %d has %d bytes, the limit is %d", frames, n, most)
		}
	}
	if frames < 4 {
		t.Errorf("%d requests set 41 watches again, want at least 4", frames)
	}
}

func TestRemoveWatches(t *testing.T) {
	for _, test := range []struct {
		name string
		typ  int32
		want []string
	}{
		{"data", wire.WatcherData, []string{"event DataWatchRemoved /a zxid 8 [1]",
			"event DataWatchRemoved /a zxid 8 [2]"}},
		{"children", wire.WatcherChildren, []string{"event ChildWatchRemoved /a zxid 8 [3]"}},
		{"persistent", wire.WatcherPersistent,
			[]string{"event PersistentWatchRemoved /a zxid 8 [4]"}},
		{"recursive", wire.WatcherPersistentRecursive,
			[]string{"event PersistentWatchRemoved /a zxid 8 [5]"}},
		{"any", wire.WatcherAny, []string{"event DataWatchRemoved /a zxid 8 [1]",
			"event DataWatchRemoved /a zxid 8 [2]", "event ChildWatchRemoved /a zxid 8 [3]",
			"event PersistentWatchRemoved /a zxid 8 [4]",
			"event PersistentWatchRemoved /a zxid 8 [5]"}},
	} {
		v := newServer(t, Config{})
		v.open()
		v.watch(wire.OpGetData, "/a", 1, wire.CodeOk)
		v.watch(wire.OpExists, "/a", 2, wire.CodeNoNode)
		v.watch(wire.OpGetChildren, "/a", 3, wire.CodeOk)
		v.addWatch(wire.ModePersistent, "/a", 4)
		v.addWatch(wire.ModePersistentRecursive, "/a", 5)
		v.seen()
		for _, code := range []wire.ErrorCode{wire.CodeNoWatcher, wire.CodeOk} {
			v.submit(7, wire.OpRemoveWatches, 0, &wire.WatcherRequest{Path: "/a", Type: test.typ})
			h, _, _ := v.request()
			v.reply(h.Xid, 8, code)
			want := []string{fmt.Sprintf("reply 7 removeWatches zxid 8 %v \"\"", code)}
			if code == wire.CodeOk {
				want = append(want, test.want...)
			}
			if diff := cmp.Diff(want, v.seen()); diff != "" {
				t.Errorf("%s, %v (-want +got):\n%s", test.name, code, diff)
			}
		}
	}
}

func TestUnwatch(t *testing.T) {
	v := newServer(t, Config{})
	v.open()
	v.watch(wire.OpGetData, "/a", 1, wire.CodeOk)
	v.watch(wire.OpExists, "/a", 2, wire.CodeNoNode)
	v.s.Unwatch(1, 0)
	v.quiet() // the server cannot tell 2's watch from 1's
	v.submit(8, wire.OpGetData, 3, &wire.PathWatchRequest{Path: "/a", Watch: true})
	xid, _, _ := v.request()
	v.s.Unwatch(2, 0)
	v.quiet() // 3's watch may have been set by now
	v.seen()
	v.reply(xid.Xid, 3, wire.CodeOk)
	v.event(4, wire.EventNodeDataChanged, "/a")
	v.wantEffects(`reply 8 getData zxid 3 Ok ""`, "event NodeDataChanged /a zxid 4 [3]")

	// The last one tells the server, and its answer is nobody's business.
	v.addWatch(wire.ModePersistentRecursive, "/r", 4)
	v.seen()
	v.s.Unwatch(4, 0)
	h, body, _ := v.request()
	r := wire.NewReader(body)
	var m wire.WatcherRequest
	m.Decode(&r)
	want := wire.WatcherRequest{Path: "/r", Type: wire.WatcherPersistentRecursive}
	if diff := cmp.Diff(want, m); h.Op != wire.OpRemoveWatches || diff != "" {
		t.Errorf("%v (-want +got):\n%s", h.Op, diff)
	}
	v.event(5, wire.EventNodeCreated, "/r/x")
	v.reply(h.Xid, 5, wire.CodeNoWatcher)
	v.wantEffects("event NodeCreated /r/x zxid 5 []")

	// A watcher that gives up before the reply of its request gets nothing.
	v.submit(9, wire.OpGetData, 5, &wire.PathWatchRequest{Path: "/n", Watch: true})
	h, _, _ = v.request()
	v.s.Unwatch(5, 0)
	v.reply(h.Xid, 6, wire.CodeOk)
	v.event(7, wire.EventNodeDataChanged, "/n")
	v.wantEffects(`reply 9 getData zxid 6 Ok ""`, "event NodeDataChanged /n zxid 7 []")
}

// The server has set what its reply says, whether or not somebody still waits for the reply: it
// would tell of a persistent watch for as long as the connection lives.
func TestUnwatchBeforeTheReply(t *testing.T) {
	for _, test := range []struct {
		name string
		op   wire.OpCode
		body encoder
		code wire.ErrorCode
		want int32 // the type of the removeWatches, 0 for none
	}{
		{"data", wire.OpGetData, &wire.PathWatchRequest{Path: "/n", Watch: true}, wire.CodeOk,
			wire.WatcherData},
		{"data of nothing", wire.OpGetData, &wire.PathWatchRequest{Path: "/n", Watch: true},
			wire.CodeNoNode, 0},
		{"exists on nothing", wire.OpExists, &wire.PathWatchRequest{Path: "/n", Watch: true},
			wire.CodeNoNode, wire.WatcherData},
		{"persistent", wire.OpAddWatch, &wire.AddWatchRequest{Path: "/n"}, wire.CodeOk,
			wire.WatcherPersistent},
		{"recursive", wire.OpAddWatch, &wire.AddWatchRequest{Path: "/n", Mode: 1}, wire.CodeOk,
			wire.WatcherPersistentRecursive},
	} {
		t.Run(test.name, func(t *testing.T) {
			v := newServer(t, Config{})
			v.open()
			ask := func(id WatcherID) int32 {
				t.Helper()
				v.submit(0, test.op, id, test.body)
				h, _, _ := v.request()
				return h.Xid
			}
			first, second := ask(1), ask(2)
			v.s.Unwatch(1, 0)
			v.reply(first, 1, test.code)
			v.quiet() // the second's watch is the same to the server
			v.s.Unwatch(2, 0)
			v.quiet() // it may fail to set one
			v.reply(second, 1, test.code)
			if test.want == 0 {
				v.quiet()
				return
			}
			xid := v.wantRemoval("/n", test.want)

			// Who asks next sets the watch anew, behind its removal.
			third := ask(3)
			v.reply(xid, 2, wire.CodeOk)
			v.reply(third, 2, test.code)
			v.quiet()
			v.s.Unwatch(3, 0)
			v.wantRemoval("/n", test.want)
		})
	}

	// A request that waits for a connection is forgotten by its watcher, and sent all the same.
	v := newServer(t, Config{})
	v.submit(8, wire.OpAddWatch, 1, &wire.AddWatchRequest{Path: "/w"})
	v.s.Unwatch(1, 0)
	v.open()
	v.want(1, wire.OpAddWatch)
	v.quiet()
	v.reply(1, 1, wire.CodeOk, &wire.ErrorResponse{})
	v.wantRemoval("/w", wire.WatcherPersistent)
	v.lose()
	v.open()
	v.quiet() // nothing is to be set again
}

// wantRemoval takes the next request, which is to be this removeWatches, and returns its xid.
func (v *server) wantRemoval(path string, watcherType int32) int32 {
	v.t.Helper()
	h, body, ok := v.request()
	r := wire.NewReader(body)
	var m wire.WatcherRequest
	m.Decode(&r)
	want := wire.WatcherRequest{Path: path, Type: watcherType}
	if !ok || h.Op != wire.OpRemoveWatches || m != want {
		v.t.Fatalf("the session sent %v %+v (%v), want removeWatches %+v", h.Op, m, ok, want)
	}
	return h.Xid
}
