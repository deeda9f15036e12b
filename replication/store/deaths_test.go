package store

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/google/go-cmp/cmp"
)

// mortalFS is a file system as one process sees it: before the process changes anything for the
// (after+1)th time it dies, and changes nothing any more. What it has written and not synced is
// still there for the next process, and gone with the power. Its locks end with it.
type mortalFS struct {
	vfs.FS
	mem   *vfs.MemFS
	eager bool // names are durable at once
	count atomic.Int64
	after atomic.Int64
	died  atomic.Value // the text of the change that it did not live to make
}

var errDead = errors.New("the process is dead")

func newMortalFS(mem *vfs.MemFS, after int64) *mortalFS {
	m := &mortalFS{mem: mem}
	m.after.Store(after)
	m.FS = errorfs.Wrap(mem, errorfs.InjectorFunc(func(o errorfs.Op) error {
		if o.Kind.ReadOrWrite() != errorfs.OpIsWrite || o.Kind == errorfs.OpFileClose {
			return nil
		}
		if n := m.count.Add(1); n <= m.after.Load() {
			return nil
		}
		m.died.CompareAndSwap(nil, fmt.Sprintf("%v %s", o.Kind, o.Path))
		return errDead
	}))
	return m
}

func (m *mortalFS) Lock(string) (io.Closer, error) { return io.NopCloser(nil), nil }

// dead says whether the process has died.
func (m *mortalFS) dead() bool { return m.died.Load() != nil }

const endless = 1 << 40 // changes that no process lives to make

// named makes a new name durable, or that one is gone.
func (m *mortalFS) named(name string, err error) error {
	if err == nil && m.eager {
		err = syncDir(m.mem, m.mem.PathDir(name))
	}
	return err
}

func (m *mortalFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := m.FS.Create(name, c)
	return f, m.named(name, err)
}

func (m *mortalFS) Rename(from, to string) error {
	return m.named(from, m.named(to, m.FS.Rename(from, to)))
}

func (m *mortalFS) Link(from, to string) error { return m.named(to, m.FS.Link(from, to)) }
func (m *mortalFS) Remove(name string) error   { return m.named(name, m.FS.Remove(name)) }

func (m *mortalFS) MkdirAll(name string, perm os.FileMode) error {
	return m.named(name, m.FS.MkdirAll(name, perm))
}

// deaths is a disk that two processes in a row die on, the first before its nth change, the second
// before its mth. With power the power fails as well when the first dies, on a disk on which names
// are durable at once.
type deaths struct {
	n, m  int64
	power bool
	o     Options
}

// run lets the first process do ops, and the others open the disk. What the third finds it may
// acknowledge, and what it acknowledges is there when the power has failed. It says whether the
// first and the second process died.
func (d deaths) run(ops []op) (first, second bool, err error) {
	mem := vfs.NewCrashableMem()
	var done, next model
	one := newMortalFS(mem, d.n)
	one.eager = d.power
	if disk, _, err := Open(one, d.o); err == nil {
		for _, op := range ops {
			next = done.after(op)
			if err = op.run(disk); err != nil {
				break
			}
			done = next
		}
		_ = disk.release()
	}
	if d.power {
		mem = mem.CrashClone(vfs.CrashCloneCfg{})
	}
	two := newMortalFS(mem, d.m)
	disk, _, err := Open(two, d.o)
	if err == nil {
		_ = disk.release()
	} else if two.dead() {
		err = nil
	}
	if err == nil {
		err = acknowledge(mem, d.o, done, next)
	}
	if err != nil {
		err = fmt.Errorf("deaths before %v and before %v: %w", one.died.Load(), two.died.Load(),
			err)
	}
	return one.dead(), two.dead(), err
}

// acknowledge opens a disk, which holds what one of the models says, and lets the power fail.
func acknowledge(mem *vfs.MemFS, o Options, models ...model) error {
	disk, rec, err := Open(newMortalFS(mem, endless), o)
	if err != nil {
		return err
	}
	found, err := snapshotOf(disk, rec)
	if err == nil {
		err = checkOneOf(found, models...)
	}
	if err != nil {
		return errors.Join(err, disk.release())
	}
	image := mem.CrashClone(vfs.CrashCloneCfg{})
	if err := disk.release(); err != nil {
		return err
	}
	if disk, rec, err = Open(image, o); err != nil {
		return fmt.Errorf("after the power failure: %w", err)
	}
	got, err := snapshotOf(disk, rec)
	if diff := cmp.Diff(found, got); err == nil && diff != "" {
		err = fmt.Errorf("after the power failure (-acknowledged +there):\n%s", diff)
	}
	if err == nil && (rec.Mark.Term != got.Term || rec.Mark.Vote != got.Vote) {
		err = fmt.Errorf("after the power failure the mark is %+v, term %d and vote %d were told",
			rec.Mark, got.Term, got.Vote)
	}
	return errors.Join(err, disk.release())
}

// TestDeathsInARow: wherever a process dies, the next one goes on from what it finds, although a
// power failure could still take it, and may die on it as well.
func TestDeathsInARow(t *testing.T) {
	small := testOptions()
	small.SegmentSize = minSegmentSize
	shared := small
	shared.LogDir = ""
	for _, c := range []struct {
		name   string
		d      deaths
		stride int64 // every which of the second process's changes it dies before
	}{
		{"wide segments", deaths{o: testOptions()}, 37},
		{"small segments", deaths{o: small}, 37},
		{"one directory", deaths{o: shared}, 37},
		{"power failure", deaths{o: small, power: true}, endless},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := c.d
			for again := true; again; d.n++ {
				d.m = endless
				var err error
				if again, _, err = d.run(faultOps()); err != nil {
					t.Error(err)
				}
				second := c.stride < endless
				for d.m = d.n % c.stride; second; d.m += c.stride {
					if _, second, err = d.run(faultOps()); err != nil {
						t.Error(err)
					}
				}
			}
			if d.n < 100 {
				t.Errorf("only %d changes", d.n)
			}
		})
	}
}

// TestDeathsWhileSettingAside: two processes die while they set a disk aside. The third finds the
// disk as it was or an empty one, and a power failure makes nothing of it that cannot be opened.
func TestDeathsWhileSettingAside(t *testing.T) {
	for _, log := range []string{"/log", ""} {
		o := testOptions()
		o.LogDir = log
		for n, again := int64(0), true; again; n++ {
			for m, second := int64(0), true; second; m++ {
				var err error
				if again, second, err = setAsideTwice(o, n, m); err != nil {
					t.Errorf("deaths before change %d, then %d: %v", n, m, err)
				}
			}
		}
	}
}

func setAsideTwice(o Options, n, m int64) (first, second bool, err error) {
	mem := vfs.NewCrashableMem()
	disk, _, err := Open(newMortalFS(mem, endless), o)
	if err != nil {
		return false, false, err
	}
	b := Batch{HardState: hardState{1, 1, 0}.proto(), Entries: newEntries(1, 1, 1, 5)}
	if err := errors.Join(disk.Append(b), disk.Close()); err != nil {
		return false, false, err
	}
	one, two := newMortalFS(mem, n), newMortalFS(mem, m)
	_, _ = SetAside(one, o)
	if err := finishAside(two, o); err != nil && !two.dead() {
		return false, false, err
	}
	for _, image := range []*vfs.MemFS{mem.CrashClone(vfs.CrashCloneCfg{}), mem} {
		disk, rec, err := Open(newMortalFS(image, endless), o)
		if err == nil {
			if rec.Founded != (len(rec.Entries) == 0) {
				err = fmt.Errorf("founded is %v, with %d entries", rec.Founded, len(rec.Entries))
			}
			err = errors.Join(err, disk.Close())
		}
		if err != nil {
			return false, false, err
		}
	}
	return one.dead(), two.dead(), nil
}
