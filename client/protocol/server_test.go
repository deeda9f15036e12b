package protocol

import (
	"fmt"
	"testing"

	"github.com/vivariumdb/vivarium/wire"
)

// A scripted server for one session: the test says what it answers. It reads what the session
// wrote and keeps the frames apart.
type server struct {
	t    testing.TB
	s    *Session
	conn ConnID
	now  int64
	in   []byte

	effects []string // since the last call of seen
}

// newServer returns a server in front of a session with this configuration.
func newServer(t testing.TB, cfg Config) *server {
	t.Helper()
	if len(cfg.Servers) == 0 {
		cfg.Servers = []string{"a:1"}
	}
	s, err := New(cfg, 0)
	if err != nil {
		t.Fatal(err)
	}
	v := &server{t: t, s: s}
	v.drain()
	return v
}

// drain takes effects and bytes.
func (v *server) drain() {
	for {
		e, ok := v.s.Next()
		if !ok {
			break
		}
		if d, ok := e.(Dial); ok {
			v.conn = d.Conn
			v.in = nil
		}
		v.effects = append(v.effects, text(e))
	}
	v.in = append(v.in, v.s.Output(nil)...)
}

// text writes an effect in short.
func text(e Effect) string {
	switch e := e.(type) {
	case Dial:
		return fmt.Sprintf("dial %d %s", e.Conn, e.Server)
	case HangUp:
		return fmt.Sprintf("hang up %d: %v", e.Conn, e.Cause)
	case StateChange:
		return fmt.Sprintf("state %v: %v", e.State, e.Cause)
	case Reply:
		return fmt.Sprintf("reply %d %v zxid %d %v %q", e.Tag, e.Op, e.Zxid, e.Err, e.Body)
	case Event:
		return fmt.Sprintf("event %v %s zxid %d %v", e.Type, e.Path, e.Zxid, e.Watchers)
	}
	return fmt.Sprintf("%#v", e)
}

// seen returns the effects since the last call.
func (v *server) seen() []string {
	v.drain()
	effects := v.effects
	v.effects = nil
	return effects
}

// frame takes the next frame the session wrote, nil if there is none.
func (v *server) frame() []byte {
	v.t.Helper()
	v.drain()
	n, err := wire.FrameLength(v.in, wire.DefaultMaxBuffer)
	if err != nil {
		v.t.Fatal(err)
	}
	if n == 0 || n > len(v.in) {
		return nil
	}
	payload := v.in[wire.FrameHeaderLen:n]
	v.in = v.in[n:]
	return payload
}

// request takes the next request the session wrote; false if there is none.
func (v *server) request() (wire.RequestHeader, []byte, bool) {
	v.t.Helper()
	payload := v.frame()
	if payload == nil {
		return wire.RequestHeader{}, nil, false
	}
	r := wire.NewReader(payload)
	var h wire.RequestHeader
	h.Decode(&r)
	if r.Err() != nil {
		v.t.Fatalf("frame %x: %v", payload, r.Err())
	}
	return h, r.Rest(), true
}

// want takes the next request and checks what it is.
func (v *server) want(xid int32, op wire.OpCode) []byte {
	v.t.Helper()
	h, body, ok := v.request()
	if want := (wire.RequestHeader{Xid: xid, Op: op}); !ok || h != want {
		v.t.Fatalf("the session sent %+v (%v), want %+v", h, ok, want)
	}
	return body
}

// quiet checks that nothing more was written.
func (v *server) quiet() {
	v.t.Helper()
	if h, _, ok := v.request(); ok {
		v.t.Fatalf("the session sent %+v, want nothing", h)
	}
}

// encoder is a record of package wire.
type encoder interface{ AppendTo([]byte) []byte }

// send gives the session a frame of records.
func (v *server) send(records ...encoder) {
	b, at := wire.BeginFrame(nil)
	for _, r := range records {
		b = r.AppendTo(b)
	}
	v.s.Feed(v.conn, wire.EndFrame(b, at), v.now)
	v.drain()
}

// reply answers with a header and records.
func (v *server) reply(xid int32, zxid int64, code wire.ErrorCode, records ...encoder) {
	header := &wire.ReplyHeader{Xid: xid, Zxid: zxid, Err: code}
	v.send(append([]encoder{header}, records...)...)
}

// event sends a notification.
func (v *server) event(zxid int64, event wire.EventType, path string) {
	v.reply(wire.XidNotification, zxid, wire.CodeOk,
		&wire.WatcherEvent{Type: event, State: wire.StateSyncConnected, Path: path})
}

// open takes the connection and its handshake, and grants a session.
func (v *server) open() wire.ConnectRequest {
	v.t.Helper()
	v.drain()
	v.s.Opened(v.conn, v.now)
	r := wire.NewReader(v.frame())
	var request wire.ConnectRequest
	request.Decode(&r)
	if r.Err() != nil {
		v.t.Fatalf("no ConnectRequest: %v", r.Err())
	}
	v.send(&wire.ConnectResponse{TimeoutMs: 9000, SessionID: 0x77, HasReadOnly: true,
		Password: []byte("0123456789abcdef")})
	return request
}

// lose ends the connection and has the session dial again.
func (v *server) lose() {
	v.t.Helper()
	v.s.Lost(v.conn, v.now, 0)
	v.drain()
	if at, ok := v.s.Deadline(); ok {
		v.now = max(v.now, at)
		v.s.Tick(v.now)
	}
	v.drain()
}

// submit sends a request of the caller.
func (v *server) submit(tag uint64, op wire.OpCode, watcher WatcherID, body encoder) {
	v.t.Helper()
	r := Request{Tag: tag, Op: op, Watcher: watcher}
	if body != nil {
		r.Body = body.AppendTo(nil)
	}
	if err := v.s.Submit(r, v.now); err != nil {
		v.t.Fatalf("Submit(%v): %v", op, err)
	}
}

// watch sets a watch: the request and an answer without error.
func (v *server) watch(op wire.OpCode, path string, id WatcherID, code wire.ErrorCode) {
	v.t.Helper()
	v.submit(0, op, id, &wire.PathWatchRequest{Path: path, Watch: true})
	h, _, _ := v.request()
	v.reply(h.Xid, 1, code)
}

// addWatch sets a persistent watch.
func (v *server) addWatch(mode int32, path string, id WatcherID) {
	v.t.Helper()
	v.submit(0, wire.OpAddWatch, id, &wire.AddWatchRequest{Path: path, Mode: mode})
	h, _, _ := v.request()
	v.reply(h.Xid, 1, wire.CodeOk, &wire.ErrorResponse{})
}
