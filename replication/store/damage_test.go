package store

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
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

// markerFS takes copies of the disk as a power failure would leave it when one of pebble's markers
// has just been created, and any part of the names in its directory may be durable.
type markerFS struct {
	vfs.FS
	mem    *vfs.MemFS
	images []*vfs.MemFS
}

func (m *markerFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := m.FS.Create(name, c)
	if err == nil && strings.HasPrefix(m.PathBase(name), "marker.") {
		for seed := range uint64(20) {
			m.images = append(m.images, m.mem.CrashClone(vfs.CrashCloneCfg{
				UnsyncedDataPercent: 50, RNG: rand.New(rand.NewPCG(seed, 1))}))
		}
	}
	return f, err
}

// TestMarkerBeforeItsFile: a marker never gets durable before the MANIFEST that it names.
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
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if len(m.images) < 60 {
		t.Fatalf("%d copies", len(m.images))
	}
	for i, image := range m.images {
		if got := reopen(image); got.err != nil {
			t.Errorf("copy %d: %v", i, got.err)
		}
	}
}
