package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

func TestZooKeeperData(t *testing.T) {
	for _, dir := range []string{"/data", "/log"} {
		mem := vfs.NewMem()
		if err := mem.MkdirAll(dir+"/version-2", 0o700); err != nil {
			t.Fatal(err)
		}
		_, _, err := Open(mem, testOptions())
		if !errors.Is(err, ErrZooKeeperData) ||
			!strings.Contains(err.Error(), "other directories") {
			t.Errorf("version-2 in %s: Open() = %v", dir, err)
		}
		if names, _ := mem.List(dir); len(names) != 1 {
			t.Errorf("version-2 in %s: Open() left %v", dir, names)
		}
	}
	// What is ours stays ours.
	mem := vfs.NewMem()
	r := crashRig{fs: mem}
	d, _ := mustOpen(t, &r)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if err := mem.MkdirAll("/data/version-2", 0o700); err != nil {
		t.Fatal(err)
	}
	d, _ = mustOpen(t, &r)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestIdentity(t *testing.T) {
	for _, test := range []struct {
		says string
		harm func(fs *vfs.MemFS) error
		want string // in the error; none if ""
	}{
		{"nothing happened", func(*vfs.MemFS) error { return nil }, ""},
		{"the log directory was lost",
			func(fs *vfs.MemFS) error { return fs.RemoveAll("/log") }, "log directory is empty"},
		{"the data directory was lost",
			func(fs *vfs.MemFS) error { return fs.RemoveAll("/data") }, "data directory is empty"},
		{"the log belongs to another disk",
			func(fs *vfs.MemFS) error {
				return writeFile(fs, "/log/vivarium", diskFile,
					[]byte("vivarium disk 1\n00000000000000000000000000000007\n"))
			}, "different disks"},
		{"both ids were lost",
			func(fs *vfs.MemFS) error {
				return errors.Join(fs.Remove("/data/vivarium/disk"),
					fs.Remove("/log/vivarium/disk"))
			}, "has lost its file"},
		{"the mark was lost",
			func(fs *vfs.MemFS) error { return fs.Remove("/data/vivarium/mark") },
			"mark is missing"},
		{"a segment was lost",
			func(fs *vfs.MemFS) error { return fs.Remove("/log/vivarium/log-0000000000000001") },
			"was promised"},
		{"the checkpoints were lost, the log was cut",
			func(fs *vfs.MemFS) error { return fs.RemoveAll("/data/vivarium/state") },
			"the newest checkpoint is of 0/0"},
	} {
		r := crashRig{fs: vfs.NewCrashableMem()}
		d, _ := mustOpen(t, &r)
		last := uint64(1)
		if strings.Contains(test.says, "cut") {
			last = 50
		}
		for i := uint64(1); i <= last; i++ {
			mustLog(t, d, hardState{1, 1, i}, newEntries(1, i, 1, 300))
		}
		if last > 1 {
			mustCheckpoint(t, d, 1, 40, "a=1")
			if err := d.Cut(40); err != nil {
				t.Fatal(err)
			}
		}
		r.restart(t)
		if err := test.harm(r.fs); err != nil {
			t.Fatal(err)
		}
		d, _, err := r.open(testOptions())
		switch {
		case err == nil && test.want == "":
			_ = d.Close()
		case err == nil || !strings.Contains(err.Error(), test.want):
			t.Errorf("%s: Open() = %v, want %q", test.says, err, test.want)
		}
	}
}

func TestSetAside(t *testing.T) {
	r := crashRig{fs: vfs.NewCrashableMem()}
	for round := range 2 {
		d, rec := mustOpen(t, &r)
		if !rec.Founded {
			t.Errorf("round %d: not founded", round)
		}
		mustLog(t, d, hardState{1, 1, 0}, newEntries(1, 1, 1, 5))
		r.restart(t)
		names, err := SetAside(r.fs, testOptions())
		if err != nil || len(names) != 2 {
			t.Fatalf("SetAside() = %v, %v", names, err)
		}
		for _, name := range names {
			if there, err := exists(r.fs, name); !there || err != nil {
				t.Errorf("%s is not there, %v", name, err)
			}
		}
		r.fs = r.fs.CrashClone(vfs.CrashCloneCfg{}) // durable
	}
}

// TestCrashWhileSettingAside cuts the power before every effect of SetAside. The next Open finds
// the disk as it was, or none; never half of one.
func TestCrashWhileSettingAside(t *testing.T) {
	for _, shared := range []bool{false, true} {
		r := crashRig{fs: vfs.NewCrashableMem(), shared: shared}
		d, _ := mustOpen(t, &r)
		mustLog(t, d, hardState{1, 1, 0}, newEntries(1, 1, 1, 5))
		r.restart(t)
		r.fs = r.fs.CrashClone(vfs.CrashCloneCfg{})
		cam := &camera{FS: r.fs, mem: r.fs, most: 1000, tag: func() (int, int) { return 0, 0 }}
		o := testOptions()
		if shared {
			o.LogDir = ""
		}
		if _, err := SetAside(cam, o); err != nil {
			t.Fatal(err)
		}
		cam.shoot("the end")
		for _, s := range cam.shots {
			for name, image := range map[string]*vfs.MemFS{"synced": s.synced, "all": s.all} {
				d, rec, err := Open(image, o)
				if err != nil {
					t.Errorf("%s image before %q: Open() = %v", name, s.before, err)
					continue
				}
				if rec.Founded != (len(rec.Entries) == 0) {
					t.Errorf("%s image before %q: %+v", name, s.before, rec)
				}
				if err := d.Close(); err != nil {
					t.Error(err)
				}
			}
		}
	}
}

// TestLaterVersion: what a later release wrote is neither damage nor an empty disk.
func TestLaterVersion(t *testing.T) {
	for name, harm := range map[string]func(fs *vfs.MemFS){
		"disk id": func(fs *vfs.MemFS) {
			text := contents(fs, "/data/vivarium/disk")
			replace(fs, "/data/vivarium/disk", bytes.Replace(text, []byte("disk 1"),
				[]byte("disk 12"), 1))
		},
		"mark": func(fs *vfs.MemFS) {
			b := appendMark(nil, testID, 99, Mark{Term: 7})
			b[16]++
			sum := crc32.Update(newChain(testID).seed, castagnoli, b[4:])
			binary.LittleEndian.PutUint32(b, sum)
			overwrite(fs, "/data/vivarium/mark", 0, b)
		},
		"segment": func(fs *vfs.MemFS) {
			name := "/log/vivarium/log-0000000000000001"
			b := contents(fs, name)
			b = b[:recordSize(int(parseHeader(b).length))]
			b[recordHeader]++
			sum := crc32.Update(newChain(testID).seed, castagnoli, b[4:])
			binary.LittleEndian.PutUint32(b, sum)
			overwrite(fs, name, 0, b)
		},
	} {
		r := crashRig{fs: vfs.NewCrashableMem()}
		d, _ := mustOpen(t, &r)
		mustLog(t, d, hardState{1, 1, 0}, newEntries(1, 1, 1, 5))
		r.restart(t)
		harm(r.fs)
		_, _, err := r.open(testOptions())
		var version *VersionError
		if !errors.As(err, &version) || version.File == "" || errors.Is(err, ErrDiskLost) {
			t.Errorf("%s of a later release: Open() = %v, want a VersionError", name, err)
		}
	}
}

// TestCrashWhileFounding cuts the power before every effect of the first Open.
func TestCrashWhileFounding(t *testing.T) {
	mem := vfs.NewCrashableMem()
	cam := &camera{FS: mem, mem: mem, most: 1000, tag: func() (int, int) { return 0, 0 }}
	d, _, err := Open(cam, testOptions())
	if err != nil {
		t.Fatal(err)
	}
	shots := cam.shots
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if len(shots) < 20 {
		t.Errorf("only %d effects", len(shots))
	}
	for _, s := range shots {
		for name, image := range map[string]*vfs.MemFS{"synced": s.synced, "all": s.all} {
			d, rec, err := Open(image, testOptions())
			if err != nil {
				t.Errorf("%s image before %q: Open() = %v", name, s.before, err)
				continue
			}
			if !rec.Empty || rec.DiskID != testID {
				t.Errorf("%s image before %q: %+v", name, s.before, rec)
			}
			mustAppend(t, d, Batch{HardState: hardState{1, 1, 0}.proto()})
			if err := d.Close(); err != nil {
				t.Errorf("%s image before %q: Close() = %v", name, s.before, err)
			}
		}
	}
}

// TestCopies: copies of our files that somebody has left beside them are neither segments nor
// spares.
func TestCopies(t *testing.T) {
	r := crashRig{fs: vfs.NewCrashableMem()}
	d, _ := mustOpen(t, &r)
	mustLog(t, d, hardState{1, 1, 0}, newEntries(1, 1, 1, 5))
	r.restart(t)
	for name, of := range map[string]string{"log-0000000000000001.old": "log-0000000000000001",
		"spare-1~": "spare-1", "spare-01": "spare-1"} {
		replace(r.fs, "/log/vivarium/"+name, contents(r.fs, "/log/vivarium/"+of))
	}
	d, rec := mustOpen(t, &r)
	if len(rec.Entries) != 1 {
		t.Errorf("%d entries, want 1", len(rec.Entries))
	}
	for i := uint64(2); i <= 50; i++ { // more segments than there are spares
		mustLog(t, d, hardState{1, 1, 0}, newEntries(1, i, 1, 900))
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestPermissions(t *testing.T) {
	r := &defaultRig{dir: t.TempDir()}
	d, _ := mustOpen(t, r)
	for i := uint64(1); i <= 30; i++ {
		mustLog(t, d, hardState{1, 1, i}, newEntries(1, i, 1, 900))
	}
	mustCheckpoint(t, d, 1, 20, "a=1")
	if err := d.Cut(20); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"/data/vivarium", "/log/vivarium"} {
		err := filepath.WalkDir(r.dir+dir, func(path string, e fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := e.Info()
			if errors.Is(err, os.ErrNotExist) {
				return nil // pebble cleans up behind our back
			}
			want := privateFile
			if e.IsDir() {
				want = privateDir
			}
			if got := info.Mode().Perm(); got != want {
				t.Errorf("%s has mode %o, want %o", path, got, want)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if u, err := d.Usage(); err != nil || u.TotalBytes == 0 || u.AvailBytes > u.TotalBytes {
		t.Errorf("Usage() = %+v, %v", u, err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestConcurrency has each obligation's goroutine at work at once; it is for the race detector.
func TestConcurrency(t *testing.T) {
	r := crashRig{fs: vfs.NewCrashableMem()}
	d, _ := mustOpen(t, &r)
	const last = 200
	var wg sync.WaitGroup
	appended := make(chan uint64, last)
	wg.Go(func() { // the log's
		for i := uint64(1); i <= last; i++ {
			if err := d.Append(Batch{HardState: hardState{i/50 + 1, 1, i}.proto(),
				Entries: newEntries(i/50+1, i, 1, 100)}); err != nil {
				t.Errorf("Append() = %v", err)
			}
			appended <- i
		}
		close(appended)
	})
	wg.Go(func() { // the checkpoints'
		for i := range appended {
			if i%20 != 0 {
				continue
			}
			c := checkpointOf(i/50+1, i, "a=1", "b=2")
			if err := errors.Join(d.WriteCheckpoint(c), d.Cut(i)); err != nil {
				t.Errorf("checkpoint = %v", err)
			}
		}
	})
	wg.Go(func() { // the mark's
		for i := range int64(100) {
			if err := d.Mark(i * 100); err != nil {
				t.Errorf("Mark() = %v", err)
			}
		}
	})
	wg.Go(func() { // a reader
		for range 20 {
			if _, err := readAll(d); err != nil {
				t.Errorf("View() = %v", err)
			}
		}
	})
	wg.Wait()
	r.powerCut(t)
	d, rec := mustOpen(t, &r)
	if n := uint64(len(rec.Entries)); rec.Checkpoint.Index != last || n != 0 {
		t.Errorf("checkpoint %v and %d entries", rec.Checkpoint.Position, n)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestValidate(t *testing.T) {
	err := Options{SegmentSize: 1, MarkMs: -1}.Validate()
	for _, want := range []string{"DataDir", "DiskID", "SegmentSize", "MarkMs"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Validate() = %v, want %s in it", err, want)
		}
	}
	if err := testOptions().Validate(); err != nil {
		t.Errorf("Validate() = %v", err)
	}
	if _, _, err := Open(vfs.NewMem(), Options{}); err == nil {
		t.Error("Open() took empty options")
	}
}
