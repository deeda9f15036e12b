package store

import (
	"bytes"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.etcd.io/raft/v3/raftpb"
)

var testID = DiskID{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}

func testOptions() Options {
	return Options{DataDir: "/data", LogDir: "/log", DiskID: testID, SegmentSize: 4 << 10,
		MemTableSize: 256 << 10, IngestSize: 8 << 10, Quiet: true}
}

// rig is one kind of disk under test.
type rig interface {
	open(o Options) (Disk, *Recovered, error)
	// restart ends the process, powerCut the machine; open follows.
	restart(t *testing.T)
	powerCut(t *testing.T)
}

func rigs(t *testing.T) map[string]rig {
	return map[string]rig{
		"memory":    &memoryRig{mem: NewMemory()},
		"crashable": &crashRig{fs: vfs.NewCrashableMem()},
		"shared":    &crashRig{fs: vfs.NewCrashableMem(), shared: true},
		"default":   &defaultRig{dir: t.TempDir()},
	}
}

type memoryRig struct{ mem *Memory }

func (r *memoryRig) open(o Options) (Disk, *Recovered, error) {
	rec, err := r.mem.Open(o)
	return r.mem, rec, err
}

func (r *memoryRig) restart(*testing.T)  { r.mem = r.mem.Restart() }
func (r *memoryRig) powerCut(*testing.T) { r.mem = r.mem.Crash() }

type crashRig struct {
	fs     *vfs.MemFS
	disk   *Store
	shared bool // log and data lie in one directory
}

func (r *crashRig) open(o Options) (Disk, *Recovered, error) {
	if r.shared {
		o.LogDir = ""
	}
	s, rec, err := Open(r.fs, o)
	r.disk = s
	return s, rec, err
}

func (r *crashRig) restart(t *testing.T) {
	if err := r.disk.Close(); err != nil {
		t.Fatalf("Close() = %v", err)
	}
	r.fs = fullClone(r.fs)
}

func (r *crashRig) powerCut(t *testing.T) {
	next := r.fs.CrashClone(vfs.CrashCloneCfg{})
	if err := r.disk.release(); err != nil {
		t.Fatalf("Close() = %v", err)
	}
	r.fs = next
}

// defaultRig cannot cut the power: what it loses is only what was in pebble's memory.
type defaultRig struct {
	dir  string
	disk *Store
}

func (r *defaultRig) open(o Options) (Disk, *Recovered, error) {
	o.DataDir, o.LogDir = r.dir+"/data", r.dir+"/log"
	s, rec, err := Open(vfs.Default, o)
	r.disk = s
	return s, rec, err
}

func (r *defaultRig) restart(t *testing.T) {
	if err := r.disk.Close(); err != nil {
		t.Fatalf("Close() = %v", err)
	}
}

func (r *defaultRig) powerCut(t *testing.T) {
	if err := r.disk.release(); err != nil { // does not write the mark
		t.Fatalf("release() = %v", err)
	}
}

// newEntry makes an entry whose data tells term and index, and size more bytes.
func newEntry(term, index uint64, size int) *raftpb.Entry {
	kind := raftpb.EntryNormal
	if index%7 == 0 {
		kind = raftpb.EntryConfChangeV2
	}
	var data []byte
	if size > 0 {
		data = append(bytes.Repeat([]byte{byte(index)}, size), byte(term))
	}
	return &raftpb.Entry{Term: &term, Index: &index, Type: &kind, Data: data}
}

// newEntries makes entries of one term.
func newEntries(term, first uint64, n, size int) []*raftpb.Entry {
	entries := make([]*raftpb.Entry, n)
	for i := range entries {
		entries[i] = newEntry(term, first+uint64(i), size)
	}
	return entries
}

func mustOpen(t *testing.T, r rig) (Disk, *Recovered) {
	t.Helper()
	d, rec, err := r.open(testOptions())
	if err != nil {
		t.Fatalf("Open() = %v", err)
	}
	return d, rec
}

func mustAppend(t testing.TB, d Disk, b Batch) {
	t.Helper()
	if err := d.Append(b); err != nil {
		t.Fatalf("Append(%v) = %v", b, err)
	}
}

// mustLog appends entries and a hard state.
func mustLog(t *testing.T, d Disk, hs hardState, entries []*raftpb.Entry) {
	t.Helper()
	mustAppend(t, d, Batch{HardState: hs.proto(), Entries: entries})
}

// readAll returns the records of the newest checkpoint.
func readAll(d Disk) (map[string]string, error) {
	v, err := d.View()
	if err != nil {
		return nil, err
	}
	defer func() { _ = v.Close() }()
	records := map[string]string{}
	return records, v.Records(nil, func(key, value []byte) error {
		records[string(key)] = string(value)
		return nil
	})
}

func flat(entries []*raftpb.Entry) []plainEntry {
	var plain []plainEntry
	for _, e := range entries {
		plain = append(plain, plainEntry{position(e), e.GetType(), string(e.GetData())})
	}
	return plain
}

// plainEntry is an entry that can be compared.
type plainEntry struct {
	Position
	Type raftpb.EntryType
	Data string
}
