package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"
	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/internal/frugal"
	"google.golang.org/protobuf/testing/protocmp"
)

// FuzzPayloads: what is decoded of a record or of a checkpoint's header encodes to what decodes
// to the same, and from then on to the same bytes.
func FuzzPayloads(f *testing.F) {
	f.Add(appendBatch(nil, hardState{3, 1, 2}, Position{}, newEntries(2, 5, 3, 4)))
	f.Add(appendBatch(nil, hardState{3, 1, 9}, Position{2, 9}, nil))
	f.Add(appendBase(nil, testID, hardState{3, 1, 2}, Position{2, 9}))
	meta := Meta{Position: Position{2, 9}, Generation: 3, Received: true, Header: []byte("head")}
	f.Add(appendMeta(nil, meta))
	f.Fuzz(func(t *testing.T, b []byte) {
		// Of an entry's three bytes raft's entry is made, which is large.
		frugal.Check(t, b, 128, func() {
			_, _, _, _ = decodeBatch(b)
			_, _, _, _ = decodeBase(b)
			_, _ = decodeMeta(b)
		})
		if hs, start, entries, err := decodeBatch(b); err == nil {
			once := appendBatch(nil, hs, start, entries)
			hs2, start2, again, err := decodeBatch(once)
			if err != nil || hs != hs2 || start != start2 {
				t.Fatalf("batch %x encodes to %x: %v", b, once, err)
			}
			if diff := cmp.Diff(flat(entries), flat(again)); diff != "" {
				t.Fatalf("batch %x encodes to %x:\n%s", b, once, diff)
			}
			if twice := appendBatch(nil, hs2, start2, again); !bytes.Equal(once, twice) {
				t.Fatalf("a batch encodes to %x and then to %x", once, twice)
			}
		}
		if id, hs, last, err := decodeBase(b); err == nil {
			id2, hs2, last2, err := decodeBase(appendBase(nil, id, hs, last))
			if err != nil || id != id2 || hs != hs2 || last != last2 {
				t.Fatalf("base %x is %v %v %v, and then %v %v %v, %v", b, id, hs, last, id2, hs2,
					last2, err)
			}
		}
		if m, err := decodeMeta(b); err == nil {
			once := appendMeta(nil, m)
			again, err := decodeMeta(once)
			if err != nil {
				t.Fatalf("header %x encodes to %x: %v", b, once, err)
			}
			if diff := cmp.Diff(m, again, protocmp.Transform()); diff != "" {
				t.Fatalf("header %x encodes to %x:\n%s", b, once, diff)
			}
		}
	})
}

// FuzzIdentity: the files for people, a disk's id and its seat, are read as what writes them would
// write, to the byte, or refused.
func FuzzIdentity(f *testing.F) {
	disk := fmt.Sprintf(diskFormat, diskVersion, DiskID{0xab, 15: 1})
	seat := Seat{Cluster: core.ClusterID{0xab, 15: 1}, RaftID: 12}.text()
	for _, text := range []string{disk, seat} { // capital digits are not what is written
		f.Add(text)
		f.Add(strings.Replace(text, "ab0", "AB0", 1))
	}
	f.Add("vivarium disk 2\n")
	f.Add("vivarium member 9\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		fs := vfs.NewMem()
		if err := fs.MkdirAll("/d", 0o755); err != nil {
			t.Fatal(err)
		}
		replace(fs, "/d/"+diskFile, []byte(text))
		frugal.Check(t, []byte(text), 128, func() { _, _ = parseSeat("f", text) })
		id, ok, err := newDirs(fs, Options{}).readID("/d")
		if written := fmt.Sprintf(diskFormat, diskVersion, id); ok && written != text {
			t.Errorf("%q is disk %v, which is written %q", text, id, written)
		}
		refused(t, text, ok, err)
		seat, err := parseSeat("f", text)
		if written := seat.text(); err == nil && written != text {
			t.Errorf("%q is seat %v, which is written %q", text, seat, written)
		}
		refused(t, text, err == nil, err)
	})
}

// refused says whether what is not taken is refused with an error that names the way out.
func refused(t *testing.T, text string, taken bool, err error) {
	t.Helper()
	var corrupt *CorruptError
	var version *VersionError
	if taken != (err == nil) || err != nil && !errors.As(err, &corrupt) &&
		!errors.As(err, &version) {
		t.Errorf("%q: taken %v, %v", text, taken, err)
	}
}

// FuzzMark: a mark file is refused, or one of its slots is whole and is the mark.
func FuzzMark(f *testing.F) {
	f.Add(appendMark(nil, testID, 1, Mark{Term: 3, Acked: Position{3, 9}}),
		appendMark(nil, testID, 2, Mark{Term: 4, Vote: 2, Acked: Position{3, 12}}), false)
	f.Add([]byte{}, appendMark(nil, testID, 2, Mark{Term: 4}), true)
	f.Fuzz(func(t *testing.T, first, second []byte, seal bool) {
		slots := [][]byte{first, second}
		data := make([]byte, markBlock+markSize)
		for i, b := range slots {
			b = b[:min(len(b), markSize)]
			slot := data[i*markBlock : i*markBlock+markSize]
			copy(slot, b)
			if seal && len(b) == markSize {
				m := Mark{Term: binary.LittleEndian.Uint64(b[24:]), Vote: uint64(b[0])}
				copy(slot, appendMark(nil, testID, uint64(b[8]), m))
			}
		}
		fs := vfs.NewMem()
		if err := fs.MkdirAll("/d", 0o755); err != nil {
			t.Fatal(err)
		}
		replace(fs, "/d/"+markFile, data)
		k, m, damage, err := openMark(fs, "/d", testID)
		if err != nil {
			var corrupt *CorruptError
			var version *VersionError
			if !errors.As(err, &corrupt) && !errors.As(err, &version) {
				t.Fatalf("%x %x: %T %v", first, second, err, err)
			}
			return
		}
		found := false
		for i := range slots {
			_, _, slot, ok := decodeMark(data[i*markBlock:], testID)
			found = found || ok && slot == m
		}
		if !found || len(damage) > 1 {
			t.Fatalf("%x %x: the mark is %v, with damage %v", first, second, m, damage)
		}
		want := m
		want.Acked.Index++
		if err := k.write(func() Mark { return want }); err != nil {
			t.Fatal(err)
		}
		if _, got, _, err := openMark(fs, "/d", testID); err != nil || got != want {
			t.Fatalf("wrote %v, read %v, %v", want, got, err)
		}
	})
}

// FuzzSegments: records whose checksums are right and whose content is arbitrary, with arbitrary
// bytes behind them, in one segment or two. Reading ends with an error that says what is lost, or
// with all whole records.
func FuzzSegments(f *testing.F) {
	base := appendBase(nil, testID, hardState{}, Position{})
	batch := appendBatch(nil, hardState{1, 1, 2}, Position{}, newEntries(1, 1, 3, 4))
	next := appendBatch(nil, hardState{2, 1, 3}, Position{}, newEntries(2, 3, 2, 4))
	f.Add(base, batch, next, []byte{}, uint8(3))
	f.Add(base, batch, next, []byte("torn"), uint8(2))
	f.Add(base, batch, appendBase(nil, testID, hardState{1, 1, 2}, Position{1, 3}),
		[]byte{0, 0, 0}, uint8(0x42))
	f.Fuzz(func(t *testing.T, first, second, third, tail []byte, how uint8) {
		j, size := fuzzedLog(t, [][]byte{first, second, third}, tail, how)
		var r replay
		var damage []Damage
		var err error
		took := frugal.Allocated(func() { damage, err = j.read(&r) })
		// The search for whole records behind damage has a window of 1 MiB for each segment.
		if took > 256*uint64(size)+8<<20 {
			t.Fatalf("reading %d bytes took %d", size, took)
		}
		if err != nil {
			var corrupt *CorruptError
			var version *VersionError
			if !errors.As(err, &corrupt) && !errors.As(err, &version) {
				t.Fatalf("%T %v", err, err)
			}
			return
		}
		// A checkpoint may be anywhere at or behind the beginning of the log.
		meta := Meta{Position: r.before}
		if len(r.entries) > 0 && how&0x20 != 0 {
			meta.Position = position(r.entries[0])
		}
		if _, err := r.settle(meta, Mark{}); err != nil {
			return
		}
		last := r.before
		for _, e := range r.entries {
			if p := position(e); p.Index != last.Index+1 || p.Term > r.hs.term {
				t.Fatalf("entry %v behind %v in term %d", p, last, r.hs.term)
			}
			last = position(e)
		}
		if last != r.last || r.hs.commit > last.Index || len(damage) > 1 {
			t.Fatalf("the log ends at %v, %v; commit %d; damage %v", last, r.last, r.hs.commit,
				damage)
		}
	})
}

// fuzzedLog makes a log of records with these payloads, or the first of them; how says how many,
// and whether the third begins a segment. It returns how many bytes there are.
func fuzzedLog(t *testing.T, payloads [][]byte, tail []byte, how uint8) (*journal, int) {
	t.Helper()
	fs := vfs.NewMem()
	if err := fs.MkdirAll("/log", 0o755); err != nil {
		t.Fatal(err)
	}
	j := &journal{}
	j.init(fs, "/log", testID, testOptions().withDefaults())
	c := newChain(testID)
	c.segment = 1
	files := map[uint64][]byte{}
	for i, payload := range payloads[:min(int(how%4)+1, len(payloads))] {
		magic := uint32(magicBatch)
		if i == 0 {
			magic = magicBase
		}
		if i == 2 && how&0x40 != 0 {
			magic = magicBase
			c.segment++
		}
		var record []byte
		record, c = c.endRecord(append(beginRecord(nil), payload...), magic)
		files[c.segment] = append(files[c.segment], record...)
	}
	files[c.segment] = append(files[c.segment], tail...)
	size := 0
	for number, b := range files {
		replace(fs, j.path(segmentName(number)), b)
		size += len(b)
	}
	return j, size
}

// FuzzDamage spoils bytes of a disk that holds a small log and a mark. It is refused with a typed
// error, or it holds everything that the mark promised, and nothing that was never written.
func FuzzDamage(f *testing.F) {
	f.Add(uint8(0), uint16(40), []byte{0x55})
	f.Add(uint8(1), uint16(0), []byte("vivarium disk 2\n"))
	f.Add(uint8(3), uint16(9), []byte{0xff, 0, 1})
	marked, want := smallLog(f, true)
	unmarked, _ := smallLog(f, false)
	f.Fuzz(func(t *testing.T, which uint8, at uint16, xor []byte) {
		fs := fullClone(marked)
		if which&0x80 != 0 {
			fs = fullClone(unmarked)
		}
		files := ourFiles(fs)
		name := files[int(which&0x7f)%len(files)]
		b := contents(fs, name)
		for i, x := range xor {
			b[(int(at)+i)%len(b)] ^= x
		}
		replace(fs, name, b)
		got := reopen(fs)
		if got.err != nil {
			var version *VersionError
			if !errors.As(got.err, &version) {
				checkTyped(t, name, got.err)
			}
			return
		}
		if which&0x80 != 0 {
			// Less was promised, but what there is was written.
			want := want.Entries[:min(len(got.snapshot.Entries), len(want.Entries))]
			if diff := cmp.Diff(want, got.snapshot.Entries); diff != "" {
				t.Errorf("%x at %d of %s: never written (-written +got):\n%s", xor, at, name, diff)
			}
			return
		}
		if diff := cmp.Diff(want, got.snapshot); diff != "" {
			t.Errorf("%x at %d of %s: wrong contents (-want +got):\n%s", xor, at, name, diff)
		}
	})
}
