package store

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/vivariumdb/vivarium/internal/invariant"
	"github.com/vivariumdb/vivarium/internal/mutant"
)

// Memory is the Disk of simulated worlds. It is strict: a crash takes everything that was not
// synced, unless its driver says otherwise. It draws nothing at random and reads no clock; faults
// are values given by the driver.
//
// Each operation is a Plan of effects, which the driver may take one by one, so that it can crash
// the member between any two of them; the methods of Disk take them all at once. A Memory is used
// by one goroutine.
//
//	mem := store.NewMemory()
//	rec, err := mem.Open(store.Options{DataDir: "/", DiskID: id}) // also after each crash
//	for p := mem.PlanAppend(batch); err == nil && p.Next() != store.EffectNone; {
//		err = p.Do()
//	}
//	mem = mem.Crash(store.Lost, store.Torn) // what happens to mem.Pending()[0] and [1]
type Memory struct {
	opts   Options
	opened bool
	doom   error // final, as in Store

	image   image
	pending []write // what a crash may take, in order
	faults  []Fault
	// capacity of the disk in bytes; 0 is without end.
	capacity uint64

	// What the open disk knows, as Store does.
	hs, written hardState
	last        Position
	promise     Mark
	pace        pace
	stage       map[string][]byte // not flushed: lost with the process
}

// image is what survives.
type image struct {
	id    DiskID
	known bool
	seat  Seat
	// begin and base are the end and the hard state of the log in front of log.
	base  hardState
	begin Position
	log   []memRecord
	mark  Mark
	// torn says that one slot of the mark is damaged, lost that both are.
	markTorn, markLost bool
	meta               Meta
	records            map[string][]byte
	rotten             bool // a record of the checkpoint is damaged
	size               uint64
}

// memRecord is one record of the log: the payload that a Store would write, and what holds
// behind it.
type memRecord struct {
	payload []byte
	hs      hardState
	end     Position
	last    uint64 // of the entries in force that end here or before
	state   Fate   // Kept: whole; otherwise damaged
}

// write is an unsynced write.
type write struct {
	effect  Effect
	record  memRecord
	mark    Mark
	meta    Meta
	records []Record
	whole   map[string][]byte // replaces all records, if not nil
}

// Effect is a step of an operation; a crash falls between two of them.
type Effect uint8

// The effects. Append has the first two, and the next two if term or vote change, as have Mark
// and Close if the mark is due. WriteCheckpoint has a stage (if Full), a write and a flush.
const (
	EffectNone            Effect = iota // the plan is done
	EffectLogWrite                      // the record is written
	EffectLogSync                       // and durable: Append may answer, unless the mark follows
	EffectMarkWrite                     // a slot is written
	EffectMarkSync                      // and durable
	EffectStage                         // records of the next generation are written
	EffectCheckpointWrite               // the checkpoint is in pebble's memory
	EffectCheckpointFlush               // and flushed: it counts
	EffectCut                           // the log is given back
	effects
)

var effectNames = [effects]string{"nothing", "log write", "log sync", "mark write", "mark sync",
	"stage", "checkpoint write", "checkpoint flush", "cut"}

// String returns the effect in words.
func (e Effect) String() string {
	if e < effects {
		return effectNames[e]
	}
	return fmt.Sprintf("effect %d", uint8(e))
}

// Fate is what a crash does to a write that was not synced.
type Fate uint8

// The fates. A torn write leaves a damaged record or slot; a checkpoint is written atomically:
// torn is lost.
const (
	Lost Fate = iota
	Torn
	Kept
)

// Fault makes an effect fail when it is come to the (After+1)th time. What a failed write or sync
// leaves is decided by its Fate at the crash that must follow.
type Fault struct {
	Effect Effect
	After  int
	Err    error
}

// ErrCrashed is returned by a Memory that was crashed.
var ErrCrashed = errors.New("store: crashed")

var _ Disk = (*Memory)(nil)

// NewMemory returns an empty disk. Open comes next.
func NewMemory() *Memory { return &Memory{} }

// Open does what Open of a Store does: it founds an empty disk, or judges what is there.
func (m *Memory) Open(o Options) (*Recovered, error) {
	invariant.Check(!m.opened && m.doom == nil, "disk is opened twice")
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	m.opts = o.withDefaults()
	i := &m.image
	founded := !i.known
	if founded {
		*i = image{id: m.opts.DiskID, known: true, records: map[string][]byte{}}
	}
	r := replay{keep: i.meta.Index, retain: m.opts.RetainBytes}
	damage, err := i.read(&r)
	if err != nil {
		return nil, err
	}
	restart, err := r.settle(i.meta, i.mark)
	if err != nil {
		return nil, &CorruptError{File: "log", Offset: int64(len(i.log)), What: "end of the log",
			Err: err}
	}
	if restart {
		i.base, i.begin, i.log = r.hs, r.last, nil
	}
	m.opened = true
	m.hs, m.written, m.last = r.hs, r.hs, r.last
	m.promise = r.promise(i.mark)
	m.pace = pace{marked: i.mark.Acked}
	rec := r.recovered(i.id, i.meta, i.mark)
	if r.ahead(i.mark) {
		i.mark, i.markTorn, m.pace.marked = m.promise, false, m.promise.Acked
	}
	rec.Founded, rec.Damage, rec.Seat = founded, damage, i.seat
	return rec, nil
}

// read replays the log of the image, and drops a torn end.
func (i *image) read(r *replay) ([]Damage, error) {
	var damage []Damage
	switch {
	case i.markLost:
		return nil, &CorruptError{File: markFile, What: "both slots are damaged"}
	case i.rotten:
		return nil, &CorruptError{File: stateDir, What: "checkpoint"}
	case i.markTorn:
		damage = append(damage, Damage{File: markFile, What: "torn slot"})
	}
	r.begin(i.base, i.begin)
	for n, rec := range i.log {
		if rec.state != Kept && !mutant.On("store-torn-tail-as-data") {
			if whole := slices.IndexFunc(i.log[n:], memRecord.whole); whole >= 0 {
				return nil, &CorruptError{File: "log", Offset: int64(n), What: fmt.Sprintf(
					"damaged record, a whole one stands behind it at %d", n+whole)}
			}
			i.log = i.log[:n]
			return append(damage, Damage{File: "log", Offset: int64(n),
				What: "torn record, never acknowledged"}), nil
		}
		hs, start, entries, err := decodeBatch(slices.Clone(rec.payload))
		if err == nil {
			err = r.apply(hs, start, entries)
		}
		if err != nil {
			return nil, &CorruptError{File: "log", Offset: int64(n), What: "record", Err: err}
		}
		first := uint64(0)
		if len(entries) > 0 {
			first = entries[0].GetIndex()
		}
		i.log[n].last = r.last.Index // some of what was noted may have been lost with what noted it
		i.note(n, first, start)
	}
	return damage, nil
}

func (r memRecord) whole() bool { return r.state == Kept }

// PlanAppend plans Append. Until the plan is done, no other Append is planned.
func (m *Memory) PlanAppend(b Batch) *Plan {
	p := &Plan{m: m}
	if m.doom != nil {
		return p.failed()
	}
	hs := m.hs
	if b.HardState != nil {
		hs = plainHardState(b.HardState)
	}
	last, err := checkBatch(m.hs, m.last, hs, b.Start, b.Entries)
	if err == nil && len(b.Entries) > 0 && b.Entries[0].GetIndex() <= m.image.meta.Index {
		err = fmt.Errorf("entry %v lies below the checkpoint of %v",
			position(b.Entries[0]), m.image.meta.Position)
	}
	if err != nil {
		invariant.Unreachable("append to log: %v", err)
	}
	vote := hs.term != m.written.term || hs.vote != m.written.vote
	m.hs = hs
	if !vote && len(b.Entries) == 0 && b.Start.Index == 0 {
		return p
	}
	p.write = write{effect: EffectLogWrite, record: memRecord{
		payload: appendBatch(nil, hs, b.Start, b.Entries),
		hs:      hs, end: last, last: last.Index, state: Kept,
	}}
	p.start = b.Start
	if len(b.Entries) > 0 {
		p.first = b.Entries[0].GetIndex()
	}
	p.add(EffectLogWrite)
	if !unsynced(vote) {
		p.add(EffectLogSync)
	}
	if vote && !unpromised() {
		p.add(EffectMarkWrite, EffectMarkSync)
	}
	return p
}

// PlanMark plans Mark; if the mark is not due, there is nothing to do.
func (m *Memory) PlanMark(nowMs int64) *Plan {
	p := &Plan{m: m}
	switch {
	case m.doom != nil:
		return p.failed()
	case m.pace.due(m.promise.Acked, nowMs, m.opts):
		p.add(EffectMarkWrite, EffectMarkSync)
	}
	return p
}

// PlanStage plans Stage.
func (m *Memory) PlanStage(records []Record, restart bool) *Plan {
	p := &Plan{m: m, write: write{records: cloneRecords(records)}, restart: restart}
	if m.doom != nil {
		return p.failed()
	}
	p.add(EffectStage)
	return p
}

// PlanCheckpoint plans WriteCheckpoint.
func (m *Memory) PlanCheckpoint(c Checkpoint) *Plan {
	p := &Plan{m: m}
	if m.doom != nil {
		return p.failed()
	}
	was := m.image.meta
	invariant.Check(c.Index >= was.Index && c.Index != 0,
		"a checkpoint is older than the one before")
	meta, err := decodeMeta(appendMeta(nil, c.Meta)) // a copy of its own
	invariant.Check(err == nil, "a checkpoint's header cannot be read back")
	meta.Received, meta.Generation = c.Full, was.Generation
	if mutant.On("store-checkpoint-index-off") {
		meta.Index++
	}
	p.write = write{effect: EffectCheckpointWrite, meta: meta, records: cloneRecords(c.Records)}
	if c.Full {
		p.write.meta.Generation++
		p.add(EffectStage)
	}
	p.add(EffectCheckpointWrite, EffectCheckpointFlush)
	return p
}

// PlanCut plans Cut.
func (m *Memory) PlanCut(index uint64) *Plan {
	p := &Plan{m: m, first: index}
	if m.doom != nil {
		return p.failed()
	}
	invariant.Check(index <= m.image.meta.Index, "log is cut that no checkpoint covers")
	p.add(EffectCut)
	return p
}

// Append implements Disk.
func (m *Memory) Append(b Batch) error { return m.PlanAppend(b).run() }

// Mark implements Disk.
func (m *Memory) Mark(nowMs int64) error { return m.PlanMark(nowMs).run() }

// Stage implements Disk.
func (m *Memory) Stage(records []Record, restart bool) error {
	return m.PlanStage(records, restart).run()
}

// WriteCheckpoint implements Disk.
func (m *Memory) WriteCheckpoint(c Checkpoint) error { return m.PlanCheckpoint(c).run() }

// Cut implements Disk.
func (m *Memory) Cut(index uint64) error { return m.PlanCut(index).run() }

// Close implements Disk. Crash or Restart give the disk that can be opened again.
func (m *Memory) Close() error {
	if errors.Is(m.doom, ErrClosed) {
		return nil
	}
	p := &Plan{m: m}
	if m.doom != nil {
		return m.doom
	}
	if m.pace.marked != m.promise.Acked {
		p.add(EffectMarkWrite, EffectMarkSync)
	}
	if err := p.run(); err != nil {
		return err
	}
	m.doom = ErrClosed
	return nil
}

// Usage implements Disk.
func (m *Memory) Usage() (Usage, error) {
	avail := uint64(0)
	if m.image.size < m.capacity {
		avail = m.capacity - m.image.size
	}
	return Usage{AvailBytes: avail, TotalBytes: m.capacity}, nil
}

// View implements Disk.
func (m *Memory) View() (View, error) {
	if m.doom != nil {
		return nil, m.doom
	}
	v := &memoryView{meta: m.image.meta}
	for _, key := range slices.Sorted(maps.Keys(m.image.records)) {
		v.records = append(v.records, Record{Key: []byte(key), Value: m.image.records[key]})
	}
	return v, nil
}

// memoryView is a View of Memory.
type memoryView struct {
	meta    Meta
	records []Record
}

func (v *memoryView) Meta() Meta { return v.meta }

func (v *memoryView) Records(from []byte, fn func(key, value []byte) error) error {
	for _, r := range v.records {
		if bytes.Compare(r.Key, from) < 0 {
			continue
		}
		if err := fn(r.Key, r.Value); err != nil {
			return err
		}
	}
	return nil
}

func (v *memoryView) Close() error { return nil }
