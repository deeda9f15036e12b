package store

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"
)

// smallLog makes a disk with a few records in two segments, and says what it holds. If marked,
// the mark knows all of it.
func smallLog(t testing.TB, marked bool) (*vfs.MemFS, snapshot) {
	t.Helper()
	fs := vfs.NewCrashableMem()
	o := testOptions()
	o.SegmentSize, o.ReadySegments = minSegmentSize, 4
	d, _, err := Open(fs, o)
	if err != nil {
		t.Fatalf("Open() = %v", err)
	}
	var m model
	for i := uint64(1); i <= 12; i++ {
		hs := hardState{term: i/5 + 1, vote: 1, commit: i - 1}
		b := Batch{HardState: hs.proto(), Entries: newEntries(hs.term, i, 1, 20)}
		mustAppend(t, d, b)
		m = m.afterAppend(b)
	}
	if marked {
		err = d.Close()
	} else {
		err = d.release()
	}
	if err != nil {
		t.Fatalf("Close() = %v", err)
	}
	return fullClone(fs), m.snapshot()
}

// flip inverts some bits of a byte.
func flip(fs *vfs.MemFS, name string, at int64) {
	b := contents(fs, name)
	overwrite(fs, name, at, []byte{b[at] ^ 0x55})
}

// reopened is what came of a damaged disk.
type reopened struct {
	snapshot snapshot
	damage   []Damage
	err      error
}

func reopen(fs *vfs.MemFS) (out reopened) {
	d, rec, err := Open(fs, testOptions())
	if err != nil {
		return reopened{err: err}
	}
	out.damage = rec.Damage
	out.snapshot, out.err = snapshotOf(d, rec)
	if err := d.release(); err != nil {
		panic(err)
	}
	return out
}

// checkTyped fails if err is not one that tells what is lost, where, and what to do.
func checkTyped(t *testing.T, what string, err error) {
	t.Helper()
	var corrupt *CorruptError
	var identity *IdentityError
	switch {
	case errors.As(err, &corrupt):
		if !errors.Is(err, ErrDiskLost) || corrupt.File == "" ||
			!strings.Contains(err.Error(), "start with an empty one") {
			t.Errorf("%s: incomplete error %v", what, err)
		}
	case !errors.As(err, &identity):
		t.Errorf("%s: Open() = %T %v, want a CorruptError", what, err, err)
	}
}

// TestFlips damages every byte of the log, the mark and the disk ids. What was promised is there
// or the disk is refused.
func TestFlips(t *testing.T) {
	fs, want := smallLog(t, true)
	refused := 0
	for _, name := range ourFiles(fs) {
		for at := range int64(len(contents(fs, name))) {
			if strings.HasSuffix(name, markFile) && at%markBlock > 2*markSize {
				continue // never read
			}
			image := fullClone(fs)
			flip(image, name, at)
			what := fmt.Sprintf("flip in %s at %d", name, at)
			got := reopen(image)
			if got.err != nil {
				checkTyped(t, what, got.err)
				refused++
				continue
			}
			if diff := cmp.Diff(want, got.snapshot); diff != "" {
				t.Errorf("%s: wrong contents (-want +got):\n%s", what, diff)
			}
		}
	}
	if refused < 300 {
		t.Errorf("%d flips were refused, that is hardly any", refused)
	}
}

// ourFiles lists the files of our own formats.
func ourFiles(fs vfs.FS) []string {
	var files []string
	for _, dir := range []string{"/data/vivarium", "/log/vivarium"} {
		names, _ := fs.List(dir)
		for _, name := range names {
			if name == markFile || name == diskFile || strings.HasPrefix(name, logPrefix) {
				files = append(files, dir+"/"+name)
			}
		}
	}
	slices.Sort(files)
	return files
}

// TestTruncations cuts files off at every length.
func TestTruncations(t *testing.T) {
	fs, want := smallLog(t, true)
	for _, name := range ourFiles(fs) {
		whole := contents(fs, name)
		for size := range len(whole) {
			if strings.HasSuffix(name, markFile) && size%markBlock > 2*markSize {
				continue
			}
			image := fullClone(fs)
			replace(image, name, whole[:size])
			what := fmt.Sprintf("%s of %d bytes", name, size)
			got := reopen(image)
			if got.err != nil {
				checkTyped(t, what, got.err)
			} else if diff := cmp.Diff(want, got.snapshot); diff != "" {
				t.Errorf("%s: wrong contents (-want +got):\n%s", what, diff)
			}
		}
	}
}

// TestMissing removes files.
func TestMissing(t *testing.T) {
	fs, _ := smallLog(t, true)
	for _, name := range ourFiles(fs) {
		image := fullClone(fs)
		if err := image.Remove(name); err != nil {
			t.Fatal(err)
		}
		if got := reopen(image); got.err == nil {
			t.Errorf("Open() without %s succeeded", name)
		} else {
			checkTyped(t, "without "+name, got.err)
		}
	}
}

func replace(fs *vfs.MemFS, name string, b []byte) {
	f, err := fs.Create(name, category)
	if err != nil {
		panic(err)
	}
	if _, err := f.Write(slices.Clone(b)); err != nil {
		panic(err)
	}
	if err := f.Close(); err != nil {
		panic(err)
	}
}

// TestTornTail damages the last record, which the mark does not know: it is torn, and reported
// whichever of its bytes it is. A damaged record with a whole one behind it never is.
func TestTornTail(t *testing.T) {
	fs, want := smallLog(t, false)
	files := ourFiles(fs)
	name := files[len(files)-1]
	records := recordsOf(t, fs, name)
	last, before := records[len(records)-1], records[len(records)-2]
	for at := last.at; at < last.end; at++ {
		image := fullClone(fs)
		flip(image, name, at)
		what := fmt.Sprintf("flip in the last record, at %d", at-last.at)
		got := reopen(image)
		switch {
		case got.err != nil:
			t.Errorf("%s: Open() = %v", what, got.err)
			continue
		case len(got.snapshot.Entries) != len(want.Entries)-1:
			t.Errorf("%s: %d entries, want one less than %d", what, len(got.snapshot.Entries),
				len(want.Entries))
		case len(got.damage) != 1 || got.damage[0].File != name ||
			got.damage[0].Offset != last.at:
			t.Errorf("%s: damage = %v", what, got.damage)
		}
		// The next records overwrite it.
		d, _, err := Open(image, testOptions())
		if err != nil {
			t.Fatalf("%s: second Open() = %v", what, err)
		}
		mustAppend(t, d, Batch{Entries: newEntries(3, 12, 1, 1)})
		mustAppend(t, d, Batch{Entries: newEntries(3, 13, 1, 1)})
		if err := d.release(); err != nil {
			t.Fatal(err)
		}
		if got := reopen(image); got.err != nil || len(got.snapshot.Entries) != 13 {
			t.Errorf("%s: after two appends %d entries, %v", what, len(got.snapshot.Entries),
				got.err)
		}
	}
	for at := before.at; at < before.end; at++ {
		image := fullClone(fs)
		flip(image, name, at)
		got := reopen(image)
		var corrupt *CorruptError
		if !errors.As(got.err, &corrupt) || corrupt.Offset != before.at || corrupt.File != name {
			t.Errorf("flip in the last but one record, at %d: %v", at-before.at, got.err)
		}
	}
}

// place is where a record lies.
type place struct{ at, end int64 }

func recordsOf(t *testing.T, fs vfs.FS, name string) []place {
	t.Helper()
	b := contents(fs, name)
	var places []place
	for at := int64(0); at+recordHeader <= int64(len(b)); {
		h := parseHeader(b[at:])
		if h.magic != magicBase && h.magic != magicBatch {
			break
		}
		end := at + recordSize(int(h.length))
		places = append(places, place{at, end})
		at = end
	}
	if len(places) < 3 {
		t.Fatalf("%s has %d records", name, len(places))
	}
	return places
}

// TestStaleRecords recycles a segment whose old records lie exactly where new ones will end: they
// are whole, and they are not taken for data.
func TestStaleRecords(t *testing.T) {
	fs := vfs.NewCrashableMem()
	o := testOptions()
	o.ReadySegments = -1
	d, _, err := Open(fs, o)
	if err != nil {
		t.Fatal(err)
	}
	var used []uint64
	for i := uint64(1); i <= 100; i++ {
		mustLog(t, d, hardState{1, 1, i}, newEntries(1, i, 1, 300))
		if i%20 == 0 {
			mustCheckpoint(t, d, 1, i, "a=1")
			if err := d.Cut(i); err != nil {
				t.Fatal(err)
			}
		}
		used = append(used, d.journal.chain.segment)
		image := fs.CrashClone(vfs.CrashCloneCfg{})
		got := reopen(image)
		if got.err != nil {
			t.Fatalf("after entry %d, segment %d: %v", i, d.journal.chain.segment, got.err)
		}
		if n := uint64(len(got.snapshot.Entries)); got.snapshot.Checkpoint.Index+n != i {
			t.Errorf("after entry %d: checkpoint %v and %d entries", i, got.snapshot.Checkpoint, n)
		}
		if len(got.damage) != 0 {
			t.Errorf("after entry %d: damage %v", i, got.damage)
		}
	}
	if len(slices.Compact(used)) < 6 {
		t.Errorf("segments used: %v, too few to be recycled", slices.Compact(used))
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestMarkSlots damages the slots of the mark: one is what a crash leaves, two are not.
func TestMarkSlots(t *testing.T) {
	fs, want := smallLog(t, true)
	name := "/data/vivarium/" + markFile
	for slot := range int64(markSlots) {
		image := fullClone(fs)
		flip(image, name, slot*markBlock+20)
		got := reopen(image)
		if got.err != nil || len(got.damage) != 1 || got.damage[0].Offset != slot*markBlock {
			t.Errorf("slot %d damaged: %v, damage %v", slot, got.err, got.damage)
		}
		if diff := cmp.Diff(want, got.snapshot); diff != "" {
			t.Errorf("slot %d damaged (-want +got):\n%s", slot, diff)
		}
	}
	flip(fs, name, 20)
	flip(fs, name, markBlock+20)
	got := reopen(fs)
	checkTyped(t, "both slots damaged", got.err)
}

// TestStateFlips damages pebble's files. An older checkpoint may come back, for the log is there
// from the beginning; nothing else is served, and nothing panics.
func TestStateFlips(t *testing.T) {
	fs := vfs.NewCrashableMem()
	d, _, err := Open(fs, testOptions())
	if err != nil {
		t.Fatal(err)
	}
	wanted := []model{{}}
	for _, o := range []op{
		{batch: &Batch{HardState: hardState{1, 1, 2}.proto(), Entries: newEntries(1, 1, 9, 5)}},
		{checkpoint: new(checkpointOf(1, 2, "a=1", "b=2"))},
		{checkpoint: new(checkpointOf(1, 4, "a=3", "b", "c=4"))},
	} {
		if err := o.run(d); err != nil {
			t.Fatal(err)
		}
		wanted = append(wanted, wanted[len(wanted)-1].after(o))
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	dir := "/data/vivarium/" + stateDir
	names, err := fs.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	outcomes := map[string]int{}
	for _, name := range names {
		for at := int64(0); at < int64(len(contents(fs, dir+"/"+name))); at += 5 {
			image := fullClone(fs)
			flip(image, dir+"/"+name, at)
			got := reopen(image)
			switch {
			case errors.Is(got.err, ErrDiskLost):
				outcomes["lost"]++
			case got.err != nil:
				outcomes["other error"]++
				t.Logf("flip in %s at %d: %v", name, at, got.err)
			default:
				outcomes["no harm"]++
				if err := checkOneOf(got.snapshot, wanted[1:]...); err != nil {
					t.Errorf("flip in %s at %d: %v", name, at, err)
				}
			}
		}
	}
	t.Logf("outcomes: %v", outcomes)
}
