package server_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io/fs"
	"math/rand/v2"
	slash "path"
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// boundary is a place at which the power may fail: just before or just after an effect.
type boundary struct {
	effect string
	after  bool
}

func (b boundary) String() string {
	if b.after {
		return "after " + b.effect
	}
	return "before " + b.effect
}

// effects are what a server does to the world, with about how often it does so in a run.
var effects = []struct {
	name  string
	often int
}{
	{"write log", 400}, {"sync log", 400}, {"write mark", 6}, {"sync mark", 6},
	{"write table", 60}, {"sync table", 40}, {"write manifest", 40}, {"sync manifest", 40},
	{"write other", 8}, {"sync other", 8}, {"sync directory", 60}, {"create", 40},
	{"rename", 40}, {"remove", 60}, {"send reply", 400}, {"read request", 400},
}

// outage watches everything that a server does to its disk and its sockets, holds it at the
// boundaries that were drawn, and takes the copy of the disk there that a power failure would
// leave. With no boundaries drawn it only keeps the book of the log.
type outage struct {
	disk  *vfs.MemFS
	acks  *ackBook
	log   *logBook
	crash *rand.Rand

	// ops is held shared by each operation on the disk, exclusively while a copy is taken. That
	// makes the copy exact, and MemFS would hang otherwise: it takes its own lock twice.
	ops sync.RWMutex

	mu    sync.Mutex
	count map[boundary]int // how often each was passed
	due   map[boundary]int // at which count the power fails
	shots []*shot
	full  chan struct{} // closed when there are most shots
	most  int
	armed bool

	// An operation that fails instead: the first of its kind from the nth on, before or after it
	// has taken place.
	breaks boundary
	nth    int
	errno  error
	broken bool
	later  map[string]int // operations after that, by effect
}

// shot is the disk after one power failure, and what clients had been told by then.
type shot struct {
	at    boundary
	nth   int
	kept  int // per cent of what was not synced; 0 is strict
	image *vfs.MemFS
	acks  int     // length of the book
	again *outage // of the server that was started on it
	found uint64  // the last entry that it found
}

func (s *shot) String() string {
	return fmt.Sprintf("power failure %v %d, %d %% of what was not synced kept", s.at, s.nth,
		s.kept)
}

func newOutage(disk *vfs.MemFS) *outage {
	return &outage{disk: disk, acks: newAckBook(), log: newLogBook(), full: make(chan struct{}),
		count: map[boundary]int{}, due: map[boundary]int{}}
}

// draw chooses where the power fails: at most once at each boundary that is wanted, and most
// times in all.
func (o *outage) draw(random *rand.Rand, most int, wanted func(boundary) bool) {
	o.crash, o.most = random, most
	for _, e := range effects {
		for _, after := range []bool{false, true} {
			n := 1 + random.IntN(1+random.IntN(e.often))
			if b := (boundary{e.name, after}); wanted(b) {
				o.due[b] = n
			}
		}
	}
}

// arm begins to count the boundaries.
func (o *outage) arm() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.armed = true
}

// at is called at each boundary.
func (o *outage) at(effect string, after bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	b := boundary{effect, after}
	if !o.armed {
		return
	}
	if o.count[b]++; o.due[b] != o.count[b] || len(o.shots) == o.most {
		return
	}
	s := &shot{at: b, nth: o.count[b], acks: o.acks.len()}
	some := 4 // of 10
	if b == (boundary{"write log", true}) || b == (boundary{"sync log", false}) {
		some = 8 // here a record is torn
	}
	switch n := o.crash.IntN(10); {
	case n < some:
		s.kept = 1 + o.crash.IntN(99)
	case n == 9:
		s.kept = 100
	}
	lost := vfs.CrashCloneCfg{UnsyncedDataPercent: s.kept}
	if s.kept > 0 {
		lost.RNG = rand.New(rand.NewPCG(o.crash.Uint64(), 1))
	}
	o.ops.Lock()
	s.image = o.disk.CrashClone(lost)
	o.ops.Unlock()
	if o.shots = append(o.shots, s); len(o.shots) == o.most {
		close(o.full)
	}
}

// do is one effect on the disk, between its two boundaries.
func (o *outage) do(effect string, fn func() error) error {
	o.at(effect, false)
	err := o.fault(effect, false)
	if err == nil {
		o.ops.RLock()
		err = fn()
		o.ops.RUnlock()
	}
	if err == nil {
		err = o.fault(effect, true)
	}
	o.at(effect, true)
	return err
}

// fault is the error of an operation that is to fail.
func (o *outage) fault(effect string, after bool) error {
	if o.errno == nil {
		return nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	b := boundary{effect, after}
	switch {
	case !o.armed:
	case o.broken && !after:
		o.later[effect]++
	case b == o.breaks && !o.broken:
		if o.nth--; o.nth < 0 {
			o.broken = true
			return o.errno
		}
	}
	return nil
}

// since says whether an operation has failed, and how many of the kind there were after it.
func (o *outage) since(effect string) (broken bool, later int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.broken, o.later[effect]
}

// fileKind is what the boundaries call a file.
func fileKind(name string) string {
	base := slash.Base(name)
	switch {
	case strings.HasPrefix(base, "log-"), strings.HasPrefix(base, "spare-"):
		return "log"
	case base == "mark":
		return "mark"
	case strings.HasSuffix(base, ".sst"), strings.HasSuffix(base, ".blob"):
		return "table"
	case strings.HasPrefix(base, "MANIFEST-"):
		return "manifest"
	}
	return "other"
}

// watchedFS is a file system under an outage.
type watchedFS struct {
	vfs.FS
	o *outage
}

func (w watchedFS) Unwrap() vfs.FS { return w.FS }

func (w watchedFS) open(effect, name string, fn func() (vfs.File, error)) (
	f vfs.File, err error) {
	open := func() error { f, err = fn(); return err }
	if effect == "" {
		w.o.ops.RLock()
		err = open()
		w.o.ops.RUnlock()
	} else {
		err = w.o.do(effect, open)
	}
	if err != nil {
		return nil, err
	}
	return &watchedFile{File: f, o: w.o, kind: fileKind(name)}, nil
}

func (w watchedFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return w.open("create", name, func() (vfs.File, error) { return w.FS.Create(name, c) })
}

func (w watchedFS) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (
	vfs.File, error) {
	return w.open("", name, func() (vfs.File, error) { return w.FS.OpenReadWrite(name, c, o...) })
}

func (w watchedFS) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return w.open("rename", to, func() (vfs.File, error) {
		return w.FS.ReuseForWrite(from, to, c)
	})
}

func (w watchedFS) OpenDir(name string) (vfs.File, error) {
	f, err := w.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return &watchedFile{File: f, o: w.o, kind: "directory"}, nil
}

func (w watchedFS) Rename(from, to string) error {
	return w.o.do("rename", func() error { return w.FS.Rename(from, to) })
}

func (w watchedFS) Link(from, to string) error {
	return w.o.do("create", func() error { return w.FS.Link(from, to) })
}

func (w watchedFS) Remove(name string) error {
	return w.o.do("remove", func() error { return w.FS.Remove(name) })
}

func (w watchedFS) RemoveAll(name string) error {
	return w.o.do("remove", func() error { return w.FS.RemoveAll(name) })
}

func (w watchedFS) MkdirAll(name string, perm fs.FileMode) error {
	return w.o.do("create", func() error { return w.FS.MkdirAll(name, perm) })
}

// watchedFile is a file under an outage.
type watchedFile struct {
	vfs.File
	o    *outage
	kind string
}

func (w *watchedFile) Write(b []byte) (n int, err error) {
	err = w.o.do("write "+w.kind, func() error { n, err = w.File.Write(b); return err })
	return n, err
}

func (w *watchedFile) WriteAt(b []byte, at int64) (n int, err error) {
	if w.kind == "log" {
		w.o.log.write(b)
	}
	err = w.o.do("write "+w.kind, func() error { n, err = w.File.WriteAt(b, at); return err })
	return n, err
}

func (w *watchedFile) Sync() error     { return w.o.do("sync "+w.kind, w.File.Sync) }
func (w *watchedFile) SyncData() error { return w.o.do("sync "+w.kind, w.File.SyncData) }

func (w *watchedFile) SyncTo(length int64) (full bool, err error) {
	err = w.o.do("sync "+w.kind, func() error { full, err = w.File.SyncTo(length); return err })
	return full, err
}

// logBook keeps each entry that the server writes into its log, by index. The server cuts its
// log behind checkpoints; the book does not.
type logBook struct {
	mu      sync.Mutex
	entries map[uint64]logEntry
	first   uint64 // the first that was written
	most    uint64
	err     error
}

// logEntry is an entry of raft's. What is not for the State has no data.
type logEntry struct {
	term uint64
	kind byte
	data []byte
}

func newLogBook() *logBook { return &logBook{entries: map[uint64]logEntry{}} }

func (l *logBook) last() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.most
}

func (l *logBook) get(index uint64) (logEntry, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e, ok := l.entries[index]
	return e, ok
}

// continues is the last entry that a server found of those in the book of the one before it. The
// last record of a log is written again when it is opened, and so stands in both.
func (l *logBook) continues(was *logBook) uint64 {
	l.mu.Lock()
	index := l.first
	l.mu.Unlock()
	for {
		old, ok := was.get(index)
		e, written := l.get(index)
		if !ok || !written || old.term != e.term || !bytes.Equal(old.data, e.data) {
			return index - 1
		}
		index++
	}
}

// branch is the book of a log that holds the entries up to index, and behind them what another
// server wrote.
func (l *logBook) branch(index uint64, behind *logBook) *logBook {
	b := newLogBook()
	for i := uint64(1); i <= index; i++ {
		if e, ok := l.get(i); ok {
			b.entries[i] = e
		}
	}
	for i := index + 1; i <= behind.last(); i++ {
		b.entries[i], _ = behind.get(i)
	}
	b.most = max(index, behind.last())
	return b
}

// write reads the record that is about to be written.
func (l *logBook) write(b []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	err := eachLogged(b, func(index uint64, e logEntry) {
		if l.first == 0 {
			l.first = index
		}
		was, twice := l.entries[index]
		if twice && (was.term != e.term || !bytes.Equal(was.data, e.data)) {
			l.err = fmt.Errorf("entry %d is replaced in the log", index)
		}
		e.data = append([]byte(nil), e.data...)
		l.entries[index], l.most = e, max(l.most, index)
	})
	if err != nil {
		l.err = err
	}
}

// eachLogged calls fn with each entry of a record of the log. It knows the format by itself:
// header of 32 bytes with length and magic, hard state, start, number of entries, first index,
// and per entry term, type, length and data. Other records have no entries.
func eachLogged(b []byte, fn func(index uint64, e logEntry)) error {
	const header, magicBatch = 32, 0x564c4231
	le := binary.LittleEndian
	if len(b) < header || le.Uint32(b[12:]) != magicBatch {
		return nil
	}
	size := int(le.Uint32(b[8:]))
	if size > len(b)-header {
		return fmt.Errorf("a record of %d bytes in %d", size, len(b))
	}
	b = b[header : header+size]
	bad := false
	number := func() uint64 {
		v, n := binary.Uvarint(b)
		if n <= 0 {
			bad = true
			return 0
		}
		b = b[n:]
		return v
	}
	for range 5 {
		number()
	}
	n := number()
	if n == 0 {
		return nil
	}
	for index := number(); n > 0 && !bad; n, index = n-1, index+1 {
		e := logEntry{term: number()}
		if bad || len(b) == 0 {
			break
		}
		e.kind, b = b[0], b[1:]
		size := number()
		if bad || size > uint64(len(b)) {
			break
		}
		e.data, b = b[:size], b[size:]
		fn(index, e)
	}
	if n > 0 || bad {
		return fmt.Errorf("a record of the log ends within its entries")
	}
	return nil
}
