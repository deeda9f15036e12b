package server_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/vivariumdb/vivarium/replication/store"
	"github.com/vivariumdb/vivarium/server"
	"github.com/vivariumdb/vivarium/server/config"
	"github.com/vivariumdb/vivarium/wire"
)

// patience is when a test gives up on something that must happen. It is no expectation of
// how fast: nothing that passes comes near it.
const patience = 60 * time.Second

// journal is the log of a server, line by line, as JSON.
type journal struct {
	mu      sync.Mutex
	changed sync.Cond
	rest    []byte
	lines   []map[string]any
	closed  bool
}

func newJournal() *journal {
	j := &journal{}
	j.changed.L = &j.mu
	return j
}

// Write takes output as a handler or a process makes it.
func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.rest = append(j.rest, b...)
	for {
		line, rest, ok := bytes.Cut(j.rest, []byte("\n"))
		if !ok {
			break
		}
		var m map[string]any
		if json.Unmarshal(line, &m) != nil {
			m = map[string]any{"msg": string(line)}
		}
		j.lines, j.rest = append(j.lines, m), rest
	}
	j.changed.Broadcast()
	return len(b), nil
}

func (j *journal) close() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.closed = true
	j.changed.Broadcast()
}

// wait returns the first line that fits, of those that are there or will come.
func (j *journal) wait(fits func(map[string]any) bool) (map[string]any, error) {
	late := time.AfterFunc(patience, j.close)
	defer late.Stop()
	j.mu.Lock()
	defer j.mu.Unlock()
	for n := 0; ; {
		for ; n < len(j.lines); n++ {
			if fits(j.lines[n]) {
				return j.lines[n], nil
			}
		}
		if j.closed {
			return nil, fmt.Errorf("no such line in the log:\n%s", j.text())
		}
		j.changed.Wait()
	}
}

// text is the whole log. The caller holds mu or nobody writes any more.
func (j *journal) text() string {
	var b bytes.Buffer
	for _, line := range j.lines {
		text, _ := json.Marshal(line)
		b.Write(append(text, '\n'))
	}
	b.Write(j.rest)
	return b.String()
}

// all returns the lines that fit so far.
func (j *journal) all(fits func(map[string]any) bool) []map[string]any {
	j.mu.Lock()
	defer j.mu.Unlock()
	var list []map[string]any
	for _, line := range j.lines {
		if fits(line) {
			list = append(list, line)
		}
	}
	return list
}

func said(msg string) func(map[string]any) bool {
	return func(line map[string]any) bool { return line["msg"] == msg }
}

// closedFor fits the line about a connection that was closed for cause.
func closedFor(cause string) func(map[string]any) bool {
	return func(line map[string]any) bool {
		return line["msg"] == "connection closed" && line["cause"] == cause
	}
}

// inside is a server in this process.
type inside struct {
	*server.Server
	t    testing.TB
	log  *journal
	stop func() error // orderly; returns what Run returned
}

// start runs a server until the test ends. What o leaves open is a free port on loopback, a
// temporary directory and all four-letter words.
func start(t testing.TB, o server.Options) *inside {
	t.Helper()
	s, err := open(t, &o)
	if err != nil {
		t.Fatal(err)
	}
	run(s)
	<-s.Serving()
	return s
}

// open makes a server that is not run yet.
func open(t testing.TB, o *server.Options) (*inside, error) {
	t.Helper()
	if o.Config == nil {
		o.Config = &config.Config{}
	}
	c := o.Config
	if c.DataDir == "" {
		c.DataDir = t.TempDir()
	}
	if c.ClientAddress == "" {
		c.ClientAddress = "127.0.0.1:0"
	}
	if c.MaxClientConns == 0 {
		c.MaxClientConns = config.Unlimited
	}
	if c.FourLetterWords == nil {
		c.FourLetterWords = []string{"*"}
	}
	if o.Store.SegmentSize == 0 {
		// A new directory needs less time than with files of 64 MiB.
		o.Store = store.Options{SegmentSize: 4 << 20, ReadySegments: 1}
	}
	log := newJournal()
	o.Logger = slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s, err := server.New(*o)
	if err != nil {
		return nil, err
	}
	return &inside{Server: s, t: t, log: log}, nil
}

func run(s *inside) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	var once sync.Once
	var err error
	go func() { done <- s.Run(ctx) }()
	s.stop = func() error {
		once.Do(func() {
			cancel()
			err = <-done
		})
		return err
	}
	s.t.Cleanup(func() {
		s.stop()
		if s.t.Failed() {
			text := s.log.text()
			s.t.Logf("log of the server:\n%s", text[max(0, len(text)-8000):])
		}
	})
}

// client is one connection that speaks the bytes of the protocol itself.
type client struct {
	t        testing.TB
	nc       net.Conn
	r        *bufio.Reader
	xid      int32
	session  int64
	password []byte
	timeout  int32
}

// dial connects without a handshake.
func dial(t testing.TB, addr net.Addr) *client {
	t.Helper()
	nc, err := net.Dial("tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(10 * patience))
	return &client{t: t, nc: nc, r: bufio.NewReader(nc)}
}

// connect opens a session.
func connect(t testing.TB, addr net.Addr) *client {
	t.Helper()
	c := dial(t, addr)
	if err := c.handshake(wire.ConnectRequest{TimeoutMs: 20000}); err != nil {
		t.Fatalf("handshake: %v", err)
	}
	return c
}

func (c *client) handshake(q wire.ConnectRequest) error {
	b, at := wire.BeginFrame(nil)
	if _, err := c.nc.Write(wire.EndFrame(q.AppendTo(b), at)); err != nil {
		return err
	}
	frame, err := c.frame()
	if err != nil {
		return err
	}
	var a wire.ConnectResponse
	r := wire.NewReader(frame)
	if a.Decode(&r); r.Err() != nil {
		return r.Err()
	}
	if a.SessionID == 0 {
		return errNoSession
	}
	c.session, c.timeout = a.SessionID, a.TimeoutMs
	c.password = append([]byte(nil), a.Password...)
	return nil
}

var errNoSession = errors.New("session refused")

// frame reads the next frame.
func (c *client) frame() ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(c.r, head[:]); err != nil {
		return nil, err
	}
	b := make([]byte, binary.BigEndian.Uint32(head[:]))
	_, err := io.ReadFull(c.r, b)
	return b, err
}

type record interface{ AppendTo([]byte) []byte }

// request appends the frame of one request.
func request(b []byte, xid int32, op wire.OpCode, q record) []byte {
	b, at := wire.BeginFrame(b)
	h := wire.RequestHeader{Xid: xid, Op: op}
	if b = h.AppendTo(b); q != nil {
		b = q.AppendTo(b)
	}
	return wire.EndFrame(b, at)
}

// reply is one reply or event.
type reply struct {
	wire.ReplyHeader
	body []byte
}

// reply reads the next reply or event.
func (c *client) reply() (reply, error) {
	var p reply
	b, err := c.frame()
	if err != nil {
		return p, err
	}
	r := wire.NewReader(b)
	p.Decode(&r)
	p.body = r.Rest()
	return p, r.Err()
}

// try sends one request and waits for its reply, past events.
func (c *client) try(op wire.OpCode, q record) (reply, error) {
	c.xid++
	if _, err := c.nc.Write(request(nil, c.xid, op, q)); err != nil {
		return reply{}, err
	}
	for {
		p, err := c.reply()
		if err != nil || p.Xid == c.xid {
			return p, err
		}
		if p.Xid != wire.XidNotification {
			return p, fmt.Errorf("reply to %d, want %d", p.Xid, c.xid)
		}
	}
}

// call is try for what must be answered.
func (c *client) call(op wire.OpCode, q record) reply {
	c.t.Helper()
	p, err := c.try(op, q)
	if err != nil {
		c.t.Fatalf("%v: %v", op, err)
	}
	return p
}

// must is call for what must succeed.
func (c *client) must(op wire.OpCode, q record) reply {
	c.t.Helper()
	p := c.call(op, q)
	if p.Err != wire.CodeOk {
		c.t.Fatalf("%v: %v", op, p.Err)
	}
	return p
}

func creation(path string, data []byte, flags int32) *wire.CreateRequest {
	return &wire.CreateRequest{Path: path, Data: data, ACL: wire.OpenACL(), Flags: flags}
}

func get(path string) *wire.PathWatchRequest { return &wire.PathWatchRequest{Path: path} }

func set(path string, data []byte) *wire.SetDataRequest {
	return &wire.SetDataRequest{Path: path, Data: data, Version: -1}
}

// gone waits until the server has closed the connection, past what it still says.
func (c *client) gone() {
	c.t.Helper()
	if _, err := io.Copy(io.Discard, c.r); err != nil && !isReset(err) {
		c.t.Fatalf("the server does not close the connection: %v", err)
	}
}

func isReset(err error) bool {
	var timeout net.Error
	return !(errors.As(err, &timeout) && timeout.Timeout())
}

// word asks a four-letter word.
func word(t testing.TB, addr net.Addr, text string) string {
	t.Helper()
	c := dial(t, addr)
	if _, err := io.WriteString(c.nc, text); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(c.r)
	if err != nil {
		t.Fatalf("%q: %v after %q", text, err, answer)
	}
	return string(answer)
}

// watchdog is a client whose requests must be answered whatever others do.
type watchdog struct {
	t    testing.TB
	stop chan struct{}
	done chan struct{}
	mu   sync.Mutex
	n    int
	seen sync.Cond
	err  error
	slow time.Duration // the longest that a request took
}

func watch(t testing.TB, addr net.Addr) *watchdog {
	t.Helper()
	w := &watchdog{t: t, stop: make(chan struct{}), done: make(chan struct{})}
	w.seen.L = &w.mu
	c := connect(t, addr)
	path := fmt.Sprintf("/watchdog-%x", c.session)
	c.must(wire.OpCreate, creation(path, []byte("x"), wire.FlagEphemeral))
	go func() {
		defer close(w.done)
		for {
			select {
			case <-w.stop:
				return
			default:
			}
			began := time.Now()
			p, err := c.try(wire.OpSetData, set(path, []byte("y")))
			if err == nil && p.Err == wire.CodeOk {
				p, err = c.try(wire.OpGetData, get(path))
			}
			w.mu.Lock()
			w.n++
			w.slow = max(w.slow, time.Since(began))
			if err == nil && p.Err != wire.CodeOk {
				err = fmt.Errorf("answered with %v", p.Err)
			}
			w.err = err
			w.seen.Broadcast()
			w.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() { w.end() })
	return w
}

// lives waits until some more requests were answered.
func (w *watchdog) lives() {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for until := w.n + 10; w.n < until && w.err == nil; {
		w.seen.Wait()
	}
	if w.err != nil {
		w.t.Errorf("another client noticed: %v", w.err)
	}
}

// end stops it and says how it went.
func (w *watchdog) end() (requests int, slowest time.Duration) {
	select {
	case <-w.done:
	default:
		select {
		case <-w.stop:
		default:
			close(w.stop)
		}
		<-w.done
	}
	return 2 * w.n, w.slow
}
