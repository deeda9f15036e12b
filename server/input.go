package server

import (
	"io"
	"os"
	"sync"
	"syscall"
)

// Buffers of input are taken when there is something to read and given back when all of it is
// used up, so that an idle connection holds none: most are idle most of the time (LIBRARIES
// section 4.1). The rest of a request that came in part is kept in as little as it needs.
const (
	readSize  = 16 << 10
	smallRest = 2 << 10
)

var readBuffers = sync.Pool{New: func() any { return new([readSize]byte) }}

// read waits for input and reads some, or parks the connection: then it is not the caller's any
// more.
func (c *connection) read() error {
	if c.raw != nil && c.quick < often {
		// A client that is silent now and then: it may be for long.
		c.compact()
		if err := c.readNow(); err != errNothing {
			return err
		}
		if c.park() {
			return errParked
		}
	}
	return c.readOn()
}

// readOn waits for input and reads some. The connection stays the caller's.
func (c *connection) readOn() error {
	c.compact()
	if c.raw == nil {
		c.makeRoom()
		n, err := c.nc.Read(c.in[len(c.in):cap(c.in)])
		c.in = c.in[:len(c.in)+n]
		if n > 0 {
			return nil
		}
		return err
	}
	if err := c.raw.Read(c.tryRead); err != nil {
		return err
	}
	return c.readErr
}

// compact drops the input that was used.
func (c *connection) compact() {
	rest := copy(c.in, c.in[c.used:])
	c.in, c.used = c.in[:rest], 0
	if rest == 0 {
		c.dropInput()
	}
}

// readSome reads what is there, and says whether there was anything; then it need not wait.
// It has to be tried before each wait: what arrived earlier announces itself only once.
func (c *connection) readSome(fd uintptr) bool {
	c.makeRoom()
	for {
		n, err := syscall.Read(int(fd), c.in[len(c.in):cap(c.in)])
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			c.shrink()
			return false
		case err != nil:
			c.readErr = os.NewSyscallError("read", err)
		case n == 0:
			c.readErr = io.EOF
		default:
			c.in, c.readErr = c.in[:len(c.in)+n], nil
		}
		return true
	}
}

// makeRoom sees to it that something can be read behind what is in the buffer: the rest of
// the frame, as far as Conn.Want allows.
func (c *connection) makeRoom() {
	want := max(c.conn.Want(), len(c.in)+1)
	switch {
	case want <= cap(c.in):
	case want <= readSize:
		rest := c.in
		c.in = append(readBuffers.Get().(*[readSize]byte)[:0], rest...)
	default:
		grown := make([]byte, len(c.in), want)
		copy(grown, c.in)
		c.dropInput()
		c.in = grown
	}
}

// shrink gives back what a connection does not need that waits for input.
func (c *connection) shrink() {
	rest, room := len(c.in), cap(c.in)
	switch {
	case rest == 0:
		c.dropInput()
	case rest <= smallRest && room > 2*smallRest, room > readSize && room > 2*rest:
		small := append(make([]byte, 0, rest), c.in...)
		c.dropInput()
		c.in = small
	}
}

// dropInput gives back the memory of the input buffer.
func (c *connection) dropInput() {
	if cap(c.in) == readSize {
		readBuffers.Put((*[readSize]byte)(c.in[:readSize]))
	}
	c.in, c.used = nil, 0
}
