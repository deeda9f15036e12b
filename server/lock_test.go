package server

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/vivariumdb/vivarium/server/config"
)

// TestLockLosesItsName: whoever opened the lock's file while another one had it, which removed the
// file as it let go, has not locked the directory: the next one would make a file of its own.
func TestLockLosesItsName(t *testing.T) {
	dir := t.TempDir()
	cfg := &config.Config{DataDir: dir, DataLogDir: dir}
	first, err := lockDirectories(vfs.Default, cfg)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, lockFile)
	late, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer late.Close()
	first.release(true)
	if held, err := hold(late, name); held || err != nil {
		t.Errorf("a file without a name is held: %v, %v", held, err)
	}
	second, err := lockDirectories(vfs.Default, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer second.release(true)
	third, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer third.Close()
	if held, err := hold(third, name); held || err == nil {
		t.Error("a directory is locked twice")
	}
}
