package server

import (
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/vivariumdb/vivarium/core"
)

// outbox is the bytes on their way to a socket. Who finds nobody writing writes.
type outbox struct {
	mu      sync.Mutex // O
	buf     []byte     // O
	spare   []byte     // O: empty memory for buf
	writing bool       // O
	failed  error      // O: the socket takes nothing any more
	written atomic.Uint64

	// Of who is writing.
	tryWrite func(fd uintptr) bool
	now      []byte
	done     int   // of now
	writeErr error // of the last tryWrite
}

// keepSpare is the most memory that a connection keeps for its next replies.
const keepSpare = 4 << 10

// smallReply is up to where a reply is copied rather than written from lent memory: among many
// connections with a ping each, those that wait for the processor would hold 64 KiB apiece.
const smallReply = 512

// Replies of a feed go into a buffer that is lent to the Conn for as long as they are on their
// way, so that neither does each burst grow one of its own, nor does an idle connection keep
// one. It holds what one turn of feed answers. A buffer that its socket does not take at once is
// given back all the same: a slow client costs what it is owed, no more.
const lentSize = 64 << 10

var lentBuffers = sync.Pool{New: func() any { return new([lentSize]byte) }}

func lend() []byte { return lentBuffers.Get().(*[lentSize]byte)[:0] }

// giveBack takes b back if it is of the size of those that are lent.
func giveBack(b []byte) bool {
	if cap(b) != lentSize {
		return false
	}
	lentBuffers.Put((*[lentSize]byte)(b[:lentSize]))
	return true
}

// push takes the Conn's output over, and leaves it the memory of spare, or of its own. The
// caller is the feeder under S shared, or holds S exclusively.
func (o *outbox) push(conn *core.Conn, spare []byte) {
	if !conn.HasOutput() {
		return
	}
	o.mu.Lock()
	if spare == nil {
		spare, o.spare = o.spare, nil
	}
	b := conn.Take(spare)
	switch {
	case o.failed != nil:
		o.written.Add(uint64(len(b)))
		conn.Wrote(o.written.Load())
		giveBack(b)
	case len(o.buf) == 0 && !o.writing && (len(b) > smallReply || cap(b) != lentSize):
		o.buf = b
	default:
		if o.buf == nil {
			o.buf, o.spare = o.spare, nil
		}
		o.buf = append(o.buf, b...)
		giveBack(b)
	}
	o.mu.Unlock()
}

// add puts b behind what is there, past the Conn: the answer to a four-letter word.
func (o *outbox) add(b []byte) {
	o.mu.Lock()
	if o.failed == nil {
		o.buf = append(o.buf, b...)
	}
	o.mu.Unlock()
}

// pending says whether there are bytes that were not written yet, or somebody is writing.
func (o *outbox) pending() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.buf) > 0 || o.writing
}

// fault is the error after which the socket takes nothing any more.
func (o *outbox) fault() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.failed
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
	o.buf = nil
	return b
}

// release ends a claim of b, of which done bytes were written. It says whether something is
// left to be written, or has come meanwhile. Memory above keepSpare goes back to the allocator:
// one long answer must not make a connection large for ever.
func (o *outbox) release(b []byte, done int, err error) (left bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.writing = false
	o.written.Add(uint64(done))
	switch {
	case err != nil:
		o.failed = err
		o.written.Add(uint64(len(b) - done + len(o.buf)))
		o.buf, o.spare = nil, nil
	case done < len(b):
		rest := b[done:]
		if cap(b) == lentSize {
			rest = append(make([]byte, 0, len(rest)+len(o.buf)), rest...)
			giveBack(b)
		}
		// What came meanwhile is short against what the socket does not take.
		o.buf = append(rest, o.buf...)
	case giveBack(b):
	case cap(b) <= keepSpare && o.spare == nil:
		o.spare = b[:0]
	}
	return len(o.buf) > 0
}

// flushSize is how much a socket is given at a time that has to be waited for.
const flushSize = 128 << 10

// flush writes until nothing is left, or somebody else is writing.
func (c *connection) flush() {
	for {
		b := c.out.claim()
		if b == nil {
			return
		}
		n, err := c.nc.Write(b[:min(len(b), flushSize)])
		c.out.release(b, n, err)
		if err != nil {
			c.kickOut()
			return
		}
		c.prolong()
		c.nudge()
	}
}

// tryFlush writes what the socket takes at once. It says whether something is left that has
// to be waited for.
func (c *connection) tryFlush() (left bool) {
	o := &c.out
	b := o.claim()
	if b == nil {
		return false
	}
	if c.raw == nil {
		return o.release(b, 0, nil)
	}
	o.now, o.done, o.writeErr = b, 0, nil
	err := c.raw.Write(o.tryWrite)
	if err == nil {
		err = o.writeErr
	}
	o.now = nil
	left = o.release(b, o.done, err)
	if err != nil {
		c.kickOut()
	}
	return left
}

// writeSome writes until all is written or the socket takes no more for now.
func (o *outbox) writeSome(fd uintptr) bool {
	for o.done < len(o.now) {
		n, err := syscall.Write(int(fd), o.now[o.done:])
		switch {
		case err == syscall.EINTR:
		case err == syscall.EAGAIN:
			return true
		case err != nil:
			o.writeErr = os.NewSyscallError("write", err)
			return true
		default:
			o.done += n
		}
	}
	return true
}
