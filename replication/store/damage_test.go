package store

import (
	"errors"
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
