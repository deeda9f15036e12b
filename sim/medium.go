package sim

import (
	"bytes"
	"fmt"
	"io"
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/vivariumdb/vivarium/replication"
	"github.com/vivariumdb/vivarium/replication/store"
)

// operation is something that a disk does, effect by effect. It may be answered when it is done.
type operation interface {
	Done() bool
	Next() store.Effect
	Do() error
}

// medium is a disk that outlives the processes that open it.
type medium interface {
	open(o store.Options) (*store.Recovered, error)
	// disk is what open opened.
	disk() store.Disk
	append(b store.Batch) operation
	mark(nowMs int64) operation
	checkpoint(c store.Checkpoint) operation
	stage(s *replication.Stage) operation
	cut(index uint64) operation
	// inject lets an effect fail that is yet to come.
	inject(f store.Fault)
	// crash ends the process that has opened the disk. With power the whole host goes down, and
	// what was not synced is lost, or not, as r will have it.
	crash(r rng, power bool, count *counters)
	// rot damages what is durable, and says how; "" if it cannot.
	rot(r rng) string
	// room bounds what more can be written, 0 is without a bound. It says whether it can.
	room(bytes uint64) bool
	// keep says how many of a thousand writes that were not synced survive when power is lost.
	keep(perMille int64)
}

// strict is the medium of most worlds: the store's own strict disk in memory.
type strict struct {
	mem  *store.Memory
	kept int64
}

var _ medium = (*strict)(nil)

func newStrict() *strict { return &strict{mem: store.NewMemory()} }

func (s *strict) keep(perMille int64) { s.kept = perMille }

func (s *strict) open(o store.Options) (*store.Recovered, error) { return s.mem.Open(o) }
func (s *strict) disk() store.Disk                               { return s.mem }
func (s *strict) append(b store.Batch) operation                 { return s.mem.PlanAppend(b) }
func (s *strict) mark(nowMs int64) operation                     { return s.mem.PlanMark(nowMs) }
func (s *strict) cut(index uint64) operation                     { return s.mem.PlanCut(index) }

func (s *strict) stage(p *replication.Stage) operation {
	return s.mem.PlanStage(p.Records, p.Restart)
}

func (s *strict) checkpoint(c store.Checkpoint) operation { return s.mem.PlanCheckpoint(c) }

func (s *strict) rot(r rng) string {
	damage := pick(r, []struct {
		what string
		rot  store.Rot
	}{
		{"a record of the log", store.Rot{Log: true, Record: r.IntN(3)}},
		{"the last record of the log", store.Rot{Log: true, Record: -1}},
		{"both slots of the mark", store.Rot{Mark: true, Both: true}},
		{"a record of the checkpoint", store.Rot{Checkpoint: true}},
	})
	if !s.mem.Rot(damage.rot) {
		return ""
	}
	return damage.what
}

func (s *strict) room(bytes uint64) bool {
	const endless = 1 << 60
	if bytes == 0 {
		s.mem.SetCapacity(0)
		return true
	}
	s.mem.SetCapacity(endless)
	u, err := s.mem.Usage()
	if err != nil {
		return false // nobody has opened it
	}
	s.mem.SetCapacity(endless - u.AvailBytes + bytes)
	return true
}

func (s *strict) inject(f store.Fault) { s.mem.Inject(f) }

func (s *strict) crash(r rng, power bool, count *counters) {
	if !power {
		s.mem = s.mem.Restart()
		return
	}
	count.add(faultPowerLost)
	fates := make([]store.Fate, len(s.mem.Pending()))
	for i := range fates {
		if r.chance(s.kept) {
			fates[i] = pick(r, []store.Fate{store.Torn, store.Kept})
			count.add(faultTornTail)
		}
	}
	s.mem = s.mem.Crash(fates...)
}

// real is the medium of some worlds: the store of production on a file system in memory that can
// be crashed.
type real struct {
	fs     *vfs.MemFS
	faults *injector
	store  *store.Store
	kept   int64
}

var _ medium = (*real)(nil)

func newReal() *real { return &real{fs: vfs.NewCrashableMem(), faults: &injector{}} }

// rot does nothing: what damage does to the real store is the matter of its own tests.
func (s *real) rot(rng) string { return "" }

func (s *real) keep(perMille int64) { s.kept = perMille }

func (s *real) open(o store.Options) (*store.Recovered, error) {
	o.SegmentSize = 16 << 10
	o.ReadySegments = 1
	o.MemTableSize = 1 << 20
	o.Quiet = true
	opened, rec, err := store.Open(s.faults.wrap(s.fs), o)
	s.store = opened
	return rec, err
}

func (s *real) disk() store.Disk { return s.store }

// room does nothing: what a full disk does to the real store is the matter of its own tests.
func (s *real) room(uint64) bool { return false }

func (s *real) append(b store.Batch) operation {
	return &whole{f: func() error { return s.store.Append(b) }}
}

func (s *real) mark(nowMs int64) operation {
	return &whole{f: func() error { return s.store.Mark(nowMs) }}
}

func (s *real) checkpoint(c store.Checkpoint) operation {
	return &whole{f: func() error { return s.store.WriteCheckpoint(c) }}
}

func (s *real) stage(p *replication.Stage) operation {
	return &whole{f: func() error { return s.store.Stage(p.Records, p.Restart) }}
}

func (s *real) cut(index uint64) operation {
	return &whole{f: func() error { return s.store.Cut(index) }}
}

// crash takes the two images that file systems in memory make without drawing anything at random,
// with nothing and with all of what was not synced, and mixes them itself.
func (s *real) crash(r rng, power bool, count *counters) {
	s.faults = &injector{} // what of the store is left behind may meet the old one yet
	synced := s.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 0})
	all := s.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100,
		RNG: newRNG(0, "asked and not needed").Rand})
	if s.store != nil {
		_ = s.store.Close() // on a file system that nobody looks at any more
		s.store = nil
	}
	switch {
	case !power:
		s.fs = all
	case !r.chance(s.kept):
		count.add(faultPowerLost)
		s.fs = synced
	default:
		count.add(faultPowerLost)
		count.add(faultTornTail)
		s.fs = synced
		mix(r, synced, all, "/")
	}
}

// mix overwrites pages of the files of synced by those of all, in the order of names.
func mix(r rng, synced, all *vfs.MemFS, dir string) {
	names, err := synced.List(dir)
	if err != nil {
		panic(fmt.Sprintf("list %s of a file system in memory: %v", dir, err))
	}
	slices.Sort(names)
	for _, name := range names {
		path := synced.PathJoin(dir, name)
		info, err := synced.Stat(path)
		if err != nil {
			panic(fmt.Sprintf("stat %s of a file system in memory: %v", path, err))
		}
		if info.IsDir() {
			mix(r, synced, all, path)
			continue
		}
		old, fresh := contents(synced, path), contents(all, path)
		if fresh == nil || bytes.Equal(old, fresh) {
			continue
		}
		const page = 512
		mixed := slices.Clone(old)
		for at := 0; at < len(fresh); at += page {
			end := min(at+page, len(fresh))
			if r.chance(500) {
				continue
			}
			if end > len(mixed) {
				mixed = append(mixed, make([]byte, end-len(mixed))...)
			}
			copy(mixed[at:end], fresh[at:end])
		}
		overwrite(synced, path, mixed)
	}
}

func contents(fs *vfs.MemFS, path string) []byte {
	f, err := fs.Open(path)
	if err != nil {
		return nil
	}
	defer func() { _ = f.Close() }() // only read
	b, err := io.ReadAll(f)
	if err != nil {
		panic(fmt.Sprintf("read %s of a file system in memory: %v", path, err))
	}
	return b
}

func overwrite(fs *vfs.MemFS, path string, b []byte) {
	f, err := fs.OpenReadWrite(path, "sim")
	if err == nil {
		_, err = f.WriteAt(b, 0)
	}
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		panic(fmt.Sprintf("write %s of a file system in memory: %v", path, err))
	}
}

// whole is an operation of one effect.
type whole struct {
	f    func() error
	done bool
}

func (w *whole) Done() bool { return w.done }

func (w *whole) Next() store.Effect {
	if w.done {
		return store.EffectNone
	}
	return store.EffectLogWrite
}

func (w *whole) Do() error {
	w.done = true
	return w.f()
}
