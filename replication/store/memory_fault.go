package store

import (
	"bytes"
	"fmt"
	"slices"
	"syscall"

	"github.com/vivariumdb/vivarium/internal/mutant"
)

// Plan is an operation on a Memory, effect by effect.
type Plan struct {
	m       *Memory
	effects [4]Effect
	n, at   int
	write   write
	first   uint64 // first entry of a batch; index of a cut
	start   Position
	restart bool
}

func (p *Plan) add(effects ...Effect) {
	for _, e := range effects {
		if p.m.opts.UnsafeNoSync && (e == EffectLogSync || e == EffectMarkSync) {
			continue
		}
		p.effects[p.n] = e
		p.n++
	}
}

// failed makes p a plan that can only report the end of the disk.
func (p *Plan) failed() *Plan {
	p.n = 1
	return p
}

func (p *Plan) run() error {
	for p.at < p.n {
		if err := p.Do(); err != nil {
			return err
		}
	}
	return nil
}

// Done says whether nothing is left to do. The operation may be answered then, not before.
func (p *Plan) Done() bool { return p.at == p.n }

// Next returns the effect that Do is going to have; EffectNone if there is none.
func (p *Plan) Next() Effect {
	if p.Done() {
		return EffectNone
	}
	return p.effects[p.at]
}

// Do takes the next effect. An error is final, for the disk.
func (p *Plan) Do() error {
	m := p.m
	if m.doom != nil {
		return m.doom
	}
	if p.Done() {
		return nil
	}
	effect := p.effects[p.at]
	p.at++
	err := m.fault(effect)
	if full := m.room(p.write, effect); err == nil && full != nil {
		return m.fail(effect, full) // nothing of it is there
	}
	if err != nil && effect == EffectLogSync && mutant.On("store-error-swallowed") {
		for _, w := range m.pending {
			m.image.suffer(w, Lost)
		}
		m.pending, err = nil, nil
	}
	if err != nil && !effect.writes() {
		return m.fail(effect, err)
	}
	switch effect {
	case EffectLogWrite:
		m.writeLog(p)
	case EffectMarkWrite:
		m.pace.marked, m.pace.bytes = m.promise.Acked, 0
		m.pending = append(m.pending, write{effect: EffectMarkWrite, mark: m.promise})
	case EffectCheckpointWrite:
		m.pending = append(m.pending, p.write)
		if mutant.On("storage-applied-index-apart") {
			m.image.meta = p.write.meta
		}
	case EffectStage:
		m.writeStage(p)
	case EffectLogSync:
		m.image.note(len(m.image.log), p.first, p.start)
		m.flush(EffectLogWrite)
	case EffectMarkSync:
		m.flush(EffectMarkWrite)
	case EffectCheckpointFlush:
		m.flush(EffectCheckpointWrite)
	case EffectCut:
		m.image.cut(p.first)
	}
	if err != nil {
		return m.fail(effect, err)
	}
	if effect == EffectLogSync || effect == EffectLogWrite && p.Next() != EffectLogSync {
		r := p.write.record
		m.promise.take(r.hs, p.start.Index, p.first != 0, r.end)
		m.pace.bytes += recordSize(len(r.payload))
	}
	return nil
}

// writes says whether a failing effect may yet have reached the disk.
func (e Effect) writes() bool {
	return e == EffectLogWrite || e == EffectMarkWrite || e == EffectCheckpointWrite
}

func (m *Memory) fail(effect Effect, err error) error {
	m.doom = &FailedError{Op: effect.String(), Err: err}
	return m.doom
}

func (m *Memory) writeLog(p *Plan) {
	r := p.write.record
	if p.Next() != EffectLogSync { // it counts now, with those before it
		m.image.note(len(m.image.log), p.first, p.start)
		for k := range m.pending {
			m.pending[k].record.drop(p.first, p.start)
		}
	}
	m.pending = append(m.pending, p.write)
	m.written, m.last = r.hs, r.end
}

// note keeps the books of the first n records: see journal.noteAt. The batch behind them counts.
func (i *image) note(n int, first uint64, start Position) {
	if first == 0 && start.Index == 0 {
		return
	}
	for k := n - 1; k >= 0 && i.log[k].last >= first; k-- {
		i.log[k].drop(first, start)
	}
}

// drop notes what of r a batch replaces that begins with first and gives the log a start.
func (r *memRecord) drop(first uint64, start Position) {
	if start.Index != 0 {
		r.last = 0
	} else if first != 0 {
		r.last = min(r.last, first-1)
	}
}

func (m *Memory) writeStage(p *Plan) {
	if p.restart || m.stage == nil {
		m.stage = map[string][]byte{}
	}
	for _, r := range p.write.records {
		if r.Delete {
			delete(m.stage, string(r.Key))
		} else {
			m.stage[string(r.Key)] = r.Value
		}
	}
	if p.write.effect == EffectCheckpointWrite { // the last of a full checkpoint
		p.write.records, p.write.whole = nil, m.stage
		m.stage = nil
	}
}

// flush makes the pending writes of an effect durable.
func (m *Memory) flush(effect Effect) {
	rest := m.pending[:0]
	for _, w := range m.pending {
		if w.effect == effect {
			m.image.suffer(w, Kept)
		} else {
			rest = append(rest, w)
		}
	}
	clear(m.pending[len(rest):])
	m.pending = rest
}

// suffer applies a write to the image as fate will have it.
func (i *image) suffer(w write, fate Fate) {
	switch w.effect {
	case EffectLogWrite:
		w.record.state = fate // a lost one leaves its place in the file
		if n := len(w.record.payload); fate == Torn {
			w.record.payload = append(w.record.payload[:n/2:n/2], make([]byte, n-n/2)...)
		}
		i.log = append(i.log, w.record)
		i.size += uint64(recordSize(len(w.record.payload)))
	case EffectMarkWrite:
		if fate == Kept {
			i.mark, i.markTorn = w.mark, false
		} else if fate == Torn {
			i.markTorn = true
		}
	case EffectCheckpointWrite:
		if fate == Kept {
			i.checkpoint(w)
		}
	}
}

func (i *image) checkpoint(w write) {
	i.meta = w.meta
	if w.whole != nil {
		for key, value := range i.records {
			i.size -= uint64(len(key) + len(value))
		}
		i.records = w.whole
		for key, value := range i.records {
			i.size += uint64(len(key) + len(value))
		}
	}
	for _, r := range w.records {
		key := string(r.Key)
		if old, there := i.records[key]; there {
			i.size -= uint64(len(key) + len(old))
			delete(i.records, key)
		}
		if !r.Delete {
			i.records[key] = r.Value
			i.size += uint64(len(key) + len(r.Value))
		}
	}
}

// cut drops the records that end at or before index, but not the last.
func (i *image) cut(index uint64) {
	n := 0
	if mutant.On("store-cut-one-too-many") {
		index++
	}
	for n < len(i.log)-1 && i.log[n].last <= index {
		i.size -= uint64(recordSize(len(i.log[n].payload)))
		n++
	}
	if n > 0 {
		i.base, i.begin = i.log[n-1].hs, i.log[n-1].end
		i.log = slices.Delete(i.log, 0, n)
	}
}

// Inject plants a fault.
func (m *Memory) Inject(f Fault) { m.faults = append(m.faults, f) }

// fault returns the error of the first fault that strikes now.
func (m *Memory) fault(effect Effect) error {
	for n := range m.faults {
		f := &m.faults[n]
		if f.Effect != effect {
			continue
		}
		if f.After > 0 {
			f.After--
			continue
		}
		err := f.Err
		m.faults = slices.Delete(m.faults, n, n+1)
		return err
	}
	return nil
}

// SetCapacity bounds the disk; what does not fit fails with ENOSPC. 0 takes the bound away.
func (m *Memory) SetCapacity(bytes uint64) { m.capacity = bytes }

func (m *Memory) room(w write, effect Effect) error {
	if m.capacity == 0 || !effect.writes() && effect != EffectStage {
		return nil
	}
	need := uint64(len(w.record.payload))
	for _, r := range w.records {
		need += uint64(len(r.Key) + len(r.Value))
	}
	if m.image.size+need <= m.capacity {
		return nil
	}
	return syscall.ENOSPC
}

// Pending returns the writes that a crash may take, in the order of the fates of Crash.
func (m *Memory) Pending() []Effect {
	pending := make([]Effect, len(m.pending))
	for n, w := range m.pending {
		pending[n] = w.effect
	}
	return pending
}

// Crash cuts the power: it ends this disk and returns what a restart finds. The fates are those
// of the writes in Pending; what they do not mention is lost.
func (m *Memory) Crash(fates ...Fate) *Memory {
	next := &Memory{image: m.image, capacity: m.capacity}
	for n, w := range m.pending {
		fate := Lost
		if n < len(fates) {
			fate = fates[n]
		}
		next.image.suffer(w, fate)
	}
	log := next.image.log
	for len(log) > 0 && log[len(log)-1].state == Lost {
		log = log[:len(log)-1] // nothing is behind it: its place shows no trace
	}
	next.image.log = log
	m.doom, m.image, m.pending, m.stage = ErrCrashed, image{}, nil, nil
	return next
}

// Restart ends the process but not the machine: what was written to files is still there, what
// was in pebble's memory is not.
func (m *Memory) Restart() *Memory {
	fates := make([]Fate, len(m.pending))
	for n, w := range m.pending {
		if w.effect != EffectCheckpointWrite {
			fates[n] = Kept
		}
	}
	return m.Crash(fates...)
}

// Rot is damage to what was durable, found when the disk is opened the next time.
type Rot struct {
	// Log damages the record at Record (counted from the oldest that was not cut; negative from
	// the end), Mark one slot of the mark, or both with Both, Checkpoint one of its records.
	Log, Mark, Both, Checkpoint bool
	Record                      int
}

// Rot damages the disk. It says whether there was anything to damage.
func (m *Memory) Rot(r Rot) bool {
	i := &m.image
	switch {
	case r.Log:
		n := r.Record
		if n < 0 {
			n += len(i.log)
		}
		if n < 0 || n >= len(i.log) {
			return false
		}
		i.log[n].state = Torn
	case r.Mark:
		i.markTorn = true
		i.markLost = r.Both
	case r.Checkpoint:
		if len(i.records) == 0 {
			return false
		}
		i.rotten = true
	}
	return true
}

// String describes the disk in one line, the same for the same contents.
func (m *Memory) String() string {
	i := &m.image
	return fmt.Sprintf("disk %v: log behind %v: %d records, mark %+v, checkpoint %v: %d records, "+
		"unsynced %v", i.id, i.begin, len(i.log), i.mark, i.meta.Position, len(i.records),
		m.Pending())
}

func cloneRecords(records []Record) []Record {
	c := make([]Record, len(records))
	for n, r := range records {
		c[n] = Record{Key: bytes.Clone(r.Key), Value: bytes.Clone(r.Value), Delete: r.Delete}
	}
	return c
}
