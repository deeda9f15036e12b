package sim

import (
	"slices"
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/vivariumdb/vivarium/replication/store"
)

// injector lets one operation of a file system fail. The real store calls it from goroutines of
// its own as well; of those it waits for, so that the how manieth operation it is says which.
type injector struct {
	mu    sync.Mutex // guards what follows
	place string     // part of the names of the files whose writes are counted; "": none
	after int        // so many of them go well yet
	err   error
}

// plant lets the next operation but after on files of a place fail.
func (i *injector) plant(place string, after int, err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.place, i.after, i.err = place, after, err
}

// failable are the operations that count. What is removed, closed or allocated beforehand may be
// done in any order, and by anybody.
var failable = []errorfs.OpKind{errorfs.OpCreate, errorfs.OpRename, errorfs.OpReuseForWrite,
	errorfs.OpFileWrite, errorfs.OpFileWriteAt, errorfs.OpFileSync, errorfs.OpFileSyncData}

// strike is asked at each operation.
func (i *injector) strike(op errorfs.Op) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.place == "" || !slices.Contains(failable, op.Kind) || !strings.Contains(op.Path, i.place) {
		return nil
	}
	if i.after--; i.after >= 0 {
		return nil
	}
	i.place = ""
	return i.err
}

// wrap is the file system that a store gets.
func (i *injector) wrap(fs vfs.FS) vfs.FS {
	return errorfs.Wrap(fs, errorfs.InjectorFunc(i.strike))
}

// places says where the files lie that an effect writes.
var places = map[store.Effect]string{
	store.EffectLogWrite: "/log/", store.EffectLogSync: "/log/", store.EffectCut: "/log/",
	store.EffectMarkWrite: "/mark", store.EffectMarkSync: "/mark",
	store.EffectCheckpointWrite: "/state/", store.EffectCheckpointFlush: "/state/",
}

// inject lets a write to the files fail that an effect writes.
func (s *real) inject(f store.Fault) { s.faults.plant(places[f.Effect], f.After, f.Err) }
