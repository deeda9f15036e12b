package store

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// The log is a row of segment files, log-<segment number in 16 hexadecimal digits>. The last is
// written at its end; when it is full the next one is begun. Segments that Cut gives back become
// spare-<number> and are overwritten in time: fdatasync of newly allocated blocks would commit
// the file system's journal each time (measured: p99.9 of a write 35 to 50 ms against 7 to 9).

const (
	logPrefix   = "log-"
	sparePrefix = "spare-"
	category    = vfs.WriteCategoryUnspecified
)

// journal writes the log. It belongs to the log's goroutine, except for what mu guards.
type journal struct {
	fs    vfs.FS
	dir   string
	id    DiskID
	limit int64 // size at which a segment is full
	most  int   // spares that are kept
	sync  bool

	file  vfs.File // the last segment
	at    int64    // its end
	tail  int64    // where its last record begins
	chain chain
	buf   []byte

	// mu guards what Append (log) and Cut (checkpoints) both change.
	mu   sync.Mutex
	live []segment // in order; the last is being written
	// spares are the numbers of the spare files; nextSpare was never used.
	spares    []uint64
	nextSpare uint64
}

// segment is one file of the log.
type segment struct {
	number uint64
	// last is the index of the last entry in force that ends in this segment or before it.
	// Invariant: it does not fall from one segment to the next.
	last uint64
}

func (j *journal) init(fs vfs.FS, dir string, id DiskID, o Options) {
	j.fs, j.dir, j.id = fs, dir, id
	j.limit, j.most, j.sync = o.SegmentSize, o.SpareSegments, !o.UnsafeNoSync
	j.chain = newChain(id)
}

// corrupt reports a log that does not show what it must: all of it could be read, so the place
// is its end.
func (j *journal) corrupt(err error) error {
	if len(j.live) == 0 {
		return &CorruptError{File: j.dir, What: "no log is here; if it is in another directory, " +
			"name that (dataLogDir, --data-log-dir, --from-log)", Err: err}
	}
	return &CorruptError{File: j.path(segmentName(j.chain.segment)), Offset: j.at,
		What: "end of the log", Err: err}
}

func (j *journal) path(name string) string { return j.fs.PathJoin(j.dir, name) }

func segmentName(number uint64) string { return fmt.Sprintf("%s%016x", logPrefix, number) }

func spareName(number uint64) string { return fmt.Sprintf("%s%d", sparePrefix, number) }

// write appends the record in buf (begun with beginRecord) to the last segment.
func (j *journal) write(buf []byte, magic uint32) error {
	buf, next := j.chain.endRecord(buf, magic)
	j.buf = buf
	if _, err := j.file.WriteAt(buf, j.at); err != nil {
		return fmt.Errorf("write %s: %w", j.path(segmentName(j.chain.segment)), err)
	}
	j.tail, j.at = j.at, j.at+int64(len(buf))
	j.chain = next
	return nil
}

// syncData makes the last segment durable.
func (j *journal) syncData() error {
	if !j.sync {
		return nil
	}
	if err := j.file.SyncData(); err != nil {
		return fmt.Errorf("sync %s: %w", j.path(segmentName(j.chain.segment)), err)
	}
	return nil
}

// full says whether a record of size bytes belongs into the next segment. A record larger than a
// segment gets one of its own, which is then larger.
func (j *journal) full(size int64) bool {
	return j.file == nil || j.tail > 0 && j.at+size > j.limit
}

// rotate begins the next segment. Its base is synced before the first batch is written behind it:
// a batch can then never be found whole where the base is not.
func (j *journal) rotate(hs hardState, last Position) error {
	file, err := j.nextFile(j.chain.segment + 1)
	if err != nil {
		return err
	}
	if j.file != nil {
		if err := j.file.Close(); err != nil {
			return fmt.Errorf("close segment: %w", err)
		}
	}
	j.file, j.at = file, 0
	j.chain.segment++
	base := appendBase(beginRecord(j.buf), j.id, hs, last)
	if err := j.write(base, magicBase); err != nil {
		return err
	}
	if err := j.syncData(); err != nil {
		return err
	}
	if err := j.syncDir(); err != nil {
		return err
	}
	j.mu.Lock()
	j.live = append(j.live, segment{number: j.chain.segment, last: last.Index})
	j.mu.Unlock()
	return nil
}

// nextFile opens the file of a new segment, by taking over a spare if there is one.
func (j *journal) nextFile(number uint64) (vfs.File, error) {
	name := j.path(segmentName(number))
	spare, ok := j.takeSpare()
	if !ok {
		file, err := j.fs.Create(name, category)
		if err != nil {
			return nil, fmt.Errorf("create segment: %w", err)
		}
		return file, nil
	}
	if err := j.fs.Rename(j.path(spareName(spare)), name); err != nil {
		return nil, fmt.Errorf("take over spare segment: %w", err)
	}
	file, err := j.fs.OpenReadWrite(name, category)
	if err != nil {
		return nil, fmt.Errorf("open segment: %w", err)
	}
	return file, nil
}

func (j *journal) takeSpare() (uint64, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.spares) == 0 {
		return 0, false
	}
	n := j.spares[0]
	j.spares = j.spares[1:]
	return n, true
}

// note keeps the books of the live segments: a batch was written to the last of them.
func (j *journal) note(first uint64, start, last Position) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.noteAt(len(j.live)-1, first, start, last)
}

// noteAt does so for the segment at i: the first entry of the batch is first (0: none), and the
// log ends at last with it.
func (j *journal) noteAt(i int, first uint64, start, last Position) {
	for k := range j.live[:i] {
		if start.Index != 0 {
			j.live[k].last = 0
		} else if first != 0 {
			j.live[k].last = min(j.live[k].last, first-1)
		}
	}
	j.live[i].last = last.Index
}

// cut gives back the segments that end at or before index. The oldest goes first, each rename is
// durable before the next: a crash leaves a row without a gap.
func (j *journal) cut(index uint64) error {
	for {
		number, spare, ok := j.obsolete(index)
		if !ok {
			return nil
		}
		if err := j.giveBack(segmentName(number), spare); err != nil {
			return err
		}
	}
}

// obsolete takes the oldest segment from the row if it ends at or before index.
func (j *journal) obsolete(index uint64) (number, spare uint64, ok bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.live) < 2 || j.live[0].last > index {
		return 0, 0, false
	}
	number = j.live[0].number
	j.live = slices.Delete(j.live, 0, 1)
	j.nextSpare++
	return number, j.nextSpare - 1, true
}

// giveBack makes the file called name a spare, or removes it if there are enough.
func (j *journal) giveBack(name string, spare uint64) error {
	j.mu.Lock()
	enough := len(j.spares) >= j.most
	j.mu.Unlock()
	if enough {
		if err := j.fs.Remove(j.path(name)); err != nil {
			return fmt.Errorf("remove segment: %w", err)
		}
		return j.syncDir()
	}
	if err := j.fs.Rename(j.path(name), j.path(spareName(spare))); err != nil {
		return fmt.Errorf("recycle segment: %w", err)
	}
	if err := j.syncDir(); err != nil {
		return err
	}
	j.mu.Lock()
	j.spares = append(j.spares, spare)
	j.mu.Unlock()
	return nil
}

// prepare writes n spares full of zeros. It is called before the first Append.
func (j *journal) prepare(n int) error {
	zeros := make([]byte, min(j.limit, 1<<20))
	for range n {
		name := j.path(spareName(j.nextSpare))
		file, err := j.fs.Create(name, category)
		if err != nil {
			return fmt.Errorf("create spare segment: %w", err)
		}
		for left := j.limit; left > 0 && err == nil; left -= int64(len(zeros)) {
			clear(zeros) // vfs allows Write to scribble
			_, err = file.Write(zeros[:min(left, int64(len(zeros)))])
		}
		if err == nil && j.sync {
			err = file.Sync()
		}
		if closed := file.Close(); err == nil {
			err = closed
		}
		if err != nil {
			return fmt.Errorf("write spare segment %s: %w", name, err)
		}
		j.spares = append(j.spares, j.nextSpare)
		j.nextSpare++
	}
	return j.syncDir()
}

func (j *journal) syncDir() error { return syncDir(j.fs, j.dir) }

// syncDir makes names in a directory durable. It is done even without ForceSync: it is rare.
func syncDir(fs vfs.FS, name string) error {
	dir, err := fs.OpenDir(name)
	if err != nil {
		return fmt.Errorf("open directory: %w", err)
	}
	err = dir.Sync()
	if closed := dir.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return fmt.Errorf("sync directory %s: %w", name, err)
	}
	return nil
}

// close gives the file back.
func (j *journal) close() error {
	if j.file == nil {
		return nil
	}
	file := j.file
	j.file = nil
	return file.Close()
}

// list finds the segments and spares in the directory.
func (j *journal) list() error {
	names, err := j.fs.List(j.dir)
	if err != nil {
		return fmt.Errorf("list %s: %w", j.dir, err)
	}
	for _, name := range names {
		var n uint64 // what was scanned is printed again: a copy that somebody made is not ours
		switch {
		case strings.HasPrefix(name, logPrefix):
			_, err := fmt.Sscanf(name, logPrefix+"%016x", &n)
			if err == nil && name == segmentName(n) {
				j.live = append(j.live, segment{number: n})
			}
		case strings.HasPrefix(name, sparePrefix):
			_, err := fmt.Sscanf(name, sparePrefix+"%d", &n)
			if err == nil && name == spareName(n) {
				j.spares = append(j.spares, n)
				j.nextSpare = max(j.nextSpare, n+1)
			}
		}
	}
	slices.SortFunc(j.live, func(a, b segment) int { return cmp.Compare(a.number, b.number) })
	slices.Sort(j.spares)
	return nil
}
