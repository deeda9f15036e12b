package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/cockroachdb/errors/oserror"
	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/objstorage/objstorageprovider"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/vivariumdb/vivarium/internal/mutant"
)

// Keys in pebble: one header that says which generation counts, then the records of the
// generations, each key behind the number of its own.
const (
	keyHeader = 0
	keyRecord = 1
	keyEnd    = 2
	prefixLen = 1 + 8
)

var headerKey = []byte{keyHeader}

func recordPrefix(generation uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{keyRecord}, generation)
}

// stageChunk is how many bytes of a generation that does not count yet are written at a time.
const stageChunk = 16 << 20

// states keeps the checkpoints. It belongs to the checkpoints' goroutine. Every call into pebble
// that can write runs under guard (see doom).
type states struct {
	db   *pebble.DB
	fs   vfs.FS
	dir  string
	opts Options
	doom *doom

	meta   Meta // the checkpoint that counts
	staged bool // the generation behind it holds records
	key    []byte
	tables uint64
}

// pebbleLog passes on what pebble says. Fatalf must not return to pebble and must not end the
// process: it dooms the disk and ends the goroutine.
type pebbleLog struct {
	logf func(format string, args ...any)
	doom *doom
}

func (l pebbleLog) Infof(format string, args ...any)  { l.logf("pebble: "+format, args...) }
func (l pebbleLog) Errorf(format string, args ...any) { l.logf("pebble: "+format, args...) }
func (l pebbleLog) Fatalf(format string, args ...any) {
	fatal := &fatalError{text: fmt.Sprintf("pebble: "+format, args...)}
	for _, arg := range args {
		if err, ok := arg.(error); ok {
			fatal.cause = err
		}
	}
	l.doom.inBackground(fatal)
}

// fatalError is the text of a Fatalf and the error that was in it.
type fatalError struct {
	text  string
	cause error
}

func (e *fatalError) Error() string { return e.text }
func (e *fatalError) Unwrap() error { return e.cause }

// pebbleFS is the file system as pebble sees it. A directory that cannot be synced dooms the disk:
// pebble would panic, in a goroutine of its own if it comes to that.
type pebbleFS struct {
	vfs.FS
	states *states
}

// Unwrap returns the file system beneath.
func (p pebbleFS) Unwrap() vfs.FS { return p.FS }

// OpenDir opens a directory, which is only synced.
func (p pebbleFS) OpenDir(name string) (vfs.File, error) {
	dir, err := p.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return pebbleDir{File: dir, states: p.states}, nil
}

type pebbleDir struct {
	vfs.File
	states *states
}

// Sync returns once the directory is durable, and otherwise not at all.
func (d pebbleDir) Sync() error {
	if err := d.File.Sync(); err != nil {
		d.states.doom.inBackground(d.states.judge("sync directory", err))
	}
	return nil
}

func (s *states) pebbleOptions() *pebble.Options {
	log := pebbleLog{logf: s.opts.Logf, doom: s.doom}
	o := &pebble.Options{
		FS:                          pebbleFS{FS: s.fs, states: s},
		Logger:                      log,
		DisableWAL:                  true,
		FormatMajorVersion:          pebble.FormatValueSeparation,
		MemTableSize:                uint64(s.opts.MemTableSize),
		DisableAutomaticCompactions: s.opts.Quiet,
		DisableTableStats:           s.opts.Quiet,
		EventListener: &pebble.EventListener{
			BackgroundError: func(err error) {
				s.doom.inBackground(s.judge("keep checkpoints", err))
			},
			// The error comes back from the call that found it.
			DataCorruption: func(info pebble.DataCorruptionInfo) { log.Errorf("%v", info) },
		},
	}
	if s.opts.Quiet {
		o.L0StopWritesThreshold = math.MaxInt32 // nothing would ever lower it
	}
	// A lazily ingested table would wait in memory for a flush, and there is no WAL behind it.
	o.Experimental.DisableIngestAsFlushable = func() bool { return true }
	return o
}

// openStates opens the checkpoints and reads the header of the newest.
func openStates(fs vfs.FS, dir string, o Options, d *doom) (*states, error) {
	s := &states{fs: fs, dir: dir, opts: o, doom: d}
	if err := s.removeTables(); err != nil {
		return nil, err
	}
	err := d.guard(func() error {
		db, err := pebble.Open(dir, s.pebbleOptions())
		if err != nil {
			return err
		}
		s.db = db
		s.meta, err = readMeta(db)
		if err == nil {
			err = s.dropStaged()
		}
		return err
	})
	if err == nil {
		return s, nil
	}
	s.close()
	return nil, s.judge("open checkpoints", err)
}

// judge tells damage from errors.
func (s *states) judge(op string, err error) error {
	var version *VersionError
	if errors.As(err, &version) {
		version.File = s.dir
		return version
	}
	if pebble.IsCorruptionError(err) || errors.Is(err, errFormat) || oserror.IsNotExist(err) {
		return &CorruptError{File: s.dir, What: "checkpoint", Err: err}
	}
	return fmt.Errorf("%s in %s: %w", op, s.dir, err)
}

func readMeta(r pebble.Reader) (Meta, error) {
	value, closer, err := r.Get(headerKey)
	if errors.Is(err, pebble.ErrNotFound) {
		return Meta{}, nil
	}
	if err != nil {
		return Meta{}, err
	}
	m, err := decodeMeta(value)
	if closed := closer.Close(); err == nil {
		err = closed
	}
	return m, err
}

// dropStaged removes what an unfinished reception left.
func (s *states) dropStaged() error {
	from := recordPrefix(s.meta.Generation + 1)
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: []byte{keyEnd}})
	if err != nil {
		return err
	}
	there := it.First()
	if err := it.Close(); err != nil || !there {
		return err
	}
	return s.db.DeleteRange(from, []byte{keyEnd}, pebble.NoSync)
}

// stage writes records of the next generation.
func (s *states) stage(records []Record, restart bool) error {
	return s.doom.guard(func() error {
		if restart || !s.staged {
			if err := s.dropStaged(); err != nil {
				return err
			}
			s.staged = true
		}
		for len(records) > 0 {
			n, size := 0, 0
			for n < len(records) && size < stageChunk {
				size += len(records[n].Key) + len(records[n].Value)
				n++
			}
			b := s.db.NewBatchWithSize(size + n*(prefixLen+16))
			if err := s.fill(b, s.meta.Generation+1, records[:n]); err != nil {
				return err
			}
			if err := b.Commit(pebble.NoSync); err != nil {
				return err
			}
			if err := b.Close(); err != nil {
				return err
			}
			records = records[n:]
		}
		return nil
	})
}

// fill writes records of a generation.
func (s *states) fill(b *pebble.Batch, generation uint64, records []Record) error {
	prefix := recordPrefix(generation)
	for _, r := range records {
		s.key = append(append(s.key[:0], prefix...), r.Key...)
		var err error
		if r.Delete {
			err = b.Delete(s.key, nil)
		} else {
			err = b.Set(s.key, r.Value, nil)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// write makes c the checkpoint that counts.
func (s *states) write(c Checkpoint) error {
	meta := c.Meta
	meta.Received, meta.Generation = c.Full, s.meta.Generation
	if mutant.On("store-checkpoint-index-off") {
		meta.Index++
	}
	if !c.Full {
		return s.commit(meta, c.Records)
	}
	if err := s.stage(c.Records, false); err != nil {
		return err
	}
	meta.Generation++
	return s.commit(meta, nil)
}

// commit writes records and header in one atomic step and waits until they are on the disk. What
// came before counts no longer once the header names another generation.
func (s *states) commit(meta Meta, records []Record) error {
	size := int64(0)
	for _, r := range records {
		size += int64(len(r.Key) + len(r.Value) + prefixLen + 16)
	}
	return s.doom.guard(func() error {
		if size > s.opts.IngestSize {
			if err := s.ingest(meta, records); err != nil {
				return err
			}
		} else if err := s.commitBatch(meta, records, int(size)); err != nil {
			return err
		}
		if meta.Generation != s.meta.Generation {
			s.staged = false
		}
		s.meta = meta
		return nil
	})
}

func (s *states) commitBatch(meta Meta, records []Record, size int) error {
	b := s.db.NewBatchWithSize(size + len(meta.Header) + 1024)
	if err := b.Set(headerKey, appendMeta(nil, meta), nil); err != nil {
		return err
	}
	if meta.Generation != s.meta.Generation {
		from, to := recordPrefix(0), recordPrefix(meta.Generation)
		if err := b.DeleteRange(from, to, nil); err != nil {
			return err
		}
	}
	if err := s.fill(b, meta.Generation, records); err != nil {
		return err
	}
	if err := b.Commit(pebble.NoSync); err != nil {
		return err
	}
	if err := b.Close(); err != nil {
		return err
	}
	return s.db.Flush()
}

// ingest writes the step as tables and has pebble take them over in one edit of its manifest.
func (s *states) ingest(meta Meta, records []Record) error {
	var paths []string
	prefix := recordPrefix(meta.Generation)
	for first := true; first || len(records) > 0; first = false {
		w, path, err := s.newTable()
		if err != nil {
			return err
		}
		paths = append(paths, path)
		if first {
			err = w.Set(headerKey, appendMeta(nil, meta))
		}
		n := 0
		for size := 0; err == nil && n < len(records) && size < tableSize; n++ {
			r := records[n]
			size += len(r.Key) + len(r.Value)
			s.key = append(append(s.key[:0], prefix...), r.Key...)
			if r.Delete {
				err = w.Delete(s.key)
			} else {
				err = w.Set(s.key, r.Value)
			}
		}
		records = records[n:]
		if closed := w.Close(); err == nil {
			err = closed
		}
		if err != nil {
			return err
		}
	}
	return s.db.Ingest(context.Background(), paths)
}

const (
	tableSize   = 64 << 20
	tablePrefix = "ingest-"
)

func (s *states) newTable() (*sstable.Writer, string, error) {
	path := s.fs.PathJoin(s.fs.PathDir(s.dir), fmt.Sprintf("%s%d", tablePrefix, s.tables))
	s.tables++
	f, err := s.fs.Create(path, category)
	if err != nil {
		return nil, "", err
	}
	o := s.pebbleOptions()
	o.EnsureDefaults()
	return sstable.NewWriter(objstorageprovider.NewFileWritable(f),
		o.MakeWriterOptions(0, s.db.TableFormat())), path, nil
}

// removeTables removes what a crash during ingest left.
func (s *states) removeTables() error {
	parent := s.fs.PathDir(s.dir)
	names, err := s.fs.List(parent)
	if err != nil {
		return fmt.Errorf("list %s: %w", parent, err)
	}
	for _, name := range names {
		if bytes.HasPrefix([]byte(name), []byte(tablePrefix)) {
			if err := s.fs.Remove(s.fs.PathJoin(parent, name)); err != nil {
				return fmt.Errorf("remove table: %w", err)
			}
		}
	}
	return nil
}

// close closes pebble, unless it is doomed: then it would wait for ever, and db may belong to a
// call that was left behind.
func (s *states) close() error {
	if s.doom.err() != nil || s.db == nil {
		return nil
	}
	db := s.db
	s.db = nil
	return s.doom.guard(db.Close)
}

// view freezes the newest checkpoint.
func (s *states) view() (View, error) {
	v := &stateView{states: s, snapshot: s.db.NewSnapshot()}
	var err error
	if v.meta, err = readMeta(v.snapshot); err != nil {
		_ = v.snapshot.Close()
		return nil, s.judge("read checkpoint", err)
	}
	return v, nil
}

// stateView is a View of pebble.
type stateView struct {
	states   *states
	snapshot *pebble.Snapshot
	meta     Meta
}

func (v *stateView) Meta() Meta { return v.meta }

func (v *stateView) Records(from []byte, fn func(key, value []byte) error) error {
	prefix := recordPrefix(v.meta.Generation)
	it, err := v.snapshot.NewIter(&pebble.IterOptions{
		LowerBound: append(prefix[:prefixLen:prefixLen], from...),
		UpperBound: recordPrefix(v.meta.Generation + 1),
	})
	if err != nil {
		return v.states.judge("read checkpoint", err)
	}
	var stopped, fault error
	for ok := it.First(); ok && stopped == nil && fault == nil; ok = it.Next() {
		var value []byte
		if value, fault = it.ValueAndErr(); fault == nil {
			stopped = fn(it.Key()[prefixLen:], value)
		}
	}
	if err := it.Close(); fault == nil {
		fault = err
	}
	if fault != nil {
		return v.states.judge("read checkpoint", fault)
	}
	return stopped
}

func (v *stateView) Close() error { return v.snapshot.Close() }
