package client

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/vivariumdb/vivarium/client/protocol"
	"github.com/vivariumdb/vivarium/wire"
)

// readBuffer is how much is read from a connection at once.
const readBuffer = 32 << 10

// A link is one connection, or the attempt to get it.
type link struct {
	conn   protocol.ConnID
	server string
	ctx    context.Context // ends when the connection shall
	hangUp context.CancelFunc
	wake   chan struct{} // there is something to write
}

// pump carries out what the session wants. The caller holds mu and has just called one of the
// session's methods.
func (c *Client) pump() {
	for {
		effect, ok := c.session.Next()
		if !ok {
			break
		}
		switch e := effect.(type) {
		case protocol.Dial:
			l := &link{conn: e.Conn, server: e.Server, wake: make(chan struct{}, 1)}
			l.ctx, l.hangUp = context.WithCancel(context.Background())
			c.link = l
			c.wg.Go(func() { c.run(l) })
		case protocol.HangUp:
			c.failure = fmt.Errorf("%s: %v", c.link.server, e.Cause)
			c.link.hangUp()
		case protocol.StateChange:
			c.become(e.State)
		case protocol.Reply:
			if waiting := c.calls[e.Tag]; waiting != nil {
				delete(c.calls, e.Tag)
				<-c.slots
				if waiting.watch != nil {
					waiting.watch.answered = true
				}
				waiting.reply <- e
			}
		case protocol.Event:
			for _, id := range e.Watchers {
				if w := c.watches[id]; w != nil {
					c.notify(w, e)
				}
			}
		}
	}
	if c.session.HasOutput() {
		signal(c.link.wake)
	}
	if at, ok := c.session.Deadline(); ok && at < c.armedAt {
		signal(c.alarm)
	}
}

// signal leaves word in a channel that has room for one.
func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// become takes note of a new state. The caller holds mu.
func (c *Client) become(state State) {
	c.state = state
	close(c.changed)
	c.changed = make(chan struct{})
	switch state {
	case Connected, ConnectedReadOnly:
		c.failure = nil
		if c.opened {
			c.tellPersistent()
		}
		c.opened = true
	case Expired, AuthFailed, Closed:
		for _, w := range c.watches {
			c.finish(w, c.final())
		}
		clear(c.watches)
		close(c.over)
	}
}

// final returns the error of a state that is. The caller holds mu.
func (c *Client) final() error {
	switch c.state {
	case Expired:
		return ErrSessionExpired
	case AuthFailed:
		return ErrAuthFailed
	}
	return ErrClosed
}

// clock calls Tick when the session's deadlines come.
func (c *Client) clock() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-c.alarm:
		case <-c.over:
			return
		}
		c.mu.Lock()
		now := c.now()
		if at, ok := c.session.Deadline(); ok && at <= now {
			c.session.Tick(now)
		}
		c.armedAt = now + time.Hour.Milliseconds()
		if at, ok := c.session.Deadline(); ok {
			c.armedAt = at
		}
		pause := time.Duration(max(c.armedAt-now, 1)) * time.Millisecond
		c.pump()
		c.mu.Unlock()
		timer.Reset(pause)
	}
}

// run takes a link from the attempt to connect to its end.
func (c *Client) run(l *link) {
	defer l.hangUp()
	conn, err := c.opts.DialServer(l.ctx, l.server)
	switch {
	case err == nil:
		c.mu.Lock()
		c.session.Opened(l.conn, c.now())
		c.pump()
		c.mu.Unlock()
		err = c.serve(l, conn)
	case l.ctx.Err() != nil:
		err = nil // who has hung up has said why: the dialler knows only that it was told to stop
	}
	c.mu.Lock()
	if err != nil {
		c.failure = fmt.Errorf("%s: %w", l.server, err)
	}
	c.session.Lost(l.conn, c.now(), rand.Uint32())
	c.pump()
	c.mu.Unlock()
}

// serve reads and writes until the connection ends, and closes it.
func (c *Client) serve(l *link, conn net.Conn) error {
	var both sync.WaitGroup
	var readErr, writeErr error
	both.Go(func() {
		defer l.hangUp()
		readErr = c.read(l, conn)
	})
	both.Go(func() {
		defer l.hangUp()
		writeErr = c.write(l, conn)
	})
	<-l.ctx.Done()
	conn.Close() // ends what is still going on; its own error says nothing new
	both.Wait()
	if readErr != nil {
		return readErr
	}
	return writeErr
}

// read feeds the session with what arrives.
func (c *Client) read(l *link, conn net.Conn) error {
	buffer := make([]byte, readBuffer)
	for {
		n, err := conn.Read(buffer)
		c.mu.Lock()
		if n > 0 {
			c.session.Feed(l.conn, buffer[:n], c.now())
		}
		c.pump()
		c.mu.Unlock()
		switch {
		case l.ctx.Err() != nil:
			return nil // we have closed it
		case err != nil:
			return err
		}
	}
}

// write sends what the session wants sent, as much as there is at a time.
func (c *Client) write(l *link, conn net.Conn) error {
	var spare []byte
	for {
		c.mu.Lock()
		out := c.session.Output(spare)
		c.mu.Unlock()
		if len(out) > 0 {
			_, err := conn.Write(out)
			switch {
			case l.ctx.Err() != nil:
				return nil
			case err != nil:
				return err
			}
			spare = out
			if cap(spare) > 2*wire.DefaultMaxBuffer {
				spare = nil
			}
			continue
		}
		spare = out
		select {
		case <-l.wake:
		case <-l.ctx.Done():
			return nil
		}
	}
}
