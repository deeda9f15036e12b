package core

import "github.com/vivariumdb/vivarium/internal/invariant"

// tracker remembers what changed since the last checkpoint, and holds what a checkpoint being
// captured has not read yet.
//
// Each kind of item keeps in its own mark where it stands in a list of changed items, so that
// looking costs no map. An item is in one list at most: a frozen one that is about to change is
// captured first and moves to the list of the next checkpoint.
type tracker struct {
	now       changes // since the last Freeze
	frozen    changes // until the last Freeze, not captured yet
	capturing bool
	header    []byte   // of the checkpoint being captured
	early     []Record // frozen items captured because they were about to change
	page      []byte   // memory that records share; see room
	key       []byte
}

// changes are the items that a checkpoint has to write.
type changes struct {
	nodes    markList[*node]
	sessions markList[*session]
	acls     markList[*aclList]
	deleted  []deletion
	at       map[string]int // where a key stands in deleted
}

// deletion is an item that the last checkpoint holds and the next one must not.
type deletion struct {
	key  string
	void bool // there is such an item again
}

// fresh is the bit of a mark that says that the store has nothing under the item's key: if the
// item goes before the next checkpoint, there is nothing to delete.
const fresh = 1 << 31

// marked is an item with a mark.
type marked interface {
	comparable
	markAt() *uint32
}

func (n *node) markAt() *uint32     { return &n.mark }
func (ss *session) markAt() *uint32 { return &ss.mark }
func (l *aclList) markAt() *uint32  { return &l.mark }

// markList is a list of changed items. An item's mark is its place in the list plus one.
type markList[T marked] struct {
	items []T // the zero value where an item has left
	free  []uint32
	next  int // Capture has read up to here
}

func (l *markList[T]) holds(x T) bool {
	i := int(*x.markAt() &^ fresh)
	return i > 0 && i <= len(l.items) && l.items[i-1] == x
}

func (l *markList[T]) add(x T, bit uint32) {
	if n := len(l.free); n > 0 {
		i := l.free[n-1]
		l.free = l.free[:n-1]
		l.items[i] = x
		*x.markAt() = (i + 1) | bit
		return
	}
	invariant.Check(len(l.items) < fresh-2, "more changed items than a mark can number")
	l.items = append(l.items, x)
	*x.markAt() = uint32(len(l.items)) | bit
}

// drop takes x out, which is in the list, and says whether it was fresh.
func (l *markList[T]) drop(x T) bool {
	mark := *x.markAt()
	i := mark&^fresh - 1
	var none T
	l.items[i] = none
	l.free = append(l.free, i)
	*x.markAt() = 0
	return mark&fresh != 0
}

func (t *tracker) init() { t.now.init() }

func (c *changes) init() { *c = changes{at: make(map[string]int)} }

// created notes a new item.
func created[T marked](t *tracker, l *markList[T], x T, key []byte) {
	bit := uint32(fresh)
	if len(t.now.at) > 0 {
		if i, ok := t.now.at[string(key)]; ok {
			t.now.deleted[i].void = true
			delete(t.now.at, string(key))
			bit = 0
		}
	}
	l.add(x, bit)
}

// removing notes that an item is about to go, after capture has read it if it is frozen.
func removing[T marked](t *tracker, now, frozen *markList[T], x T, key []byte,
	capture func(*State, T) Record, s *State) {
	if now.holds(x) {
		if now.drop(x) {
			return
		}
	} else if frozen.holds(x) {
		t.early = append(t.early, capture(s, x))
		frozen.drop(x)
	}
	t.now.at[string(key)] = len(t.now.deleted)
	t.now.deleted = append(t.now.deleted, deletion{key: string(key)})
}

// changing notes that an item is about to change.
func changing[T marked](t *tracker, now, frozen *markList[T], x T,
	capture func(*State, T) Record, s *State) {
	if now.holds(x) {
		return
	}
	if frozen.holds(x) {
		t.early = append(t.early, capture(s, x))
		frozen.drop(x)
	}
	now.add(x, 0)
}

func (s *State) nodeCreated(n *node) {
	t := &s.track
	if len(t.now.at) > 0 {
		t.key = appendNodeKey(t.key[:0], n)
	}
	created(t, &t.now.nodes, n, t.key)
}

func (s *State) nodeRemoving(n *node) {
	t := &s.track
	t.key = appendNodeKey(t.key[:0], n)
	removing(t, &t.now.nodes, &t.frozen.nodes, n, t.key, (*State).nodeRecord, s)
}

func (s *State) nodeChanging(n *node) {
	t := &s.track
	changing(t, &t.now.nodes, &t.frozen.nodes, n, (*State).nodeRecord, s)
}

func (s *State) sessionCreated(ss *session) {
	t := &s.track
	t.key = appendIDKey(t.key[:0], keySession, uint64(ss.id))
	created(t, &t.now.sessions, ss, t.key)
}

func (s *State) sessionRemoving(ss *session) {
	t := &s.track
	t.key = appendIDKey(t.key[:0], keySession, uint64(ss.id))
	removing(t, &t.now.sessions, &t.frozen.sessions, ss, t.key, (*State).sessionRecord, s)
}

func (s *State) sessionChanging(ss *session) {
	t := &s.track
	changing(t, &t.now.sessions, &t.frozen.sessions, ss, (*State).sessionRecord, s)
}

func (s *State) aclCreated(l *aclList) {
	t := &s.track
	t.key = appendIDKey(t.key[:0], keyACL, l.id)
	created(t, &t.now.acls, l, t.key)
}

func (s *State) aclRemoving(l *aclList) {
	t := &s.track
	t.key = appendIDKey(t.key[:0], keyACL, l.id)
	removing(t, &t.now.acls, &t.frozen.acls, l, t.key, (*State).aclRecord, s)
}
