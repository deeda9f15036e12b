package server

import (
	"errors"
	"io"
	"log/slog"
	"math"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/vivariumdb/vivarium/core"
)

// connection is one client's socket. Its goroutine, the feeder, reads and feeds; what it or
// apply answered is written by whoever comes first (outbox.go).
type connection struct {
	server *Server
	nc     net.Conn
	raw    syscall.RawConn // nil if the socket cannot be used without blocking
	conn   *core.Conn      // under the locks that package core names

	// The feeder's.
	in      []byte // what was read and not used up yet; nil while idle
	used    int    // of in
	had     []byte // what the Conn had before memory was lent to it
	lent    bool
	tryRead func(fd uintptr) bool
	tryOnce func(fd uintptr) bool
	readErr error // of the last tryRead or tryOnce
	fd      int   // of the socket, once tryOnce was called
	known   bool  // the parking knows the socket
	readMs  int64 // when something was last read
	quick   int8  // how often something came soon after, up to often

	out  outbox
	wake chan struct{} // something happened that may unblock the feeder
	over atomic.Bool   // apply has ended it: the feeder is to look up

	ending  sync.Mutex
	parked  bool      // ending: there is no feeder; who sets it to false starts one
	kicked  bool      // ending: the feeder is to look up and must not park any more
	leaving bool      // ending: the feeder has noticed, and sets the deadlines now,
	since   time.Time // ending: since then
}

func newConnection(s *Server, nc net.Conn) *connection {
	c := &connection{server: s, nc: nc, wake: make(chan struct{}, 1), readMs: math.MinInt32}
	if sc, ok := nc.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			c.raw = raw
		}
	}
	c.tryRead, c.tryOnce, c.out.tryWrite = c.readSome, c.readOnce, c.out.writeSome
	return c
}

// serve is the feeder. It lives as long as the connection, or until it parks: then another one
// is started when there is something to do.
func (c *connection) serve() {
	for {
		need := c.feed()
		switch {
		case need&core.NeedClose != 0:
			c.lastWords()
			c.finish(nil)
			return
		case need&core.NeedWord != 0:
			c.answerWord()
			c.lastWords()
			c.finish(nil)
			return
		case c.out.fault() != nil:
			c.finish(c.out.fault())
			return
		case need&core.NeedWait != 0:
			<-c.wake
			continue
		}
		if err := c.read(); err != nil {
			if err != errParked { // then c is somebody else's
				c.ended(err)
			}
			return
		}
		c.pace()
	}
}

// ended takes leave of a connection of which nothing can be read any more.
func (c *connection) ended(err error) {
	// The deadline of a read is only ever set to make the feeder look up here.
	if c.feed()&core.NeedClose != 0 {
		c.lastWords()
		err = nil
	} else if fault := c.out.fault(); fault != nil {
		err = fault
	}
	c.finish(err)
}

// feed gives the Conn what was read until it needs more bytes, has to wait or is over.
func (c *connection) feed() core.Need {
	const requests, replies = 64, 64 << 10
	s, local := c.server, c.server.member.Local
	for {
		submitted := false
		now := s.monoMs()
		s.state.RLock()
		written := c.out.written.Load()
		c.conn.Wrote(written)
		need := core.NeedNothing
		for n := 0; ; n++ {
			need = c.conn.Next(local, c.in[c.used:], now)
			if !need.Feedable() || n == requests ||
				n > 0 && (c.conn.Unsent() > replies || c.conn.Walked()) {
				break
			}
			c.used += c.feedOne(local, need, now)
			submitted = submitted || need&core.NeedInbox != 0
		}
		notice := c.conn.TakeNotice()
		c.settle()
		s.state.RUnlock()
		if c.used == len(c.in) {
			c.dropInput()
		}
		if submitted {
			s.wakeLoop()
		}
		if notice.Op != 0 {
			s.log.Warn("answer too long, refused", "request", notice.Op.String(),
				"path", notice.Path, "bytes", notice.Bytes, "limit", core.MaxReply,
				"client", c.conn.Remote().String())
		}
		if c.tryFlush() {
			s.feeders.Go(c.flush)
		}
		if need&core.NeedWait != 0 && c.out.written.Load() != written {
			continue // it may have waited for what was written just now
		}
		if !need.Feedable() {
			return need
		}
	}
}

// settle takes the output over and the memory back that was lent for it. What apply has to
// answer it answers into lent memory as well. The caller holds S shared.
func (c *connection) settle() {
	had := c.had
	if !c.lent {
		had = c.conn.Lend(nil)
	}
	c.had, c.lent = nil, false
	switch defers := c.conn.Defers(); {
	case defers && cap(had) != lentSize:
		had = lend()
	case !defers && giveBack(had):
		had = nil
	}
	if c.conn.HasOutput() {
		c.out.push(c.conn, had)
		return
	}
	giveBack(c.conn.Lend(had))
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
	if !c.lent { // not before the locks: many may wait there
		c.had, c.lent = c.conn.Lend(lend()), true
	}
	return c.conn.Feed(local, c.in[c.used:], now)
}

// nudge makes the feeder look up if it waits for apply or for room.
func (c *connection) nudge() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// kickOut makes the feeder look up wherever it waits: core has ended the connection, or its
// socket takes nothing any more. A writer that is stuck behind a client that does not read
// gets a last chance.
func (c *connection) kickOut() {
	c.ending.Lock()
	c.kicked = true
	if !c.leaving {
		c.nc.SetReadDeadline(time.Unix(1, 0))
		c.nc.SetWriteDeadline(time.Now().Add(patience))
	}
	c.ending.Unlock()
	if c.leavePark() {
		go c.serve()
	}
	c.nudge()
}

// leave keeps kickOut from changing the deadlines any more, and sets them for the last reply.
func (c *connection) leave() {
	c.ending.Lock()
	c.leaving, c.since = true, time.Now()
	c.ending.Unlock()
	c.nc.SetWriteDeadline(time.Now().Add(patience))
}

// prolong gives the last replies more time: the client has taken some of them.
func (c *connection) prolong() {
	c.ending.Lock()
	defer c.ending.Unlock()
	if c.leaving && time.Since(c.since) < maxLeaving && !c.server.draining.Load() {
		c.nc.SetWriteDeadline(time.Now().Add(patience))
	}
}

// patience is how long a client may take for the next flushSize bytes of what it is still sent
// after its connection is over, and then to notice that. All of it may take maxLeaving: the answer
// to a four-letter word is as long as the server is large. maxLingering is how many may linger at
// a time.
const (
	patience     = 2 * time.Second
	maxLeaving   = time.Minute
	maxLingering = 1000
)

// lastWords lets out what is still to be sent. Who does not read is not waited for.
func (c *connection) lastWords() {
	switch c.conn.Cause() {
	case core.CauseSlowReader, core.CauseHandshakeTimeout:
		return
	}
	c.leave()
	for c.flush(); c.out.pending(); c.flush() {
		<-c.wake // somebody else is writing, and nudges when done
	}
}

// finish closes the connection and says why. err is what the socket said, if it was the end.
// Without one the client is given the time to read what was sent: closing a socket that has
// unread input resets it, and a reset overtakes what was sent.
func (c *connection) finish(err error) {
	s := c.server
	defer s.feeders.Done()
	if c.known {
		s.parking.remove(c.fd)
	}
	s.state.Lock()
	s.member.Local.Closed(c.conn)
	s.state.Unlock()
	c.dropInput()
	c.logEnd(err)
	if err == nil && c.out.fault() == nil {
		if s.lingering.Add(1) <= maxLingering {
			c.linger()
		}
		s.lingering.Add(-1)
	}
	c.nc.Close()
}

// linger ends our side and reads what the client still sends, up to a bound, until it ends
// its own.
func (c *connection) linger() {
	const most = 4 << 20
	switch c.conn.Cause() {
	case core.CauseSlowReader, core.CauseHandshakeTimeout:
		return
	}
	half, ok := c.nc.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	wait := patience
	if c.server.draining.Load() {
		wait /= 8
	}
	c.nc.SetReadDeadline(time.Now().Add(wait))
	b := readBuffers.Get().(*[readSize]byte)
	defer readBuffers.Put(b)
	for total := 0; total < most; {
		n, err := c.nc.Read(b[:])
		if err != nil {
			return
		}
		total += n
	}
}

func (c *connection) logEnd(err error) {
	cause := c.conn.Cause()
	c.server.counters.ended(cause)
	level := slog.LevelInfo
	if cause == core.CauseFourLetterWord {
		level = slog.LevelDebug
	}
	attrs := []any{"client", c.conn.Remote().String(), "session", c.conn.Session().String(),
		"cause", cause.String()}
	if word := c.conn.Word(); word != "" {
		attrs = append(attrs, "word", word)
	}
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
