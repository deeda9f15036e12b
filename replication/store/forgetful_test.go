package store

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"sync"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"
)

// forgetfulFS is a file system on which a failed sync does what it does on Linux: the pages count
// as clean from then on. They are still read, by the next process as well, and the next sync of the
// file succeeds without having written them. Names are durable at once.
type forgetfulFS struct {
	vfs.FS            // what is read: the page cache
	disk   *vfs.MemFS // what survives a power failure

	mu    sync.Mutex
	dirty map[string][]pageWrite // by name: what the next sync writes
	fails int                    // so many syncs succeed before one fails; -1: none does
	left  int                    // of them
}

type pageWrite struct {
	at int64
	b  []byte
}

func newForgetfulFS() *forgetfulFS {
	return &forgetfulFS{FS: vfs.NewMem(), disk: vfs.NewMem(), fails: -1,
		dirty: map[string][]pageWrite{}}
}

// nextProcess is the same file system without who used it so far, and whose syncs do not fail.
func (f *forgetfulFS) nextProcess(t testing.TB) *forgetfulFS {
	f.mu.Lock()
	defer f.mu.Unlock()
	next := newForgetfulFS()
	copyTree(t, next.FS, f.FS, "/")
	copyTree(t, next.disk, f.disk, "/")
	next.dirty = maps.Clone(f.dirty)
	return next
}

func copyTree(t testing.TB, to, from vfs.FS, dir string) {
	t.Helper()
	names, err := from.List(dir)
	if err == nil {
		err = to.MkdirAll(dir, privateDir)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		path := from.PathJoin(dir, name)
		info, err := from.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.IsDir() {
			copyTree(t, to, from, path)
			continue
		}
		file, err := to.Create(path, category)
		if err == nil {
			_, err = file.Write(contents(from, path))
			err = errors.Join(err, file.Close())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// both makes a change of names in both.
func (f *forgetfulFS) both(change func(vfs.FS) error, names func()) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	names()
	return errors.Join(change(f.FS), change(f.disk))
}

func (f *forgetfulFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	var file vfs.File
	err := f.both(func(fs vfs.FS) (err error) {
		created, err := fs.Create(name, c)
		if fs == f.FS {
			file = created
			return err
		}
		return errors.Join(err, created.Close())
	}, func() { delete(f.dirty, name) })
	return &forgetfulFile{File: file, fs: f, name: name}, err
}

func (f *forgetfulFS) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (
	vfs.File, error) {
	file, err := f.FS.OpenReadWrite(name, c, o...)
	return &forgetfulFile{File: file, fs: f, name: name}, err
}

func (f *forgetfulFS) Rename(from, to string) error {
	return f.both(func(fs vfs.FS) error { return fs.Rename(from, to) }, func() {
		f.dirty[to] = f.dirty[from]
		delete(f.dirty, from)
	})
}

func (f *forgetfulFS) Link(from, to string) error {
	return f.both(func(fs vfs.FS) error { return fs.Link(from, to) },
		func() { f.dirty[to] = f.dirty[from] })
}

func (f *forgetfulFS) Remove(name string) error {
	return f.both(func(fs vfs.FS) error { return fs.Remove(name) },
		func() { delete(f.dirty, name) })
}

func (f *forgetfulFS) RemoveAll(name string) error {
	return f.both(func(fs vfs.FS) error { return fs.RemoveAll(name) }, func() {})
}

func (f *forgetfulFS) MkdirAll(name string, perm fs.FileMode) error {
	return f.both(func(fs vfs.FS) error { return fs.MkdirAll(name, perm) }, func() {})
}

// forgetfulFile is a file of it that is written.
type forgetfulFile struct {
	vfs.File
	fs   *forgetfulFS
	name string
	end  int64
}

func (f *forgetfulFile) wrote(b []byte, at int64) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	f.fs.dirty[f.name] = append(f.fs.dirty[f.name], pageWrite{at, slices.Clone(b)})
}

func (f *forgetfulFile) Write(b []byte) (int, error) {
	f.wrote(b, f.end)
	f.end += int64(len(b))
	return f.File.Write(b)
}

func (f *forgetfulFile) WriteAt(b []byte, at int64) (int, error) {
	f.wrote(b, at)
	return f.File.WriteAt(b, at)
}

func (f *forgetfulFile) Sync() error                { return f.sync() }
func (f *forgetfulFile) SyncData() error            { return f.sync() }
func (f *forgetfulFile) SyncTo(int64) (bool, error) { return true, f.sync() }

func (f *forgetfulFile) sync() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	dirty := f.fs.dirty[f.name]
	delete(f.fs.dirty, f.name)
	if f.fs.fails >= 0 {
		if f.fs.left--; f.fs.left == -1 {
			return syscall.EIO
		}
	}
	for _, w := range dirty {
		overwrite(f.fs.disk, f.name, w.at, w.b)
	}
	return nil
}

// TestForgottenSync lets each sync fail once, and the process end as it must. The next process
// finds in the page cache what never reached the disk. What it acknowledges must not stand on it:
// after a power failure all of that is there, and all that was acknowledged before.
func TestForgottenSync(t *testing.T) {
	ops := faultOps()
	for n := 0; ; n++ {
		reached, err := forgetSync(t, ops, n, false)
		if err != nil {
			t.Errorf("sync %d fails: %v", n, err)
		}
		if _, err := forgetSync(t, ops, n, true); err != nil {
			t.Errorf("sync %d fails, the next process writes a checkpoint: %v", n, err)
		}
		if !reached {
			if n < 20 {
				t.Errorf("only %d syncs", n)
			}
			return
		}
	}
}

// forgetSync runs ops until the nth sync fails. It says whether there were so many. With save the
// next process writes a checkpoint and cuts the log behind it.
func forgetSync(t *testing.T, ops []op, n int, save bool) (reached bool, err error) {
	forgetful := newForgetfulFS()
	disk, _, err := Open(forgetful, testOptions())
	if err != nil {
		return false, err
	}
	forgetful.mu.Lock()
	forgetful.fails, forgetful.left = n, n
	forgetful.mu.Unlock()
	var done, next model
	for _, o := range ops {
		next = done.after(o)
		if err = o.run(disk); err != nil {
			break
		}
		done = next
	}
	reached = err != nil
	if err != nil && !errors.Is(err, syscall.EIO) {
		return reached, fmt.Errorf("%v: want an EIO", err)
	}
	_ = disk.release()
	forgetful = forgetful.nextProcess(t)
	disk, rec, err := Open(forgetful, testOptions())
	if err != nil {
		return reached, fmt.Errorf("the next process: %w", err)
	}
	found, err := snapshotOf(disk, rec)
	if err == nil {
		err = checkOneOf(found, done, next)
	}
	if err != nil {
		return reached, fmt.Errorf("the next process: %w", err)
	}
	term, last := rec.HardState.GetTerm(), found.Checkpoint.Index+uint64(len(found.Entries))
	if term == 0 {
		return reached, disk.release() // nothing was acknowledged, and there is nobody to do so
	}
	more := newEntries(term, last+1, 2, 50)
	if err := disk.Append(Batch{Entries: more}); err != nil {
		return reached, fmt.Errorf("the next process: %w", err)
	}
	found.Entries = append(found.Entries, flat(more)...)
	if save {
		at := found.Entries[0]
		c := checkpointOf(at.Term, at.Index, "saved=1")
		if err := disk.WriteCheckpoint(c); err != nil {
			return reached, err
		}
		if err := disk.Cut(at.Index); err != nil {
			return reached, err
		}
		found.Entries, found.Records["saved"] = found.Entries[1:], "1"
	}
	image := forgetful.nextProcess(t).disk
	if err := disk.Close(); err != nil {
		return reached, err
	}
	got := reopen(image)
	if got.err != nil {
		return reached, fmt.Errorf("after the power failure: %w", got.err)
	}
	if diff := cmp.Diff(found.Entries, got.snapshot.Entries); diff != "" {
		return reached, fmt.Errorf("after the power failure (-acknowledged +there):\n%s", diff)
	}
	if diff := cmp.Diff(found.Records, got.snapshot.Records); diff != "" {
		return reached, fmt.Errorf("after the power failure (-acknowledged +there):\n%s", diff)
	}
	return reached, nil
}
