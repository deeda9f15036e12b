package protocol

import (
	"maps"
	"slices"
	"strings"

	"github.com/vivariumdb/vivarium/internal/invariant"
	"github.com/vivariumdb/vivarium/internal/mutant"
	"github.com/vivariumdb/vivarium/wire"
)

// kind is one of the lists of setWatches2, in their order.
type kind uint8

const (
	kindData       kind    = iota // one-shot, on a znode that was there
	kindExist                     // one-shot, on a path where nothing was
	kindChild                     // one-shot, on the names of the children
	kindPersistent                // on a path, until removed
	kindRecursive                 // on a path and all below it, until removed
	kinds                         // how many there are
	kindNone       = kinds        // no watch
)

// readKind returns the kind of watch that a read sets. Exists sets one of two, according to its
// answer.
func readKind(op wire.OpCode) kind {
	if op == wire.OpGetChildren || op == wire.OpGetChildren2 {
		return kindChild
	}
	return kindData
}

// watcherType returns what removeWatches calls the kind. The server does not tell the watch on
// an absent znode from that on a present one.
func (k kind) watcherType() int32 {
	switch k {
	case kindData, kindExist:
		return wire.WatcherData
	case kindChild:
		return wire.WatcherChildren
	case kindPersistent:
		return wire.WatcherPersistent
	case kindRecursive:
		return wire.WatcherPersistentRecursive
	}
	return wire.WatcherAny
}

// kindsOf returns the kinds that a removeWatches of this type removes.
func kindsOf(watcherType int32) []kind {
	if watcherType == wire.WatcherAny {
		return []kind{kindData, kindExist, kindChild, kindPersistent, kindRecursive}
	}
	var ks []kind
	for k := range kinds {
		if k.watcherType() == watcherType {
			ks = append(ks, k)
		}
	}
	return ks
}

// removal returns the event that tells of the end of a watch.
func (k kind) removal() wire.EventType {
	switch k {
	case kindData, kindExist:
		return wire.EventDataWatchRemoved
	case kindChild:
		return wire.EventChildWatchRemoved
	}
	return wire.EventPersistentWatchRemoved
}

// place is where a watch is.
type place struct {
	kind kind
	path string
}

// watches is what the server is believed to watch for us, and for whom.
type watches struct {
	// tables holds who waits, by path, in the order of their coming and each once.
	// Invariant: no entry is empty.
	tables [kinds]map[string][]WatcherID
	// where holds the places of each watcher but 0, so that forgetting one looks at no other's.
	// Invariant: it says the same as tables.
	where map[WatcherID][]place
}

func newWatches() watches {
	w := watches{where: map[WatcherID][]place{}}
	for k := range w.tables {
		w.tables[k] = map[string][]WatcherID{}
	}
	return w
}

// add keeps a watch that the server has set.
func (w *watches) add(p place, id WatcherID) {
	ids := w.tables[p.kind][p.path]
	if slices.Contains(ids, id) {
		return
	}
	w.tables[p.kind][p.path] = append(ids, id)
	if id != 0 {
		w.where[id] = append(w.where[id], p)
	}
}

// remove drops all watches of a place and returns whose they were.
func (w *watches) remove(p place) (ids []WatcherID, had bool) {
	ids, had = w.tables[p.kind][p.path]
	delete(w.tables[p.kind], p.path)
	for _, id := range ids {
		if id != 0 {
			w.unlink(id, p)
		}
	}
	return ids, had
}

// unlink drops a place from those of a watcher.
func (w *watches) unlink(id WatcherID, p place) {
	places := w.where[id]
	at := slices.Index(places, p)
	invariant.Check(at >= 0, "a watch unknown to its watcher")
	if len(places) == 1 {
		delete(w.where, id)
		return
	}
	w.where[id] = slices.Delete(places, at, at+1)
}

// forget drops a watcher and returns where it was.
func (w *watches) forget(id WatcherID) []place {
	places := w.where[id]
	delete(w.where, id)
	for _, p := range places {
		ids := w.tables[p.kind][p.path]
		at := slices.Index(ids, id)
		invariant.Check(at >= 0, "a watcher unknown to its watch")
		if len(ids) == 1 {
			delete(w.tables[p.kind], p.path)
			continue
		}
		w.tables[p.kind][p.path] = slices.Delete(ids, at, at+1)
	}
	return places
}

// wanted tells whether anybody waits for what the server does not tell from p.
func (w *watches) wanted(p place) bool {
	for _, k := range kindsOf(p.kind.watcherType()) {
		if len(w.tables[k][p.path]) > 0 {
			return true
		}
	}
	return false
}

// fire returns who is to be told of an event, each once. One-shot watches end with it.
func (w *watches) fire(event wire.EventType, path string) []WatcherID {
	var fired []WatcherID
	tell := func(ids []WatcherID) {
		for _, id := range ids {
			if !slices.Contains(fired, id) {
				fired = append(fired, id)
			}
		}
	}
	oneShot := func(k kind) {
		ids, _ := w.remove(place{k, path})
		tell(ids)
	}
	switch event {
	case wire.EventNodeCreated, wire.EventNodeDataChanged:
		oneShot(kindData)
		oneShot(kindExist)
	case wire.EventNodeDeleted:
		oneShot(kindData)
		oneShot(kindExist)
		if !mutant.On("client-child-watch-survives-delete") {
			oneShot(kindChild)
		}
	case wire.EventNodeChildrenChanged:
		oneShot(kindChild)
		tell(w.tables[kindPersistent][path])
		return fired // recursive watches see the child itself
	default:
		return nil
	}
	tell(w.tables[kindPersistent][path])
	for above := path; ; above = parent(above) {
		tell(w.tables[kindRecursive][above])
		if above == "/" || above == "" ||
			above != path && mutant.On("client-recursive-not-told-deep") {
			return fired
		}
	}
}

// parent returns the path above an absolute path.
func parent(path string) string {
	if at := strings.LastIndexByte(path, '/'); at > 0 {
		return path[:at]
	}
	return "/"
}

// sets returns the requests that set all watches again, in the order of kinds and paths. None
// holds more than chunk bytes of paths, unless a single path does.
func (w *watches) sets(relative int64, chunk int) []wire.SetWatches2Request {
	var all []wire.SetWatches2Request
	size := 0
	for k := range kinds {
		for _, path := range slices.Sorted(maps.Keys(w.tables[k])) {
			length := 4 + len(path)
			if len(all) == 0 || size+length > chunk {
				all = append(all, wire.SetWatches2Request{RelativeZxid: relative})
				size = 0
			}
			size += length
			set := &all[len(all)-1]
			lists := [kinds]*[]string{&set.Data, &set.Exist, &set.Child,
				&set.Persistent, &set.PersistentRecursive}
			*lists[k] = append(*lists[k], path)
		}
	}
	return all
}

// check holds tables against where. It is costly.
func (w *watches) check() {
	links := 0
	for k, table := range w.tables {
		for path, ids := range table { //order-free: counts and compares
			invariant.Check(len(ids) > 0, "a watch without a watcher")
			for _, id := range ids {
				if id == 0 {
					continue
				}
				links++
				invariant.Check(slices.Contains(w.where[id], place{kind(k), path}),
					"a watch unknown to its watcher")
			}
		}
	}
	for _, places := range w.where { //order-free: counts
		links -= len(places)
	}
	invariant.Check(links == 0, "a watcher unknown to its watch")
}
