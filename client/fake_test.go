package client_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"io"
	"net"
	"sync"

	"github.com/vivariumdb/vivarium/wire"
)

// A fake is a small server of the protocol for the tests of this package: one process, all in
// memory, sessions without time-outs. What it answers is in fake_tree_test.go. The same tests
// run against real servers too, see integration_test.go.
type fake struct {
	wg sync.WaitGroup

	mu       sync.Mutex
	tree     map[string]*znode
	zxid     int64
	sessions map[int64]*fakeSession
	conns    map[*fakeConn]bool
	refuse   bool // connections
	stalled  bool // requests are not answered
	requests int  // how many were read
}

type fakeSession struct {
	id    int64
	ids   []wire.ID
	owner *fakeConn
}

// fakeConn is a client's connection.
type fakeConn struct {
	f       *fake
	conn    net.Conn
	session *fakeSession
	// The watches, by path.
	data, child, persistent, recursive map[string]bool

	// out is guarded by f.mu; kick has room for one.
	out  []byte
	kick chan struct{}
	gone chan struct{}
	once sync.Once
}

func newFake() *fake {
	f := &fake{
		tree:     map[string]*znode{},
		sessions: map[int64]*fakeSession{},
		conns:    map[*fakeConn]bool{},
	}
	f.tree["/"] = &znode{acl: wire.OpenACL()}
	return f
}

// dial is for Options.DialServer.
func (f *fake) dial(context.Context, string) (net.Conn, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.refuse {
		return nil, io.ErrUnexpectedEOF
	}
	ours, theirs := net.Pipe()
	c := &fakeConn{f: f, conn: ours,
		data: map[string]bool{}, child: map[string]bool{},
		persistent: map[string]bool{}, recursive: map[string]bool{},
		kick: make(chan struct{}, 1), gone: make(chan struct{})}
	f.conns[c] = true
	f.wg.Go(c.read)
	f.wg.Go(c.write)
	return theirs, nil
}

// listen serves TCP on a free port of the loopback until stop is called.
func (f *fake) listen() (address string, stop func(), err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	f.wg.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			pipe, _ := f.dial(context.Background(), "")
			f.wg.Go(func() { join(conn, pipe) })
		}
	})
	return listener.Addr().String(), func() {
		listener.Close()
		f.drop()
		f.wg.Wait()
	}, nil
}

// join copies both ways until one side ends.
func join(a, b net.Conn) {
	var both sync.WaitGroup
	for _, pair := range [][2]net.Conn{{a, b}, {b, a}} {
		both.Go(func() {
			defer pair[0].Close()
			defer pair[1].Close()
			io.Copy(pair[0], pair[1])
		})
	}
	both.Wait()
}

// drop ends all connections.
func (f *fake) drop() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for c := range f.conns {
		c.close()
	}
}

// set changes the settings of the fake.
func (f *fake) set(change func(f *fake)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

// expire forgets all sessions and ends their connections.
func (f *fake) expire() {
	f.set(func(f *fake) { clear(f.sessions) })
	f.drop()
}

func (c *fakeConn) close() {
	c.once.Do(func() { close(c.gone) })
}

// write sends what is queued, until the connection ends.
func (c *fakeConn) write() {
	defer c.conn.Close()
	for {
		c.f.mu.Lock()
		out := c.out
		c.out = nil
		c.f.mu.Unlock()
		if len(out) > 0 {
			if _, err := c.conn.Write(out); err != nil {
				return
			}
			continue
		}
		select {
		case <-c.kick:
		case <-c.gone:
			return
		}
	}
}

// read takes frames and answers them, until the connection ends.
func (c *fakeConn) read() {
	defer func() {
		c.f.mu.Lock()
		delete(c.f.conns, c)
		c.f.mu.Unlock()
		c.close()
	}()
	r := bufio.NewReader(c.conn)
	for {
		var header [4]byte
		if _, err := io.ReadFull(r, header[:]); err != nil {
			return
		}
		payload := make([]byte, binary.BigEndian.Uint32(header[:]))
		if _, err := io.ReadFull(r, payload); err != nil {
			return
		}
		c.f.mu.Lock()
		c.f.requests++
		switch {
		case c.session == nil:
			c.handshake(payload)
		case !c.f.stalled:
			c.serve(payload)
		}
		c.f.mu.Unlock()
	}
}

// encoder is a record of package wire.
type encoder interface{ AppendTo([]byte) []byte }

// put queues a frame. The caller holds f.mu.
func (c *fakeConn) put(records ...encoder) {
	b, at := wire.BeginFrame(c.out)
	for _, r := range records {
		b = r.AppendTo(b)
	}
	c.out = wire.EndFrame(b, at)
	select {
	case c.kick <- struct{}{}:
	default:
	}
}

// handshake grants or takes up a session.
func (c *fakeConn) handshake(payload []byte) {
	f := c.f
	r := wire.NewReader(payload)
	var m wire.ConnectRequest
	m.Decode(&r)
	s := f.sessions[m.SessionID]
	if m.SessionID == 0 {
		f.zxid++
		s = &fakeSession{id: f.zxid}
		f.sessions[s.id] = s
	}
	if s == nil {
		c.session = &fakeSession{}
		c.put(&wire.ConnectResponse{HasReadOnly: true, Password: make([]byte, 16)})
		return
	}
	if s.owner != nil {
		s.owner.close()
	}
	s.owner = c
	s.ids = []wire.ID{{Scheme: "ip", ID: "127.0.0.1"}}
	c.session = s
	c.put(&wire.ConnectResponse{TimeoutMs: m.TimeoutMs, SessionID: s.id, HasReadOnly: true,
		Password: make([]byte, 16)})
}

// notify tells all who watch a path of what happened to it. The caller holds f.mu.
func (f *fake) notify(event wire.EventType, path string) {
	for c := range f.conns {
		if c.session != nil && c.watches(event, path) {
			c.event(f.zxid, event, path)
		}
	}
}

func (c *fakeConn) event(zxid int64, event wire.EventType, path string) {
	c.put(&wire.ReplyHeader{Xid: wire.XidNotification, Zxid: zxid},
		&wire.WatcherEvent{Type: event, State: wire.StateSyncConnected, Path: path})
}

// watches tells whether the connection watches, and disarms what is one-shot.
func (c *fakeConn) watches(event wire.EventType, path string) bool {
	hit := c.persistent[path]
	if event != wire.EventNodeChildrenChanged {
		hit = hit || c.data[path]
		delete(c.data, path)
		for above := path; ; above = parentOf(above) {
			hit = hit || c.recursive[above]
			if above == "/" {
				break
			}
		}
	}
	if event == wire.EventNodeChildrenChanged || event == wire.EventNodeDeleted {
		hit = hit || c.child[path]
		delete(c.child, path)
	}
	return hit
}
