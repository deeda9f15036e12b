package protocol

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vivariumdb/vivarium/wire"
)

// effects checks what the session wanted since the last call.
func (v *server) wantEffects(want ...string) {
	v.t.Helper()
	if diff := cmp.Diff(want, v.seen()); diff != "" {
		v.t.Fatalf("effects (-want +got):\n%s", diff)
	}
}

func TestHandshake(t *testing.T) {
	v := newServer(t, Config{Servers: []string{"a:1", "b:2"}, SessionTimeoutMs: 6000})
	v.wantEffects("dial 1 a:1")
	got := v.open()
	want := wire.ConnectRequest{TimeoutMs: 6000, Password: make([]byte, 16), HasReadOnly: true}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("first handshake (-want +got):\n%s", diff)
	}
	v.wantEffects("state SyncConnected: no cause")
	if v.s.ID() != 0x77 || v.s.TimeoutMs() != 9000 || string(v.s.Password()) != "0123456789abcdef" {
		t.Errorf("session %x, time-out %d, password %q", v.s.ID(), v.s.TimeoutMs(), v.s.Password())
	}

	// The second shows what the first one gave, and the highest zxid of any reply or event.
	v.submit(1, wire.OpWhoAmI, 0, nil)
	v.want(1, wire.OpWhoAmI)
	v.reply(1, 40, wire.CodeOk)
	v.event(43, wire.EventNodeCreated, "/x")
	v.seen()
	v.lose()
	v.wantEffects("state Disconnected: connection lost", "dial 2 b:2")
	got = v.open()
	want = wire.ConnectRequest{LastZxidSeen: 43, TimeoutMs: 6000, SessionID: 0x77,
		Password: []byte("0123456789abcdef"), HasReadOnly: true}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("second handshake (-want +got):\n%s", diff)
	}
}

func TestHandshakeRefused(t *testing.T) {
	response := func(ms int32, id int64, readOnly bool) *wire.ConnectResponse {
		return &wire.ConnectResponse{TimeoutMs: ms, SessionID: id, ReadOnly: readOnly,
			Password: make([]byte, 16), HasReadOnly: true}
	}
	for _, test := range []struct {
		name     string
		readOnly bool // accepted
		answer   encoder
		want     []string
	}{
		{"session gone", false, response(0, 0, false),
			[]string{"hang up 1: session expired", "state Expired: session expired",
				`reply 5 whoAmI zxid 0 SessionExpired ""`}},
		{"read-only server, not wanted", false, response(9000, 7, true),
			[]string{"hang up 1: server broke the protocol"}},
		{"read-only server, wanted", true, response(9000, 7, true),
			[]string{"state ConnectedReadOnly: no cause"}},
		{"error frame of a read-only server", false, &wire.ReplyHeader{Err: wire.CodeNotReadOnly},
			[]string{"hang up 1: server broke the protocol"}},
		{"nothing at all", false, &wire.MultiRequest{},
			[]string{"hang up 1: server broke the protocol"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			v := newServer(t, Config{ReadOnly: test.readOnly})
			v.submit(5, wire.OpWhoAmI, 0, nil)
			v.s.Opened(v.conn, 0)
			v.seen()
			v.send(test.answer)
			v.wantEffects(test.want...)
		})
	}
}

func TestReadOnlySessionIsNotKept(t *testing.T) {
	v := newServer(t, Config{ReadOnly: true})
	v.s.Opened(v.conn, 0)
	v.send(&wire.ConnectResponse{TimeoutMs: 9000, SessionID: 1 << 62, ReadOnly: true,
		Password: make([]byte, 16), HasReadOnly: true})
	v.lose()
	if request := v.open(); request.SessionID != 0 || !request.ReadOnly {
		t.Errorf("after a read-only server the handshake shows session %x, read-only %v; "+
			"want 0, true", request.SessionID, request.ReadOnly)
	}
}

func TestRepliesInOrder(t *testing.T) {
	v := newServer(t, Config{})
	v.submit(10, wire.OpCreate, 0, &wire.CreateRequest{Path: "/early"})
	v.open()
	v.want(1, wire.OpCreate)
	v.submit(11, wire.OpDelete, 0, &wire.DeleteRequest{Path: "/b"})
	v.submit(12, wire.OpSync, 0, &wire.PathRequest{Path: "/"})
	v.want(2, wire.OpDelete)
	v.want(3, wire.OpSync)
	v.quiet()
	v.seen()
	v.reply(1, 5, wire.CodeOk, &wire.PathResponse{Path: "/early"})
	v.event(6, wire.EventNodeDeleted, "/b")
	v.reply(2, 6, wire.CodeNoNode)
	v.reply(wire.XidPing, 6, wire.CodeOk)
	v.wantEffects(
		`reply 10 create zxid 5 Ok "\x00\x00\x00\x06/early"`,
		"event NodeDeleted /b zxid 6 []",
		`reply 11 delete zxid 6 NoNode ""`)

	// A reply that nothing asked for ends the connection; what is not answered is of unknown fate.
	v.reply(9, 7, wire.CodeOk)
	v.wantEffects("hang up 1: server broke the protocol",
		"state Disconnected: server broke the protocol",
		`reply 12 sync zxid 0 ConnectionLoss ""`)
	v.reply(3, 7, wire.CodeOk)
	v.wantEffects()
}

func TestFramesInPieces(t *testing.T) {
	v := newServer(t, Config{MaxReply: 100})
	v.open()
	v.submit(1, wire.OpWhoAmI, 0, nil)
	v.submit(2, wire.OpWhoAmI, 0, nil)
	v.seen()
	var b []byte
	for xid := range int32(2) {
		var at int
		b, at = wire.BeginFrame(b)
		header := wire.ReplyHeader{Xid: xid + 1, Zxid: 9}
		b = wire.EndFrame(append(header.AppendTo(b), 'x'), at)
	}
	for i := range b {
		v.s.Feed(v.conn, b[i:i+1], 0)
	}
	v.wantEffects(`reply 1 whoAmI zxid 9 Ok "x"`, `reply 2 whoAmI zxid 9 Ok "x"`)
	v.s.Feed(v.conn, []byte{0, 0, 0, 101}, 0)
	v.wantEffects("hang up 1: server broke the protocol",
		"state Disconnected: server broke the protocol")
}

func TestRequestsAndLoss(t *testing.T) {
	v := newServer(t, Config{})
	v.open()
	v.submit(1, wire.OpWhoAmI, 0, nil)
	v.seen()
	v.s.Lost(v.conn, 0, 0)
	v.wantEffects("state Disconnected: connection lost", `reply 1 whoAmI zxid 0 ConnectionLoss ""`)

	// Submitted between connections: waits, also through an attempt that fails.
	v.submit(2, wire.OpWhoAmI, 0, nil)
	v.submit(3, wire.OpWhoAmI, 0, nil)
	v.s.Tick(1000)
	v.wantEffects("dial 2 a:1")
	v.s.Lost(v.conn, 1000, 0)
	v.wantEffects()
	if !v.s.Cancel(2) || v.s.Cancel(2) || v.s.Cancel(1) {
		t.Errorf("Cancel does not take back exactly what waits")
	}
	v.s.Tick(5000)
	v.open()
	v.want(2, wire.OpWhoAmI)
	v.quiet()
	if v.s.Cancel(3) {
		t.Errorf("Cancel took back what was sent")
	}
	v.reply(2, 4, wire.CodeOk)
	v.wantEffects("dial 3 a:1", "state SyncConnected: no cause", `reply 3 whoAmI zxid 4 Ok ""`)
}

func TestSubmitRefuses(t *testing.T) {
	v := newServer(t, Config{MaxRequests: 2, MaxRequest: 100})
	for _, test := range []struct {
		name string
		r    Request
		want error
	}{
		{"too large", Request{Op: wire.OpSync, Body: make([]byte, 93)}, ErrTooLarge},
		{"malformed read", Request{Op: wire.OpExists, Body: []byte{1}}, ErrMalformed},
		{"malformed addWatch", Request{Op: wire.OpAddWatch}, ErrMalformed},
		{"malformed removeWatches", Request{Op: wire.OpRemoveWatches}, ErrMalformed},
		{"malformed multiRead", Request{Op: wire.OpMultiRead}, ErrMalformed},
		{"first", Request{Op: wire.OpSync}, nil},
		{"second", Request{Op: wire.OpSync}, nil},
		{"third", Request{Op: wire.OpSync}, ErrFull},
	} {
		if err := v.s.Submit(test.r, 0); !errors.Is(err, test.want) {
			t.Errorf("%s: Submit = %v, want %v", test.name, err, test.want)
		}
	}
	v.s.Close(0, 0)
	if err := v.s.Submit(Request{Op: wire.OpSync}, 0); !errors.Is(err, ErrOver) {
		t.Errorf("after Close: Submit = %v, want %v", err, ErrOver)
	}
}

// What a session sends again on every connection may not be longer than a server takes, or no
// connection would ever be of use again.
func TestWhatIsSentAgainKeepsToMaxRequest(t *testing.T) {
	const most = 100
	longest := func(submit func(v *server, path string) error) (v *server, n int) {
		for n = most; n > 0; n-- {
			v = newServer(t, Config{MaxRequest: most})
			v.open()
			if err := submit(v, "/"+strings.Repeat("x", n-1)); err == nil {
				return v, n
			} else if !errors.Is(err, ErrTooLarge) {
				t.Fatalf("%d bytes: %v, want %v", n, err, ErrTooLarge)
			}
		}
		t.Fatal("nothing is short enough")
		return nil, 0
	}
	body := func(op wire.OpCode, path string) []byte {
		if op == wire.OpAddWatch {
			return (&wire.AddWatchRequest{Path: path, Mode: 1}).AppendTo(nil)
		}
		return (&wire.PathWatchRequest{Path: path, Watch: true}).AppendTo(nil)
	}
	for _, op := range []wire.OpCode{wire.OpAuth, wire.OpExists, wire.OpGetData, wire.OpAddWatch} {
		v, n := longest(func(v *server, path string) error {
			if op == wire.OpAuth {
				return v.s.AddAuth(1, "x", []byte(path), 0)
			}
			return v.s.Submit(Request{Tag: 1, Op: op, Watcher: 1, Body: body(op, path)}, 0)
		})
		h, _, _ := v.request()
		v.reply(h.Xid, 1, wire.CodeOk)
		v.lose()
		v.open()
		payload := v.frame()
		if len(payload) > most || len(payload) < most-8 {
			t.Errorf("%v of %d bytes: %d are sent again, want %d or a little less",
				op, n, len(payload), most)
		}
	}
}

func TestPingsAndSilence(t *testing.T) {
	v := newServer(t, Config{})
	v.open() // time-out 9000: ping after 3000, silence 6000
	v.seen()
	step := func(at int64) {
		t.Helper()
		if got, ok := v.s.Deadline(); !ok || got != at {
			t.Fatalf("Deadline() = %d, %v, want %d", got, ok, at)
		}
		v.now = at
		v.s.Tick(at - 1)
		v.quiet()
		v.s.Tick(at)
	}
	step(3000)
	v.want(wire.XidPing, wire.OpPing)
	v.now = 3500
	v.reply(wire.XidPing, 1, wire.CodeOk)
	step(6000)
	v.want(wire.XidPing, wire.OpPing)
	v.now = 7000
	v.submit(1, wire.OpWhoAmI, 0, nil) // a sign of life as well
	v.want(1, wire.OpWhoAmI)
	v.wantEffects()
	step(9500)
	v.wantEffects("hang up 1: server silent for too long",
		"state Disconnected: server silent for too long",
		`reply 1 whoAmI zxid 0 ConnectionLoss ""`)
	if at, ok := v.s.Deadline(); ok {
		t.Errorf("before Lost: Deadline() = %d, want none", at)
	}
}

func TestPauses(t *testing.T) {
	v := newServer(t, Config{Servers: []string{"a:1", "b:2"}, SessionTimeoutMs: 8000})
	v.open()
	v.reply(wire.XidPing, 1, wire.CodeOk)
	v.seen()
	for i, want := range []struct {
		random uint32
		pause  int64
		dial   string
	}{
		{7, 7, "b:2"}, // a used connection was lost: all clients of that server come now
		{7, 0, "a:1"}, // the other one is down too
		{7, 100 + 7, "b:2"},
		{7, 0, "a:1"},
		{199, 200 + 199%101, "b:2"},
		{7, 0, "a:1"},
		{0, 400, "b:2"},
		{0, 0, "a:1"},
		{0, 800, "b:2"},
		{0, 0, "a:1"},
		{0, 1600, "b:2"},
		{0, 0, "a:1"},
		{0, 2000, "b:2"},
	} {
		v.s.Lost(v.conn, v.now, want.random)
		at, ok := v.s.Deadline()
		if !ok || at != v.now+want.pause {
			t.Fatalf("loss %d: the pause is %d, want %d", i, at-v.now, want.pause)
		}
		v.now = at
		v.s.Tick(at)
		if got := v.seen(); !strings.HasSuffix(got[len(got)-1], want.dial) {
			t.Fatalf("loss %d: %q, want a dial of %s", i, got, want.dial)
		}
	}
	// 9000 ms were granted: 4500 for each of the servers.
	v.s.Tick(v.now + 4499)
	v.wantEffects()
	v.s.Tick(v.now + 4500)
	v.wantEffects("hang up 14: no connection in time")
}

func TestUselessConnectionsAreNotHurried(t *testing.T) {
	v := newServer(t, Config{})
	v.open()
	v.s.Lost(v.conn, 0, 0) // right after the handshake
	if at, _ := v.s.Deadline(); at != 100 {
		t.Errorf("the pause is %d ms, want 100", at)
	}
}

func TestStaleInputsAreIgnored(t *testing.T) {
	v := newServer(t, Config{})
	v.open()
	v.lose()
	v.seen()
	v.s.Opened(1, v.now)
	v.s.Feed(1, []byte{0, 0, 0, 1, 0}, v.now)
	v.s.Lost(1, v.now, 0)
	v.wantEffects()
	v.quiet()
}

func TestClose(t *testing.T) {
	t.Run("open", func(t *testing.T) {
		v := newServer(t, Config{})
		v.open()
		v.submit(1, wire.OpWhoAmI, 0, nil)
		v.s.Close(2, 0)
		v.s.Close(3, 0)
		v.want(1, wire.OpWhoAmI)
		v.want(2, wire.OpCloseSession)
		v.quiet()
		v.seen()
		v.reply(1, 3, wire.CodeOk)
		v.reply(2, 4, wire.CodeOk)
		v.wantEffects(`reply 1 whoAmI zxid 3 Ok ""`, `reply 2 closeSession zxid 4 Ok ""`,
			"hang up 1: closed", "state Closed: closed")
		v.s.Lost(1, 0, 0)
		v.wantEffects()
		if _, ok := v.s.Deadline(); ok || !v.s.Over() {
			t.Errorf("the session goes on")
		}
	})
	t.Run("lost meanwhile", func(t *testing.T) {
		v := newServer(t, Config{})
		v.open()
		v.s.Close(2, 0)
		v.seen()
		v.s.Lost(1, 0, 0)
		v.wantEffects("state Closed: connection lost",
			`reply 2 closeSession zxid 0 ConnectionLoss ""`)
	})
	t.Run("not connected", func(t *testing.T) {
		v := newServer(t, Config{})
		v.submit(1, wire.OpWhoAmI, 0, nil)
		v.seen()
		v.s.Close(2, 0)
		v.wantEffects(`reply 2 closeSession zxid 0 ConnectionLoss ""`, "hang up 1: closed",
			"state Closed: closed", `reply 1 whoAmI zxid 0 SessionExpired ""`)
	})
}

func TestAuth(t *testing.T) {
	v := newServer(t, Config{})
	auth := func(tag uint64, secret string) {
		t.Helper()
		if err := v.s.AddAuth(tag, "digest", []byte(secret), v.now); err != nil {
			t.Fatal(err)
		}
	}
	wantAuth := func(secret string) {
		t.Helper()
		r := wire.NewReader(v.want(wire.XidAuth, wire.OpAuth))
		var m wire.AuthRequest
		m.Decode(&r)
		want := wire.AuthRequest{Scheme: "digest", Auth: []byte(secret)}
		if diff := cmp.Diff(want, m); diff != "" {
			t.Fatalf("auth packet (-want +got):\n%s", diff)
		}
	}
	auth(1, "a:b")
	v.open()
	wantAuth("a:b")
	auth(2, "c:d")
	wantAuth("c:d")
	v.watch(wire.OpGetData, "/w", 1, wire.CodeOk)
	v.seen()
	v.reply(wire.XidAuth, 0, wire.CodeOk)
	v.wantEffects(`reply 1 auth zxid 0 Ok ""`)

	// Both are shown again, before the watches and everything else.
	v.lose()
	v.wantEffects("state Disconnected: connection lost", `reply 2 auth zxid 0 ConnectionLoss ""`,
		"dial 2 a:1")
	v.submit(3, wire.OpWhoAmI, 0, nil)
	v.open()
	wantAuth("a:b")
	wantAuth("c:d")
	v.want(wire.XidSetWatches, wire.OpSetWatches)
	v.want(2, wire.OpWhoAmI)
	v.quiet()
	v.seen()
	v.reply(wire.XidAuth, 0, wire.CodeOk)
	v.wantEffects()
	v.reply(wire.XidAuth, 0, wire.CodeAuthFailed)
	v.wantEffects("hang up 2: credentials refused", "state AuthFailed: credentials refused",
		`reply 3 whoAmI zxid 0 AuthFailed ""`)
}

func TestXidsStayPositive(t *testing.T) {
	v := newServer(t, Config{})
	v.open()
	v.s.xid = 1<<31 - 2
	for _, xid := range []int32{1<<31 - 1, 1, 2} {
		v.submit(0, wire.OpWhoAmI, 0, nil)
		v.want(xid, wire.OpWhoAmI)
	}
}

func TestValidate(t *testing.T) {
	for _, test := range []struct {
		cfg  Config
		want string // "" is no fault
	}{
		{Config{Servers: []string{"a:1"}}, ""},
		{Config{}, "no server"},
		{Config{Servers: []string{"a:1"}, SessionTimeoutMs: -1}, "session time-out: -1"},
		{Config{Servers: []string{"a:1"}, BackoffMinMs: 9, BackoffMaxMs: 8}, "below the least"},
		{Config{Servers: []string{"a:1"}, BackoffMinMs: 9000}, ""},
	} {
		_, err := New(test.cfg, 0)
		if (err == nil) != (test.want == "") ||
			err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("New(%+v) = %v, want %q", test.cfg, err, test.want)
		}
	}
}
