package server

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/vivariumdb/vivarium/core"
)

// connection is one client's socket. Its goroutine, the feeder, reads and feeds; the flusher
// writes what apply answered.
type connection struct {
	server *Server
	nc     net.Conn
	raw    syscall.RawConn // nil if the socket cannot be waited on without a buffer
	conn   *core.Conn      // under the locks that package core names

	in   []byte // what was read and not used up yet; nil while idle
	used int    // of in

	out    outbox
	wake   chan struct{} // apply or the flusher did something that may unblock the feeder
	over   atomic.Bool   // apply ended the connection: the feeder is to look
	kicked atomic.Bool
}

// outbox is the bytes on their way to a socket. Who finds nobody writing writes.
type outbox struct {
	mu      sync.Mutex // O
	buf     []byte     // O
	spare   []byte     // O: empty memory for buf
	writing bool       // O
	failed  error      // O: the socket takes nothing any more
	written atomic.Uint64
}

func newConnection(s *Server, nc net.Conn, protocol *core.Conn) *connection {
	c := &connection{server: s, nc: nc, conn: protocol, wake: make(chan struct{}, 1)}
	if sc, ok := nc.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			c.raw = raw
		}
	}
	if tcp, ok := nc.(*net.TCPConn); ok {
		// Replies are gathered before they are written; what is written is due.
		tcp.SetNoDelay(true)
	}
	return c
}

// Buffers of input are taken when there is something to read and given back when all of it
// is used up, so that an idle connection holds none.
const readSize = 16 << 10

var readBuffers = sync.Pool{New: func() any { b := make([]byte, readSize); return &b }}

// serve is the feeder: it lives as long as the connection.
func (c *connection) serve() {
	s := c.server
	for {
		need := c.feed()
		var err error
		switch {
		case need&core.NeedClose != 0:
			c.finish(nil)
			return
		case need&core.NeedWord != 0:
			c.answerWord()
			c.finish(nil)
			return
		case need&core.NeedWait != 0:
			<-c.wake
		case s.draining.Load():
			// A stop is under way: nothing more is read, what was taken is still answered.
			<-c.wake
		default:
			err = c.read(c.conn.Want())
		}
		if err != nil && !c.over.Load() && !s.draining.Load() {
			c.finish(err)
			return
		}
	}
}

// feed gives the Conn what was read until it needs more bytes, has to wait or is over.
func (c *connection) feed() core.Need {
	const requests, replies = 64, 64 << 10
	s, local := c.server, c.server.member.Local
	for {
		submitted := false
		now := s.monoMs()
		s.state.RLock()
		c.conn.Wrote(c.out.written.Load())
		need := core.NeedNothing
		for n := 0; ; n++ {
			need = c.conn.Next(local, c.in[c.used:], now)
			if !need.Feedable() || n == requests || n&7 == 7 && c.conn.Unsent() > replies {
				break
			}
			c.used += c.feedOne(local, need, now)
			submitted = submitted || need&core.NeedInbox != 0
		}
		notice := c.conn.TakeNotice()
		c.out.push(c.conn)
		s.state.RUnlock()
		if submitted {
			s.wakeLoop()
		}
		if notice.Op != 0 {
			s.log.Warn("answer too long, refused", "request", notice.Op.String(),
				"path", notice.Path, "bytes", notice.Bytes, "limit", core.MaxReply,
				"client", c.conn.Remote().String())
		}
		c.flush()
		if !need.Feedable() {
			return need
		}
	}
}

// feedOne calls Feed under the locks that it needs. The caller holds S shared.
func (c *connection) feedOne(local *core.Local, need core.Need, now int64) int {
	s := c.server
	if need&core.NeedWatches != 0 {
		s.watches.Lock()
		defer s.watches.Unlock()
	}
	if need&core.NeedInbox != 0 {
		s.inbox.Lock()
		defer s.inbox.Unlock()
	}
	return c.conn.Feed(local, c.in[c.used:], now)
}

// read waits for input and reads some. want is the length of the frame under way, if known.
func (c *connection) read(want int) error {
	rest := copy(c.in, c.in[c.used:])
	c.in, c.used = c.in[:rest], 0
	if rest == 0 && cap(c.in) > 0 {
		c.dropInput()
	}
	if rest == 0 && c.raw != nil {
		return c.readFresh()
	}
	switch {
	case c.in == nil:
		c.in = (*readBuffers.Get().(*[]byte))[:0]
	case max(want, len(c.in)+1) > cap(c.in):
		grown := make([]byte, len(c.in), max(want, 2*cap(c.in)))
		copy(grown, c.in)
		c.in = grown
	}
	n, err := c.nc.Read(c.in[len(c.in):cap(c.in)])
	c.in = c.in[:len(c.in)+n]
	if n > 0 {
		return nil
	}
	return err
}

// dropInput gives back the memory of an empty input buffer.
func (c *connection) dropInput() {
	if cap(c.in) == readSize {
		b := c.in[:readSize]
		readBuffers.Put(&b)
	}
	c.in, c.used = nil, 0
}

// readFresh waits until the socket has something to read and reads it, without holding a
// buffer while it waits: most connections are idle most of the time (LIBRARIES section 4.1).
// The read has to be tried before each wait: what arrived earlier announces itself only once.
func (c *connection) readFresh() error {
	var failed error
	err := c.raw.Read(func(fd uintptr) bool {
		b := readBuffers.Get().(*[]byte)
		for {
			n, err := syscall.Read(int(fd), *b)
			switch {
			case err == syscall.EINTR:
				continue
			case err == syscall.EAGAIN:
				readBuffers.Put(b)
				return false
			case err != nil:
				failed = os.NewSyscallError("read", err)
			case n == 0:
				failed = io.EOF
			default:
				c.in = (*b)[:n]
				return true
			}
			readBuffers.Put(b)
			return true
		}
	})
	if err != nil {
		return err
	}
	return failed
}

// push takes the Conn's output over. The caller is the feeder under S shared, or holds S
// exclusively.
func (o *outbox) push(conn *core.Conn) {
	if !conn.HasOutput() {
		return
	}
	o.mu.Lock()
	switch {
	case o.failed != nil:
		conn.Wrote(o.written.Add(uint64(len(conn.Take(nil)))))
	case len(o.buf) == 0:
		spare := o.spare
		if cap(o.buf) > cap(spare) {
			spare = o.buf
		}
		o.spare = nil
		o.buf = conn.Take(spare)
	default:
		o.buf = append(o.buf, conn.Take(o.spare)...)
		o.spare = nil
	}
	o.mu.Unlock()
}

// pending says whether there are bytes that were not written yet.
func (o *outbox) pending() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.buf) > 0 || o.writing
}

// claim takes what is to be written, if nobody else is writing.
func (o *outbox) claim() []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.writing || len(o.buf) == 0 || o.failed != nil {
		return nil
	}
	o.writing = true
	b := o.buf
	o.buf, o.spare = o.spare, nil
	return b
}

// release ends a claim. What is left of b was not written. Memory above keep goes back to the
// allocator: one long answer must not make a connection large for ever.
func (o *outbox) release(b, left []byte, err error) {
	const keep = 64 << 10
	o.mu.Lock()
	defer o.mu.Unlock()
	o.writing = false
	o.written.Add(uint64(len(b) - len(left)))
	if err != nil {
		o.failed = err
		o.written.Add(uint64(len(left) + len(o.buf)))
		o.buf, o.spare = nil, nil
		return
	}
	if len(left) > 0 {
		o.buf = append(append(make([]byte, 0, len(left)+len(o.buf)), left...), o.buf...)
	}
	if cap(b) <= keep && o.spare == nil && len(left) == 0 {
		o.spare = b[:0]
	}
}

// flush writes until nothing is left, or somebody else is writing.
func (c *connection) flush() {
	for {
		b := c.out.claim()
		if b == nil {
			return
		}
		_, err := c.nc.Write(b)
		c.out.release(b, nil, err)
		c.nudge()
		if err != nil {
			c.kickOut()
			return
		}
	}
}

// tryFlush writes what the socket takes at once. It says whether something is left, or was,
// that has to be waited for.
func (c *connection) tryFlush() (left bool) {
	if c.raw == nil {
		return c.out.pending()
	}
	b := c.out.claim()
	if b == nil {
		return false
	}
	n, again := 0, false
	var writeErr error
	err := c.raw.Write(func(fd uintptr) bool {
		for n < len(b) {
			m, err := syscall.Write(int(fd), b[n:])
			switch {
			case err == syscall.EINTR:
			case err == syscall.EAGAIN:
				again = true
				return true
			case err != nil:
				writeErr = os.NewSyscallError("write", err)
				return true
			default:
				n += m
			}
		}
		return true
	})
	if err == nil {
		err = writeErr
	}
	c.out.release(b, b[n:], err)
	if err != nil {
		c.kickOut()
		return false
	}
	return again || c.out.pending()
}

// nudge wakes the feeder if it waits for apply or for room.
func (c *connection) nudge() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// kickOut makes the feeder look at the connection again, wherever it waits.
func (c *connection) kickOut() {
	c.over.Store(true)
	if c.kicked.CompareAndSwap(false, true) {
		c.nc.SetReadDeadline(time.Unix(1, 0))
		// A writer that is stuck behind a client that does not read lets go as well.
		c.nc.SetWriteDeadline(time.Now().Add(lastWords))
	}
	c.nudge()
}

// lastWords is how long the last reply may take to leave after a connection is over.
const lastWords = 2 * time.Second

// finish closes the connection and says why. err is what the socket said, if it was the end.
func (c *connection) finish(err error) {
	s := c.server
	c.nc.SetWriteDeadline(time.Now().Add(lastWords))
	c.flush()
	c.nc.Close()
	s.state.Lock()
	s.member.Local.Closed(c.conn)
	s.member.Local.TakeTouched(nil)
	delete(s.conns, c.conn)
	s.state.Unlock()
	if cap(c.in) > 0 {
		c.in = c.in[:0]
		c.dropInput()
	}
	c.logEnd(err)
}

func (c *connection) logEnd(err error) {
	cause := c.conn.Cause()
	level := slog.LevelInfo
	if cause == core.CauseFourLetterWord {
		level = slog.LevelDebug
	}
	attrs := []any{"client", c.conn.Remote().String(), "session", c.conn.Session().String(),
		"cause", cause.String()}
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, os.ErrDeadlineExceeded) {
		attrs = append(attrs, "error", err.Error())
	}
	c.server.log.Log(c.server.background, level, "connection closed", attrs...)
}

// addrPort is the peer's address; a peer that has none (a pipe, in tests) is unspecified.
func addrPort(a net.Addr) netip.AddrPort {
	if tcp, ok := a.(*net.TCPAddr); ok {
		ap := tcp.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	}
	return netip.AddrPortFrom(netip.IPv4Unspecified(), 0)
}
