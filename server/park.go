package server

import (
	"errors"

	"github.com/vivariumdb/vivarium/core"
)

// A connection whose client is silent has no goroutine: its stack would cost more than all the
// rest of it. It is parked, and visited when there is input. Who sends often gets a goroutine
// that waits for more: a connection does not park while something to read came within soonMs,
// often times running.
const (
	soonMs = 250
	often  = 2
)

var (
	errNothing = errors.New("there is nothing to read")
	errParked  = errors.New("the connection is parked")
)

// pace notes that something was read.
func (c *connection) pace() {
	now := c.server.monoMs()
	switch {
	case now-c.readMs > soonMs:
		c.quick = 0
	case c.quick < often:
		c.quick++
	}
	c.readMs = now
}

// park makes the connection wait without a goroutine, if it may. Then it is no more the caller's.
func (c *connection) park() bool {
	c.ending.Lock()
	defer c.ending.Unlock()
	if c.kicked || !c.server.parking.add(c, c.fd, c.known) {
		return false
	}
	c.known, c.parked = true, true
	return true
}

// leavePark says whether the connection was parked. Then it is the caller's now.
func (c *connection) leavePark() bool {
	c.ending.Lock()
	defer c.ending.Unlock()
	parked := c.parked
	c.parked = false
	return parked
}

// visit serves a parked connection that has input, as long as nothing has to be waited for. It
// is called by the parking's own goroutines: one visits many, with the same few buffers.
func (c *connection) visit() {
	if !c.leavePark() {
		return
	}
	c.compact()
	switch err := c.readNow(); err {
	case nil:
		const busy = core.NeedClose | core.NeedWord | core.NeedWait
		c.pace()
		if c.feed()&busy != 0 || c.out.fault() != nil || c.quick == often {
			go c.serve()
			return
		}
		c.compact()
		c.shrink()
	case errNothing: // the event was for a former owner of the descriptor
	default:
		go c.ended(err)
		return
	}
	if !c.park() {
		go c.serve()
	}
}

// readNow reads what is there, or returns errNothing.
func (c *connection) readNow() error {
	if err := c.raw.Read(c.tryOnce); err != nil {
		return err
	}
	return c.readErr
}

// readOnce is readSome for who does not want to wait.
func (c *connection) readOnce(fd uintptr) bool {
	c.fd = int(fd)
	if !c.readSome(fd) {
		c.readErr = errNothing
	}
	return true
}
