package store

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// leave makes a new disk that of a lone member, which leaves it.
func leave(t *testing.T, fs vfs.FS, o Options) {
	t.Helper()
	disk, _, err := Open(fs, o)
	if err == nil {
		err = Found(disk, 1)
	}
	if err == nil {
		err = disk.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestPutBack: a disk that was set aside by mistake is put back by renaming it. It is opened as it
// was, and not set aside again.
func TestPutBack(t *testing.T) {
	for _, logDir := range []string{"", "l"} {
		fs, o := vfs.NewMem(), Options{DataDir: "d", LogDir: logDir, DiskID: DiskID{1}}
		leave(t, fs, o)
		names, err := SetAside(fs, o)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if err := fs.Rename(name, name[:len(name)-len(".lost-1")]); err != nil {
				t.Fatal(err)
			}
		}
		o.DiskID = DiskID{2}
		disk, rec, err := Open(fs, o)
		if err != nil {
			t.Fatal(err)
		}
		if rec.Empty || rec.DiskID != (DiskID{1}) {
			t.Errorf("LogDir %q: disk %v was opened, empty: %v; want the one that was put back",
				logDir, rec.DiskID, rec.Empty)
		}
		if err := disk.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestMountedDirectory: on some file systems directories cannot be synced. What is mounted there
// is opened; what had to be made there could be lost, and is refused.
func TestMountedDirectory(t *testing.T) {
	for _, made := range []bool{false, true} {
		mem := vfs.NewMem()
		if err := mem.MkdirAll("/image", 0o755); err != nil {
			t.Fatal(err)
		}
		if !made {
			if err := mem.MkdirAll("/image/data", 0o755); err != nil {
				t.Fatal(err)
			}
		}
		fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(o errorfs.Op) error {
			if o.Kind == errorfs.OpFileSync && o.Path == "/image" {
				return &os.PathError{Op: "sync", Path: o.Path, Err: syscall.EINVAL}
			}
			return nil
		}))
		disk, _, err := Open(fs, Options{DataDir: "/image/data", DiskID: DiskID{1}})
		if (err != nil) != made {
			t.Errorf("its directory had to be made: %v: %v", made, err)
		}
		if err == nil {
			if err := disk.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestLogElsewhere: who names the directory of the data and not the log's is told so.
func TestLogElsewhere(t *testing.T) {
	fs, o := vfs.NewMem(), Options{DataDir: "d", LogDir: "l", DiskID: DiskID{1}}
	leave(t, fs, o)
	_, _, err := Open(fs, Options{DataDir: "d", DiskID: DiskID{2}})
	if err == nil || !strings.Contains(err.Error(), "dataLogDir") || !errors.Is(err, ErrDiskLost) {
		t.Errorf("the data without its log: %v", err)
	}
}
