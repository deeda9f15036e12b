package core

import (
	"slices"
	"strings"

	"github.com/vivariumdb/vivarium/internal/invariant"
	"github.com/vivariumdb/vivarium/internal/mutant"
	"github.com/vivariumdb/vivarium/wire"
)

// watchModes says how a connection watches one path. The modes are independent of each
// other: a path can be watched once for its data, once for its children, persistently and
// recursively at the same time, and still one change is one event.
type watchModes uint8

const (
	watchData       watchModes = 1 << iota // one-shot: getData, exists
	watchChild                             // one-shot: getChildren, getChildren2
	watchPersistent                        // addWatch mode 0: data and children, stays
	watchRecursive                         // addWatch mode 1: this path and all below, stays
)

// watchDataTable holds the modes that ZooKeeper keeps in its data watch table, the only one
// that its four-letter words count.
const watchDataTable = watchData | watchPersistent | watchRecursive

// Watches is the watch table of one server. Watches are not replicated: they belong to the
// connection that set them, and end with it.
//
// Who holds S exclusively may call everything; who holds S shared needs W as well.
type Watches struct {
	paths map[string]*watchedPath
	// recursive counts the watches with watchRecursive; while it is zero no change has to
	// look at the ancestors of its path.
	recursive int
	event     []byte // the frame of the event being delivered, encoded once per change
}

// watchedPath is a path that somebody watches. The znode need not exist.
type watchedPath struct {
	path    string
	watches []*watch
}

// watch is one connection's watch of one path.
//
// Invariant: modes is not zero, at.watches[pos] is the watch itself, and conn.watches holds
// it under at.path.
type watch struct {
	conn  *Conn
	at    *watchedPath
	pos   int
	modes watchModes
}

// NewWatches returns an empty table.
func NewWatches() *Watches {
	return &Watches{paths: make(map[string]*watchedPath)}
}

// add arms modes on path for c; what is armed already stays one watch.
func (w *Watches) add(c *Conn, path string, modes watchModes) {
	own := c.watches[path]
	if own == nil {
		at := w.paths[path]
		if at == nil {
			// The path is a view of a frame that will be overwritten.
			at = &watchedPath{path: strings.Clone(path)}
			w.paths[at.path] = at
		}
		own = &watch{conn: c, at: at, pos: len(at.watches)}
		at.watches = append(at.watches, own)
		if c.watches == nil {
			c.watches = make(map[string]*watch)
		}
		c.watches[at.path] = own
	}
	if modes&watchRecursive != 0 && own.modes&watchRecursive == 0 {
		w.recursive++
	}
	own.modes |= modes
}

// drop disarms modes and forgets the watch when none is left.
func (w *Watches) drop(own *watch, modes watchModes) {
	if own.modes&modes&watchRecursive != 0 {
		w.recursive--
		invariant.Check(w.recursive >= 0, "more recursive watches dropped than armed")
	}
	own.modes &^= modes
	if own.modes != 0 {
		return
	}
	at := own.at
	last := at.watches[len(at.watches)-1]
	at.watches[own.pos], last.pos = last, own.pos
	at.watches[len(at.watches)-1] = nil
	at.watches = at.watches[:len(at.watches)-1]
	if len(at.watches) == 0 {
		delete(w.paths, at.path)
	}
	delete(own.conn.watches, at.path)
}

// dropConn disarms everything that c watches.
func (w *Watches) dropConn(c *Conn) {
	for _, own := range c.watches { //order-free: only removes, each from its own list
		w.drop(own, own.modes)
	}
	c.watches = nil
}

// modesOf translates the watcher type of checkWatches and removeWatches. The second result
// is false for a type that ZooKeeper does not know.
func modesOf(watcherType int32) (watchModes, bool) {
	switch watcherType {
	case wire.WatcherChildren:
		return watchChild, true
	case wire.WatcherData:
		return watchData, true
	case wire.WatcherAny:
		return watchData | watchChild | watchPersistent | watchRecursive, true
	case wire.WatcherPersistent:
		return watchPersistent, true
	case wire.WatcherPersistentRecursive:
		return watchRecursive, true
	}
	return 0, false
}

// has says whether c watches path in any of modes.
func (w *Watches) has(c *Conn, path string, modes watchModes) bool {
	own := c.watches[path]
	return own != nil && own.modes&modes != 0
}

// remove disarms modes of path for c and says whether there was any.
func (w *Watches) remove(c *Conn, path string, modes watchModes) bool {
	own := c.watches[path]
	if own == nil || own.modes&modes == 0 {
		return false
	}
	if mutant.On("watches-remove-takes-all") {
		modes = own.modes
	}
	w.drop(own, own.modes&modes)
	return true
}

// interest says which modes a change of type t fires on the path itself, and which one-shot
// modes it uses up. A deletion uses up both one-shot watches and is told once (PROTOCOL 1.9).
func interest(t wire.EventType) (fires, uses watchModes) {
	switch t {
	case wire.EventNodeCreated, wire.EventNodeDataChanged:
		fires, uses = watchDataTable, watchData
		if t == wire.EventNodeDataChanged && mutant.On("watches-child-fires-on-data") {
			fires, uses = fires|watchChild, uses|watchChild
		}
		if t == wire.EventNodeCreated && mutant.On("watches-exists-not-fired") {
			fires, uses = watchPersistent|watchRecursive, 0
		}
	case wire.EventNodeDeleted:
		fires, uses = watchDataTable|watchChild, watchData|watchChild
		if mutant.On("watches-child-survives-delete") {
			fires, uses = watchDataTable, watchData
		}
	case wire.EventNodeChildrenChanged:
		fires, uses = watchPersistent|watchChild, watchChild
	}
	if mutant.On("watches-oneshot-twice") {
		uses = 0
	}
	if mutant.On("watches-persistent-once") {
		uses |= fires & watchPersistent
	}
	return fires, uses
}

// fire queues the event of one change on every connection that watches it and may read the
// znode. The caller holds S exclusively.
func (w *Watches) fire(l *Local, change *Change) {
	w.event = w.event[:0]
	if at := w.paths[change.Path]; at != nil {
		w.fireExact(l, change, at)
	}
	if w.recursive > 0 && change.Type != wire.EventNodeChildrenChanged {
		w.fireAncestors(l, change)
	}
}

func (w *Watches) fireExact(l *Local, change *Change, at *watchedPath) {
	fires, uses := interest(change.Type)
	// Backwards, because a watch that is used up is replaced by the last one of the list,
	// which has been told already.
	for i := len(at.watches) - 1; i >= 0; i-- {
		own := at.watches[i]
		if own.modes&fires == 0 {
			continue
		}
		c := own.conn
		c.told = l.changes
		w.drop(own, own.modes&uses)
		w.tell(l, c, change)
	}
}

// fireAncestors tells those who watch recursively a path above that of the change, unless
// they were told of this change already.
func (w *Watches) fireAncestors(l *Local, change *Change) {
	path := change.Path
	for depth := 0; len(path) > 1; depth++ {
		cut := strings.LastIndexByte(path, '/')
		path = path[:max(cut, 1)]
		if mutant.On("watches-recursive-misses-deep") && depth > 0 {
			return
		}
		at := w.paths[path]
		if at == nil {
			continue
		}
		for _, own := range at.watches {
			if own.modes&watchRecursive != 0 && (own.conn.told != l.changes ||
				mutant.On("watches-recursive-tells-twice")) {
				own.conn.told = l.changes
				w.tell(l, own.conn, change)
			}
		}
	}
}

// tell appends the event's frame to the output of c. The filter by READ is ZooKeeper's since
// 3.9.2: a one-shot watch is used up even if its event is withheld.
func (w *Watches) tell(l *Local, c *Conn, change *Change) {
	if !c.mayRead(l, change.acl) && !mutant.On("watches-unreadable-told") {
		return
	}
	if len(w.event) == 0 {
		w.event = appendEvent(w.event, change.Type, change.Path, change.Zxid)
	}
	c.appendOutput(l, w.event)
}

func appendEvent(b []byte, t wire.EventType, path string, zxid Zxid) []byte {
	b, at := wire.BeginFrame(b)
	header := wire.ReplyHeader{Xid: wire.XidNotification, Zxid: int64(zxid)}
	b = header.AppendTo(b)
	event := wire.WatcherEvent{Type: t, State: wire.StateSyncConnected, Path: path}
	if mutant.On("watches-event-of-disconnected") {
		event.State = wire.StateDisconnected
	}
	b = event.AppendTo(b)
	return wire.EndFrame(b, at)
}

// WatchRow names one watched path and the sessions that watch it, for the four-letter words.
type WatchRow struct {
	Path     string
	Sessions []SessionID
}

// Counts says how many connections watch how many paths, and how many pairs of the two there
// are, in the data watch table, as `wchs` shows it.
func (w *Watches) Counts() (conns, paths, watches int) {
	watching := make(map[*Conn]struct{})
	for _, at := range w.paths { //order-free: a sum
		before := watches
		for _, own := range at.watches {
			if own.modes&watchDataTable != 0 {
				watches++
				watching[own.conn] = struct{}{}
			}
		}
		if watches > before {
			paths++
		}
	}
	return len(watching), paths, watches
}

// Size is the number of watches as ZooKeeper's metrics show it: of both its tables, and so a
// persistent one twice.
func (w *Watches) Size() (n int) {
	for _, at := range w.paths { //order-free: a sum
		for _, own := range at.watches {
			if own.modes&watchDataTable != 0 {
				n++
			}
			if own.modes&(watchChild|watchPersistent) != 0 {
				n++
			}
		}
	}
	return n
}

// Rows lists the data watch table by path, in order, as `wchp` shows it.
func (w *Watches) Rows() []WatchRow {
	rows := make([]WatchRow, 0, len(w.paths))
	for path, at := range w.paths { //order-free: sorted below
		row := WatchRow{Path: path}
		for _, own := range at.watches {
			if own.modes&watchDataTable != 0 {
				row.Sessions = append(row.Sessions, own.conn.session)
			}
		}
		if len(row.Sessions) > 0 {
			slices.Sort(row.Sessions)
			rows = append(rows, row)
		}
	}
	slices.SortFunc(rows, func(a, b WatchRow) int { return strings.Compare(a.Path, b.Path) })
	return rows
}
