package client

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/vivariumdb/vivarium/client/protocol"
	"github.com/vivariumdb/vivarium/wire"
)

// State is where a session stands with the servers.
type State = wire.KeeperState

// The states of a Client. The last three are final.
const (
	Disconnected      = wire.StateDisconnected
	Connected         = wire.StateSyncConnected
	ConnectedReadOnly = wire.StateConnectedReadOnly
	Expired           = wire.StateExpired
	AuthFailed        = wire.StateAuthFailed
	Closed            = wire.StateClosed
)

// A Client is a session with the service. See Dial.
type Client struct {
	opts   Options
	chroot string
	start  time.Time // of the session's clock

	// slots holds one token for each call without a reply.
	slots chan struct{}
	// alarm tells the clock that the next deadline has come nearer.
	alarm chan struct{}
	// over is closed when the session has ended.
	over chan struct{}
	wg   sync.WaitGroup

	// mu guards all below. It is held for moments only: never for I/O, never for a wait.
	mu      sync.Mutex
	session *protocol.Session
	state   State
	changed chan struct{} // closed at the next change of state
	calls   map[uint64]*call
	watches map[protocol.WatcherID]*Watch
	ids     uint64 // the last tag or WatcherID given
	link    *link  // of the last Dial
	armedAt int64  // when the clock will look again
	opened  bool   // there was a connection
	failure error  // why the last connection failed
}

// call is a request that waits for its reply.
type call struct {
	reply chan protocol.Reply // with room for the one reply
	watch *Watch              // that it sets; nil for none
}

// Dial begins a session. It returns when a server has granted it, or with an error when ctx ends
// before that.
func Dial(ctx context.Context, opts Options) (*Client, error) {
	if err := opts.Validate(); err != nil {
		return nil, fmt.Errorf("dial: %w", err)
	}
	opts = opts.withDefaults()
	servers, chroot, err := ParseServers(opts.Servers)
	if err != nil {
		return nil, fmt.Errorf("dial: %w", err)
	}
	rand.Shuffle(len(servers), func(i, j int) {
		servers[i], servers[j] = servers[j], servers[i]
	})
	session, err := protocol.New(opts.config(servers), 0)
	if err != nil {
		return nil, fmt.Errorf("dial: %w", err)
	}
	c := &Client{
		opts:    opts,
		chroot:  chroot,
		start:   time.Now(),
		slots:   make(chan struct{}, opts.MaxRequests),
		alarm:   make(chan struct{}, 1),
		over:    make(chan struct{}),
		session: session,
		state:   Disconnected,
		changed: make(chan struct{}),
		calls:   map[uint64]*call{},
		watches: map[protocol.WatcherID]*Watch{},
	}
	c.mu.Lock()
	for _, a := range opts.Auth {
		if err := session.AddAuth(0, a.Scheme, a.Auth, 0); err != nil {
			c.mu.Unlock()
			return nil, fmt.Errorf("dial: credentials of %s: %w", a.Scheme, c.explain(err))
		}
	}
	c.pump()
	c.mu.Unlock()
	c.wg.Go(c.clock)
	if err := c.connected(ctx); err != nil {
		c.Close()
		return nil, fmt.Errorf("dial %s: %w", opts.Servers, err)
	}
	return c, nil
}

// connected waits for the first connection.
func (c *Client) connected(ctx context.Context) error {
	for {
		state, changed := c.State()
		if state == Connected || state == ConnectedReadOnly {
			return nil
		}
		select {
		case <-c.over:
			return c.Err()
		case <-changed:
		case <-ctx.Done():
			c.mu.Lock()
			failure := c.failure
			c.mu.Unlock()
			if failure != nil {
				return fmt.Errorf("%w; last attempt: %w", context.Cause(ctx), failure)
			}
			return context.Cause(ctx)
		}
	}
}

// Close ends the session: the server removes its ephemerals, every call and watch ends. It
// returns when all has stopped, which takes up to two thirds of the session's time-out if the
// server does not answer. If that is so, or none is connected, the ephemerals stay until the
// servers have not heard of the session for its time-out.
func (c *Client) Close() error {
	c.mu.Lock()
	if !c.session.Over() {
		c.session.Close(0, c.now())
		c.pump()
	}
	c.mu.Unlock()
	c.wg.Wait()
	return nil
}

// Done returns a channel that is closed when the session has ended, for whatever reason.
func (c *Client) Done() <-chan struct{} { return c.over }

// Err says why the session has ended: ErrClosed, ErrSessionExpired or ErrAuthFailed. It is nil
// while the session lives.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch c.state {
	case Closed:
		return ErrClosed
	case Expired:
		return ErrSessionExpired
	case AuthFailed:
		return ErrAuthFailed
	}
	return nil
}

// State returns where the session stands, and a channel that is closed when that has changed.
func (c *Client) State() (State, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state, c.changed
}

// SessionID returns the id of the session: the owner of its ephemerals.
func (c *Client) SessionID() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.session.ID()
}

// SessionTimeout returns the time-out that the server has granted.
func (c *Client) SessionTimeout() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Duration(c.session.TimeoutMs()) * time.Millisecond
}

// now returns the session's time, in milliseconds.
func (c *Client) now() int64 { return time.Since(c.start).Milliseconds() }

// nextID returns a number for a tag or a watcher. The caller holds mu.
func (c *Client) nextID() uint64 {
	c.ids++
	return c.ids
}

// do sends a request and waits for its reply. path is for the error only.
func (c *Client) do(ctx context.Context, op wire.OpCode, path string, body []byte, w *Watch) (
	protocol.Reply, error) {
	return c.submit(ctx, op, path, w, func(tag uint64, watcher protocol.WatcherID) error {
		r := protocol.Request{Tag: tag, Op: op, Body: body, Watcher: watcher}
		return c.session.Submit(r, c.now())
	})
}

// submit waits for a slot, hands a request to the session with send, and waits for the reply.
func (c *Client) submit(ctx context.Context, op wire.OpCode, path string, w *Watch,
	send func(tag uint64, watcher protocol.WatcherID) error) (protocol.Reply, error) {
	select {
	case c.slots <- struct{}{}:
	case <-c.over:
		return protocol.Reply{}, newError(op, path, c.Err())
	case <-ctx.Done():
		return protocol.Reply{}, newError(op, path, context.Cause(ctx))
	}
	if ctx.Err() != nil { // of two that are ready the select takes either
		<-c.slots
		return protocol.Reply{}, newError(op, path, context.Cause(ctx))
	}
	waiting := &call{reply: make(chan protocol.Reply, 1), watch: w}
	c.mu.Lock()
	tag := c.nextID()
	c.calls[tag] = waiting
	if w != nil {
		w.id = protocol.WatcherID(tag)
		c.watches[w.id] = w
	}
	err := send(tag, protocol.WatcherID(tag))
	if err != nil {
		c.drop(tag, w)
	}
	c.pump()
	c.mu.Unlock()
	if err != nil {
		return protocol.Reply{}, newError(op, path, c.explain(err))
	}
	select {
	case reply := <-waiting.reply:
		return c.outcome(reply, op, path, w)
	case <-ctx.Done():
	}
	c.mu.Lock()
	if c.session.Cancel(tag) {
		c.drop(tag, w)
	} else if w != nil {
		c.endWatch(w, context.Cause(ctx))
	}
	c.pump()
	c.mu.Unlock()
	return protocol.Reply{}, newError(op, path, context.Cause(ctx))
}

// drop forgets a call that will get no reply. The caller holds mu.
func (c *Client) drop(tag uint64, w *Watch) {
	delete(c.calls, tag)
	<-c.slots
	if w != nil {
		delete(c.watches, w.id)
	}
}

// outcome turns a reply into an error if it is one.
func (c *Client) outcome(reply protocol.Reply, op wire.OpCode, path string, w *Watch) (
	protocol.Reply, error) {
	switch {
	case reply.Err == wire.CodeOk:
		return reply, nil
	case reply.Err == wire.CodeNoNode && op == wire.OpExists && w != nil:
		// The watch is set all the same: it waits for the node.
	case w != nil:
		c.mu.Lock()
		delete(c.watches, w.id)
		c.mu.Unlock()
	}
	err := error(Code(reply.Err))
	if reply.Zxid == 0 && errors.Is(err, ErrSessionExpired) {
		err = c.explain(protocol.ErrOver)
	}
	return reply, newError(op, path, err)
}

// explain puts an error of the protocol half in the words of this package.
func (c *Client) explain(err error) error {
	switch {
	case errors.Is(err, protocol.ErrOver):
		if final := c.Err(); final != nil {
			return final
		}
		return ErrClosed // the goodbye is on its way
	case errors.Is(err, protocol.ErrTooLarge):
		return ErrTooLarge
	}
	return err
}
