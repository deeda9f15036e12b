package store

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/vivariumdb/vivarium/internal/invariant"
	"github.com/vivariumdb/vivarium/internal/mutant"
)

// Store is the Disk on a file system.
type Store struct {
	opts Options
	dirs dirs
	doom *doom

	// The log's goroutine only.
	journal journal
	hs      hardState // as last given
	written hardState // as last written
	last    Position

	// The checkpoints' goroutine only.
	states *states

	marker *marker

	// mu guards what several goroutines look at.
	mu         sync.Mutex
	promise    Mark     // what is durable in the log, and so may be acknowledged
	checkpoint Position // the checkpoint that counts
	pace       pace
}

// pace says when the mark is due.
type pace struct {
	marked  Position // in the mark file
	bytes   int64    // of log since
	quietMs int64    // when the mark was last seen to be up to date
}

func (p *pace) due(acked Position, nowMs int64, o Options) bool {
	if p.marked == acked {
		p.quietMs = nowMs
		return false
	}
	return p.bytes >= o.MarkBytes || nowMs-p.quietMs >= o.MarkMs
}

var _ Disk = (*Store)(nil)

// Open opens the disk, or founds one in an empty directory, and says what it holds. An error that
// is ErrDiskLost, ErrZooKeeperData or an IdentityError is about what lies there; others are
// about reaching it. Nothing is changed before all was judged, except that what a crash left
// half-made is finished or removed.
func Open(fs vfs.FS, o Options) (*Store, *Recovered, error) {
	if err := o.Validate(); err != nil {
		return nil, nil, fmt.Errorf("store: %w", err)
	}
	o = o.withDefaults()
	fs = newPrivateFS(fs)
	if err := finishAside(fs, o); err != nil {
		return nil, nil, err
	}
	s := &Store{opts: o, dirs: newDirs(fs, o), doom: newDoom()}
	rec, err := s.open(o.DiskID)
	if err != nil {
		s.release()
		return nil, nil, err
	}
	return s, rec, nil
}

func (s *Store) open(fresh DiskID) (*Recovered, error) {
	fs, dirs := s.dirs.fs, s.dirs
	id, founded, err := dirs.identify(fresh)
	if err != nil {
		return nil, err
	}
	if err := s.foundMark(id); err != nil {
		return nil, err
	}
	seat, err := dirs.readSeat()
	if err != nil {
		return nil, err
	}
	var mark Mark
	var damage, torn []Damage
	if s.marker, mark, damage, err = openMark(fs, dirs.ourData(), id); err != nil {
		return nil, err
	}
	s.marker.sync = !s.opts.UnsafeNoSync
	state := fs.PathJoin(dirs.ourData(), stateDir)
	if err := makeDir(fs, state); err != nil {
		return nil, err
	}
	if s.states, err = openStates(fs, state, s.opts, s.doom); err != nil {
		return nil, err
	}
	meta := s.states.meta
	r := replay{keep: meta.Index, retain: s.opts.RetainBytes}
	s.journal.init(fs, dirs.ourLog(), id, s.opts)
	if torn, err = s.journal.read(&r); err != nil {
		return nil, err
	}
	s.written, s.last = r.hs, r.last // which the next segment, if there has to be one, goes on from
	restart, err := r.settle(meta, mark)
	if err != nil {
		return nil, s.journal.corrupt(err)
	}
	if err := s.begin(&r, restart, founded); err != nil {
		return nil, err
	}
	if err := s.marker.renew(mark); err != nil {
		return nil, err
	}
	s.checkpoint = meta.Position
	s.promise = r.promise(mark)
	s.pace.marked = mark.Acked
	if r.ahead(mark) {
		if err := s.marker.write(s.current); err != nil {
			return nil, err
		}
	}
	rec := r.recovered(id, meta, mark)
	rec.Founded, rec.Damage, rec.Seat = founded, append(damage, torn...), seat
	return rec, nil
}

// foundMark creates the mark of a disk that has nothing else yet. Without it any other disk is
// refused when the mark is opened.
func (s *Store) foundMark(id DiskID) error {
	fs, data := s.dirs.fs, s.dirs.ourData()
	for _, name := range []string{markFile, stateDir} {
		there, err := exists(fs, fs.PathJoin(data, name))
		if err != nil {
			return fmt.Errorf("open %s: %w", data, err)
		}
		if there {
			return nil
		}
	}
	names, err := fs.List(s.dirs.ourLog())
	if err != nil {
		return fmt.Errorf("open %s: %w", s.dirs.ourLog(), err)
	}
	for _, name := range names {
		if strings.HasPrefix(name, logPrefix) {
			return nil
		}
	}
	return createMark(fs, data, id)
}

// begin readies the log for writing. With restart it first makes it begin behind the checkpoint.
func (s *Store) begin(r *replay, restart, founded bool) error {
	if len(s.journal.live) == 0 && s.opts.ReadySegments > 0 && founded {
		if err := s.journal.prepare(s.opts.ReadySegments); err != nil {
			return err
		}
	}
	if err := s.journal.reopen(); err != nil {
		return err
	}
	s.hs = r.hs
	switch {
	case len(s.journal.live) == 0:
		s.written, s.last = r.hs, r.last
		return s.journal.rotate(s.hs, s.last)
	case restart:
		return s.record(Batch{Start: r.last}, r.last)
	}
	return nil
}

// Append implements Disk.
func (s *Store) Append(b Batch) error {
	if err := s.doom.err(); err != nil {
		return err
	}
	hs := s.hs
	if b.HardState != nil {
		hs = plainHardState(b.HardState)
	}
	last, err := checkBatch(s.hs, s.last, hs, b.Start, b.Entries)
	if err == nil && len(b.Entries) > 0 {
		err = s.checkAboveCheckpoint(b.Entries[0].GetIndex())
	}
	if err != nil {
		invariant.Unreachable("append to log: %v", err)
	}
	vote := hs.term != s.written.term || hs.vote != s.written.vote
	s.hs = hs
	if !vote && len(b.Entries) == 0 && b.Start.Index == 0 {
		return nil
	}
	if err := s.record(b, last); err != nil {
		return s.doom.fail("append", err)
	}
	if vote && !unpromised() {
		if err := s.marker.write(s.current); err != nil {
			return s.doom.fail("mark", err)
		}
	}
	return nil
}

func (s *Store) checkAboveCheckpoint(first uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if first <= s.checkpoint.Index {
		return fmt.Errorf("entry %d lies below the checkpoint of %v", first, s.checkpoint)
	}
	return nil
}

// record writes b, with which the log ends at last, and the hard state as it is now, as one record
// and syncs it.
func (s *Store) record(b Batch, last Position) error {
	j := &s.journal
	if j.full(recordSize(0) + maxBatch(b.Entries)) {
		if err := j.rotate(s.written, s.last); err != nil {
			return err
		}
	}
	buf := appendBatch(beginRecord(j.buf), s.hs, b.Start, b.Entries)
	invariant.Check(len(buf) <= maxPayload, "a batch is too large to be read back")
	if err := j.write(buf, magicBatch); err != nil {
		return err
	}
	vote := s.hs.term != s.written.term || s.hs.vote != s.written.vote
	if !unsynced(vote) {
		if err := j.syncData(); err != nil {
			return err
		}
	}
	first := uint64(0)
	if len(b.Entries) > 0 {
		first = b.Entries[0].GetIndex()
	}
	j.note(first, b.Start, last)
	s.written, s.last = s.hs, last
	s.mu.Lock()
	s.promise.take(s.hs, b.Start.Index, first != 0, last)
	s.pace.bytes += int64(len(buf))
	s.mu.Unlock()
	return nil
}

// unsynced and unpromised are the mutants that answer before the disk has it.
func unsynced(vote bool) bool {
	return mutant.On("store-ack-before-sync") || vote && unpromised()
}

func unpromised() bool { return mutant.On("store-term-vote-not-synced") }

// Mark implements Disk.
func (s *Store) Mark(nowMs int64) error {
	if err := s.doom.err(); err != nil {
		return err
	}
	if !s.due(nowMs) {
		return nil
	}
	if err := s.marker.write(s.current); err != nil {
		return s.doom.fail("mark", err)
	}
	return nil
}

func (s *Store) due(nowMs int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pace.due(s.promise.Acked, nowMs, s.opts)
}

// current returns the promise, which is about to be written down.
func (s *Store) current() Mark {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pace.marked, s.pace.bytes = s.promise.Acked, 0
	return s.promise
}

// Stage implements Disk.
func (s *Store) Stage(records []Record, restart bool) error {
	if err := s.doom.err(); err != nil {
		return err
	}
	if err := s.states.stage(records, restart); err != nil {
		return s.doom.fail("stage checkpoint", err)
	}
	return nil
}

// WriteCheckpoint implements Disk.
func (s *Store) WriteCheckpoint(c Checkpoint) error {
	if err := s.doom.err(); err != nil {
		return err
	}
	was := s.states.meta.Index
	invariant.Check(c.Index >= was && c.Index != 0, "a checkpoint is older than the one before")
	if err := s.states.write(c); err != nil {
		return s.doom.fail("write checkpoint", err)
	}
	s.mu.Lock()
	s.checkpoint = c.Position
	s.mu.Unlock()
	return nil
}

// Cut implements Disk.
func (s *Store) Cut(index uint64) error {
	if err := s.doom.err(); err != nil {
		return err
	}
	invariant.Check(index <= s.states.meta.Index, "log is cut that no checkpoint covers")
	if err := s.journal.cut(index); err != nil {
		return s.doom.fail("cut log", err)
	}
	return nil
}

// View implements Disk.
func (s *Store) View() (View, error) {
	if err := s.doom.err(); err != nil {
		return nil, err
	}
	return s.states.view()
}

// Records calls fn with each record of the newest checkpoint, in the order of the keys, until it
// returns an error.
func (s *Store) Records(fn func(key, value []byte) error) error {
	v, err := s.View()
	if err != nil {
		return err
	}
	err = v.Records(nil, fn)
	return errors.Join(err, v.Close())
}

// Usage implements Disk.
func (s *Store) Usage() (Usage, error) {
	var least Usage
	for _, dir := range []string{s.dirs.ourData(), s.dirs.ourLog()} {
		u, err := s.dirs.fs.GetDiskUsage(dir)
		if err != nil {
			return Usage{}, nil // unknown, see privateFS
		}
		if least.TotalBytes == 0 || u.AvailBytes < least.AvailBytes {
			least = Usage{AvailBytes: u.AvailBytes, TotalBytes: u.TotalBytes}
		}
	}
	return least, nil
}

// Close implements Disk.
func (s *Store) Close() error {
	err := s.doom.err()
	if err == nil && s.needsMark() {
		if err = s.marker.write(s.current); err != nil {
			err = s.doom.fail("mark", err)
		}
	}
	if errors.Is(err, ErrClosed) {
		return nil
	}
	return errors.Join(err, s.release())
}

func (s *Store) needsMark() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pace.marked != s.promise.Acked
}

// release gives back what Open took.
func (s *Store) release() error {
	var faults []error
	if s.states != nil {
		faults = append(faults, s.states.close())
	}
	faults = append(faults, s.journal.close())
	if s.marker != nil {
		faults = append(faults, s.marker.close())
	}
	_ = s.doom.close() // an earlier end has been reported
	return errors.Join(faults...)
}
