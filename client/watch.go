package client

import (
	"github.com/vivariumdb/vivarium/client/protocol"
	"github.com/vivariumdb/vivarium/wire"
)

// EventType says what happened to a watched znode.
type EventType = wire.EventType

// The events of a watch.
const (
	NodeCreated         = wire.EventNodeCreated
	NodeDeleted         = wire.EventNodeDeleted
	NodeDataChanged     = wire.EventNodeDataChanged
	NodeChildrenChanged = wire.EventNodeChildrenChanged
	// Reconnected comes to persistent watches only: the connection was lost for a while, and what
	// happened meanwhile is not told. Read again what matters.
	Reconnected = wire.EventNone
	// DataWatchRemoved and the others end a watch that RemoveWatches has removed.
	DataWatchRemoved       = wire.EventDataWatchRemoved
	ChildWatchRemoved      = wire.EventChildWatchRemoved
	PersistentWatchRemoved = wire.EventPersistentWatchRemoved
)

// An Event is what a watch tells.
type Event struct {
	Type EventType
	Path string // as this client names it, below its chroot
	// Zxid is the transaction of the change; -1 if it was found after a reconnect, 0 if there was
	// no change.
	Zxid int64
}

// A Watch gives the events of a path.
type Watch struct {
	// Events is closed when the watch has ended: after the event of a one-shot watch, after Close,
	// or for the reason that Err gives.
	Events <-chan Event

	client *Client
	id     protocol.WatcherID
	path   string
	stays  bool
	events chan Event

	// Guarded by client.mu.
	answered bool // the request that sets it: what it sees may be missed from here on
	ended    bool
	err      error
}

// newWatch returns a watch that is not set yet.
func (c *Client) newWatch(path string, stays bool) *Watch {
	size := 1
	if stays {
		size = c.opts.WatchBuffer
	}
	events := make(chan Event, size)
	return &Watch{Events: events, events: events, client: c, path: path, stays: stays}
}

// Err says why the watch ended before its time: ErrWatchOverflow or the end of the session. It is
// nil while Events is open, after the event of a one-shot watch and after Close.
func (w *Watch) Err() error {
	w.client.mu.Lock()
	defer w.client.mu.Unlock()
	return w.err
}

// Close removes the watch. The server is told if no other watch needs what it watches.
func (w *Watch) Close() {
	c := w.client
	c.mu.Lock()
	defer c.mu.Unlock()
	c.endWatch(w, nil)
	c.pump()
}

// endWatch removes a watch here and at the server. The caller holds mu and pumps.
func (c *Client) endWatch(w *Watch, err error) {
	if w.ended {
		return
	}
	delete(c.watches, w.id)
	c.session.Unwatch(w.id, c.now())
	c.finish(w, err)
}

// finish closes the channel of a watch. The caller holds mu.
func (c *Client) finish(w *Watch, err error) {
	w.ended, w.err = true, err
	close(w.events)
}

// notify gives an event to a watch. The caller holds mu and pumps.
func (c *Client) notify(w *Watch, e protocol.Event) {
	path, _ := c.local(e.Path)
	removed := false
	switch e.Type {
	case DataWatchRemoved, ChildWatchRemoved, PersistentWatchRemoved:
		removed = true
		e.Zxid = 0 // it is that of the answer, and no change
	}
	select {
	case w.events <- Event{Type: e.Type, Path: path, Zxid: e.Zxid}:
		if !w.stays || removed {
			delete(c.watches, w.id)
			c.finish(w, nil)
		}
	default:
		c.endWatch(w, ErrWatchOverflow)
	}
}

// tellPersistent tells the watches that stay that events may be missing. The caller holds mu.
func (c *Client) tellPersistent() {
	for _, w := range c.watches {
		if w.stays && w.answered {
			c.notify(w, protocol.Event{Type: Reconnected, Path: c.remote(w.path)})
		}
	}
}
