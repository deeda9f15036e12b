package server_test

import (
	"encoding/binary"
	"net"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/vivariumdb/vivarium/wire"
)

// ack is one thing that a client was told: the answer to a request, or to a connect request.
type ack struct {
	session int64
	xid     int32
	zxid    int64
	err     wire.ErrorCode
	path    string // of a create, as the answer has it
	attach  bool   // the session was attached
	create  bool   // the session was created
}

// Requests of the load are told by their xids: those of writes are even.
func (a *ack) write() bool { return a.xid > 0 && a.xid%2 == 0 }

// ackBook is all that clients were told, in order. What is written down twice, by the server's
// side of a socket and by the client's, is one thing.
type ackBook struct {
	mu        sync.Mutex
	list      []ack
	passwords map[int64][]byte
}

func newAckBook() *ackBook { return &ackBook{passwords: map[int64][]byte{}} }

func (b *ackBook) len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.list)
}

func (b *ackBook) add(a ack) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.list = append(b.list, a)
}

// reply writes down an answer; frame is all of it behind its length.
func (b *ackBook) reply(session int64, frame []byte) {
	var h wire.ReplyHeader
	r := wire.NewReader(frame)
	if h.Decode(&r); r.Err() != nil || h.Xid <= 0 {
		return
	}
	a := ack{session: session, xid: h.Xid, zxid: h.Zxid, err: h.Err}
	if a.write() && h.Err == wire.CodeOk && r.Len() >= 4 {
		if at := r.Rest(); len(at) > 4 && at[4] == '/' { // a create's path
			n := int(binary.BigEndian.Uint32(at))
			a.path = string(at[4:min(len(at), 4+n)])
		}
	}
	b.add(a)
}

// watchedListener lets the power fail before and after each read and write of its sockets. Every
// other connection shows the server its descriptor, as a real one does, and is used without
// blocking; at the others the bytes themselves can be seen: an answer counts as given once the
// server hands it out, whether or not anybody has read it.
type watchedListener struct {
	net.Listener
	o *outage
	n atomic.Int64
}

func (l *watchedListener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := watchedConn{Conn: nc, o: l.o}
	if l.n.Add(1)%2 == 0 {
		return &c, nil
	}
	return &rawConn{watchedConn: c}, nil
}

// watchedConn hides the descriptor.
type watchedConn struct {
	net.Conn
	o       *outage
	rest    []byte // of a frame that was not written whole
	session int64
}

func (c *watchedConn) CloseWrite() error { return c.Conn.(*net.TCPConn).CloseWrite() }

func (c *watchedConn) Read(b []byte) (int, error) {
	c.o.at("read request", false)
	n, err := c.Conn.Read(b)
	if n > 0 {
		c.o.at("read request", true)
	}
	return n, err
}

func (c *watchedConn) Write(b []byte) (int, error) {
	c.told(b)
	c.o.at("send reply", false)
	n, err := c.Conn.Write(b)
	c.o.at("send reply", true)
	return n, err
}

// told writes down the answers in b.
func (c *watchedConn) told(b []byte) {
	c.rest = append(c.rest, b...)
	for len(c.rest) >= 4 {
		n := int(binary.BigEndian.Uint32(c.rest))
		if len(c.rest) < 4+n {
			return
		}
		frame := c.rest[4 : 4+n]
		if c.session == 0 {
			var a wire.ConnectResponse
			r := wire.NewReader(frame)
			a.Decode(&r)
			c.session = a.SessionID
		} else {
			c.o.acks.reply(c.session, frame)
		}
		c.rest = c.rest[4+n:]
	}
}

// rawConn shows the descriptor.
type rawConn struct{ watchedConn }

func (c *rawConn) SyscallConn() (syscall.RawConn, error) {
	raw, err := c.Conn.(*net.TCPConn).SyscallConn()
	return watchedRaw{raw, c.o}, err
}

func (c *rawConn) Write(b []byte) (int, error) {
	c.o.at("send reply", false)
	n, err := c.Conn.Write(b)
	c.o.at("send reply", true)
	return n, err
}

type watchedRaw struct {
	syscall.RawConn
	o *outage
}

func (w watchedRaw) Read(fn func(fd uintptr) bool) error {
	return w.RawConn.Read(func(fd uintptr) bool {
		w.o.at("read request", false)
		done := fn(fd)
		if done {
			w.o.at("read request", true)
		}
		return done
	})
}

func (w watchedRaw) Write(fn func(fd uintptr) bool) error {
	return w.RawConn.Write(func(fd uintptr) bool {
		w.o.at("send reply", false)
		done := fn(fd)
		w.o.at("send reply", true)
		return done
	})
}
