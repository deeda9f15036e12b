package store

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"
)

// mortal is a disk whose processes end anywhere, and what they leave is gone on with.
type mortal interface {
	// open starts a process that lives for so many changes.
	open(o Options, changes int64) (Disk, *Recovered, error)
	// run says whether the process lived to the end of o.
	run(o op) (lived bool, err error)
	// end ends the process, with the power of its machine as well or without.
	end(t *rapid.T, power bool)
}

type mortalMemory struct {
	mem  *Memory
	left int64
}

func (m *mortalMemory) open(o Options, changes int64) (Disk, *Recovered, error) {
	m.left = changes
	rec, err := m.mem.Open(o)
	return m.mem, rec, err
}

func (m *mortalMemory) run(o op) (bool, error) {
	for p := o.plan(m.mem); !p.Done(); m.left-- {
		if m.left == 0 {
			return false, nil
		}
		if err := p.Do(); err != nil {
			return false, err
		}
	}
	return true, nil
}

func (m *mortalMemory) end(t *rapid.T, power bool) {
	if !power {
		m.mem = m.mem.Restart()
		return
	}
	fates := make([]Fate, len(m.mem.Pending()))
	for i := range fates {
		fates[i] = rapid.SampledFrom([]Fate{Lost, Torn, Kept}).Draw(t, "fate")
	}
	m.mem = m.mem.Crash(fates...)
}

type mortalStore struct {
	mem  *vfs.MemFS
	fs   *mortalFS
	disk *Store
}

func (m *mortalStore) open(o Options, changes int64) (Disk, *Recovered, error) {
	m.fs = newMortalFS(m.mem, endless)
	disk, rec, err := Open(m.fs, o)
	m.disk = disk
	m.fs.after.Store(m.fs.count.Load() + changes)
	return disk, rec, err
}

func (m *mortalStore) run(o op) (bool, error) {
	err := o.run(m.disk)
	if m.fs.dead() {
		return false, nil
	}
	return true, err
}

func (m *mortalStore) end(t *rapid.T, power bool) {
	m.fs.after.Store(0) // whatever pebble still does in the background
	_ = m.disk.release()
	if power {
		m.mem = m.mem.CrashClone(vfs.CrashCloneCfg{
			UnsyncedDataPercent: rapid.SampledFrom([]int{0, 50, 100}).Draw(t, "survives"),
			RNG:                 rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))})
	}
}

// TestMemoryLives and TestStoreLives let several processes in a row do random operations and end
// anywhere: what one of them leaves is whole, and the next goes on from there.
func TestMemoryLives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { live(t, &mortalMemory{mem: NewMemory()}, 30) })
}

func TestStoreLives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		live(t, &mortalStore{mem: vfs.NewCrashableMem()}, 60)
	})
}

func live(t *rapid.T, d mortal, most int64) {
	o := retaining(rapid.SampledFrom([]int64{0, 700, 1 << 30}).Draw(t, "retain"))
	o.SegmentSize = rapid.SampledFrom([]int64{minSegmentSize, 4 << 10}).Draw(t, "segments")
	g := &opDrawer{t: t}
	candidates := []model{{}}
	for range 5 {
		disk, rec, err := d.open(o, rapid.Int64Range(0, most).Draw(t, "changes"))
		if err != nil {
			t.Fatalf("Open() = %v", err)
		}
		got, err := snapshotOf(disk, rec)
		if err == nil {
			err = checkOneOf(got, candidates...)
		}
		if err != nil {
			t.Fatal(err)
		}
		at := slices.IndexFunc(candidates, func(m model) bool { return checkOneOf(got, m) == nil })
		g.m = candidates[at].after(op{restart: true})
		candidates = liveOnce(t, d, g)
		d.end(t, rapid.Bool().Draw(t, "power"))
	}
}

// liveOnce is what one process does. It returns what it may leave.
func liveOnce(t *rapid.T, d mortal, g *opDrawer) []model {
	done := g.m
	for range rapid.IntRange(0, 8).Draw(t, "ops") {
		n := len(g.ops)
		g.draw()
		for _, op := range g.ops[n:] {
			if op.restart {
				return []model{done}
			}
			next := done.after(op)
			lived, err := d.run(op)
			if err != nil {
				t.Fatalf("%v: %v", op, err)
			}
			if !lived {
				return []model{done, next}
			}
			done = next
		}
	}
	return []model{done}
}
