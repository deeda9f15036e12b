package store

import (
	"errors"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// TestDamageNamed: what pebble finds wrong while it is opened, or later in the background, says
// where it lies. Pebble's own texts name a file by its number at most.
func TestDamageNamed(t *testing.T) {
	fs := vfs.NewCrashableMem()
	d, _, err := Open(fs, testOptions())
	if err != nil {
		t.Fatal(err)
	}
	mustLog(t, d, hardState{1, 1, 3}, newEntries(1, 1, 3, 10))
	mustCheckpoint(t, d, 1, 2, "a=1")
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	dir := "/data/vivarium/" + stateDir
	names, err := fs.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	damaged := 0
	for _, name := range names {
		if !strings.HasPrefix(name, "OPTIONS-") {
			continue
		}
		image := fullClone(fs)
		b := contents(image, dir+"/"+name)
		flip(image, dir+"/"+name, int64(strings.Index(string(b), "BytewiseComparator")))
		damaged++
		if got := reopen(image); got.err == nil || !strings.Contains(got.err.Error(), dir) {
			t.Errorf("flip in %s: %v, which does not name %s", name, got.err, dir)
		}
	}
	if damaged == 0 {
		t.Errorf("no file of options in %v", names)
	}
}

// TestDamageInBackground: an error of pebble's own goroutines names the directory as well, and if
// it is damage it is an ErrDiskLost.
func TestDamageInBackground(t *testing.T) {
	for _, test := range []struct {
		err  error
		lost bool
	}{
		{errInjected, false},
		{errFormat, true},
	} {
		d, _, err := Open(vfs.NewCrashableMem(), testOptions())
		if err != nil {
			t.Fatal(err)
		}
		report := d.states.pebbleOptions().EventListener.BackgroundError
		done := make(chan struct{})
		go func() {
			defer close(done)
			report(test.err) // does not return
			t.Errorf("BackgroundError(%v) returned", test.err)
		}()
		<-done
		got := d.Mark(1000)
		if !errors.Is(got, test.err) || errors.Is(got, ErrDiskLost) != test.lost ||
			!strings.Contains(got.Error(), "/data/vivarium/"+stateDir) {
			t.Errorf("after BackgroundError(%v): %v", test.err, got)
		}
		if err := d.Close(); err == nil {
			t.Errorf("Close() after BackgroundError(%v) = nil", test.err)
		}
	}
}

// TestDirectoryOfPebble: a directory that pebble cannot sync is the end of the disk, and not of the
// process.
func TestDirectoryOfPebble(t *testing.T) {
	var bad atomic.Bool
	fs := errorfs.Wrap(vfs.NewCrashableMem(), errorfs.InjectorFunc(func(o errorfs.Op) error {
		if bad.Load() && o.Kind == errorfs.OpFileSync && o.Path == "/data/vivarium/"+stateDir {
			return errInjected
		}
		return nil
	}))
	d, _, err := Open(fs, testOptions())
	if err != nil {
		t.Fatal(err)
	}
	mustLog(t, d, hardState{1, 1, 1}, newEntries(1, 1, 1, 5))
	bad.Store(true)
	err = d.WriteCheckpoint(checkpointOf(1, 1, "a=1"))
	if !errors.Is(err, errInjected) || !errors.Is(d.Append(Batch{}), errInjected) {
		t.Errorf("WriteCheckpoint() = %v, want the injected error, for ever", err)
	}
	if err := d.Close(); !errors.Is(err, errInjected) {
		t.Errorf("Close() = %v, want the injected error", err)
	}
}

// markerFS takes copies of the disk as a power failure would leave it when one of pebble's markers
// has just been created, and any part of the names in its directory may be durable.
type markerFS struct {
	vfs.FS
	mem    *vfs.MemFS
	images []*vfs.MemFS
	counts []uint64 // the checkpoints that counted then
	count  uint64
}

func (m *markerFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := m.FS.Create(name, c)
	if err == nil && strings.HasPrefix(m.PathBase(name), "marker.") {
		for seed := range uint64(20) {
			m.images = append(m.images, m.mem.CrashClone(vfs.CrashCloneCfg{
				UnsyncedDataPercent: 50, RNG: rand.New(rand.NewPCG(seed, 1))}))
			m.counts = append(m.counts, m.count)
		}
	}
	return f, err
}

// Remove takes a copy in which nothing but the removal is durable of what was not synced.
func (m *markerFS) Remove(name string) error {
	err := m.FS.Remove(name)
	if err == nil && strings.HasPrefix(m.PathBase(name), "marker.") {
		image := m.mem.CrashClone(vfs.CrashCloneCfg{})
		m.images, m.counts = append(m.images, image), append(m.counts, m.count)
		return image.Remove(name)
	}
	return err
}

// TestMarkerBeforeItsFile: a marker never gets durable before the MANIFEST that it names, and the
// former one never goes before.
func TestMarkerBeforeItsFile(t *testing.T) {
	mem := vfs.NewCrashableMem()
	m := &markerFS{FS: mem, mem: mem}
	for start := range uint64(3) {
		d, _, err := Open(m, testOptions())
		if err != nil {
			t.Fatal(err)
		}
		mustLog(t, d, hardState{1, 1, start + 1}, newEntries(1, start+1, 1, 10))
		mustCheckpoint(t, d, 1, start+1, "a=1")
		m.count = start + 1
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if len(m.images) < 60 {
		t.Fatalf("%d copies", len(m.images))
	}
	for i, image := range m.images {
		got := reopen(image)
		if at := got.snapshot.Checkpoint; got.err != nil || at.Index < m.counts[i] {
			t.Errorf("copy %d: checkpoint %v, that of %d counted; %v", i, at, m.counts[i], got.err)
		}
	}
}
